"""Folds of consolidation: runs by log time and by command, a bounded part with each record."""

from itertools import islice

from msgspec import structs

from streams.core.fold import Effect, Entry, View
from streams.core.journal import Target
from streams.core.log import MemoryConsolidate
from streams.core.rows import Row, tenant_key
from streams.core.time import HOUR, SECOND
from streams.memory import linking, split
from streams.memory.budget import Budget
from streams.memory.commanded import finished
from streams.memory.consolidate import Looked, last, look
from streams.memory.consolidation_rows import (
    HASH,
    SCHEDULE,
    AlikeRow,
    DirtyRow,
    FreshRow,
    LinkableRow,
    WorkRow,
    work_key,
)
from streams.memory.memories import Memories
from streams.memory.rows import CONFIG_KEY, NO_CONFIG, MemoryConfigRow, tenant_of

SCANNED = 300
"""Memories like no other that are passed over at once."""
TASKS = 20
"""Work of commands that one tick looks at."""
PASSES = 8
"""A run looks at alike memories so many times more, if each time something was merged."""
_AFTER = b"\xff"


def fold_consolidate(view: View, entry: Entry, body: MemoryConsolidate) -> list[Effect]:
    """Go through all of a tenant's memories of the last hours; ticks go on where they are many."""
    outputs: list[Effect] = []
    record = entry.record
    hours = body.window_hours or _config(view).consolidate_window_hours
    row = WorkRow(
        "run",
        entry.log_time,
        window=hours * HOUR,
        at=tenant_key(AlikeRow, record.tenant),
        source=record.source,
        id=record.id,
    )
    key = work_key(record.tenant, f"run {entry.offset:020}")
    _go_on(view, entry, outputs, key, row, Budget(view))
    return outputs


def consolidate(view: View, entry: Entry, outputs: list[Effect]) -> None:
    """Go on with all work that there is."""
    budget = Budget(view)
    for key, row in _in_turn(view, entry.log_time):
        if not budget.left:
            return
        if key == SCHEDULE:
            _by_time(view, entry, outputs, row, budget)
        elif row is not None and row.what == "run":
            _go_on(view, entry, outputs, key, row, budget)
        elif row is not None:
            memories = Memories(view, entry, outputs, tenant_of(key))
            budget.spend(split.go_on(memories, key, row))


def _in_turn(view: View, log_time: int) -> list[tuple[bytes, WorkRow | None]]:
    """All work: the schedule and one of each tenant, another one first each second, then the rest.

    So none can keep others waiting.
    """
    found = {SCHEDULE: view.get(WorkRow, SCHEDULE)}
    start = SCHEDULE + b"\0"
    while len(found) <= TASKS:
        one = next(view.scan(WorkRow, WorkRow.kind, start=start), None)
        if one is None:
            break
        found[one[0]] = one[1]
        start = tenant_key(WorkRow, tenant_of(one[0])) + _AFTER
    # Each has its turn in every fourth second too, in which a tick has most room for this.
    second = log_time // SECOND
    first = (second + 19 * (second // 4)) % len(found)
    work = list(found.items())
    more = islice(view.scan(WorkRow, WorkRow.kind), TASKS + 1)
    return work[first:] + work[:first] + [each for each in more if each[0] not in found]


def _by_time(
    view: View, entry: Entry, outputs: list[Effect], before: WorkRow | None, budget: Budget
) -> None:
    """Go on with the run over everything, or begin one if it is time."""
    now = _due(view, entry, before)
    if now is None and before is not None:
        view.delete(SCHEDULE)
    if now is not None and (now.at is not None or now != before):
        _go_on(view, entry, outputs, SCHEDULE, now, budget)


def _due(view: View, entry: Entry, schedule: WorkRow | None) -> WorkRow | None:
    """The run over everything as it is now; None: nothing is new, and a tick changes no row."""
    config = _config(view)
    if schedule is None:
        return WorkRow("run", entry.log_time) if _any_new(view) else None
    every = config.consolidate_every_seconds * SECOND
    # Merges come in time, however many links there are to look for: those go on after them.
    merged = schedule.at is None or schedule.at.startswith(FreshRow.kind)
    if merged and schedule.until + every <= entry.log_time:
        if not _any_new(view):
            return None
        window = config.consolidate_window_hours * HOUR
        links = schedule.at
        return WorkRow("run", entry.log_time, window=window, at=DirtyRow.kind, links=links)
    return schedule


def _any_new(view: View) -> bool:
    kinds: tuple[type[Row], ...] = (DirtyRow, FreshRow)
    return any(next(view.scan(kind, kind.kind), None) is not None for kind in kinds)


def _go_on(
    view: View, entry: Entry, outputs: list[Effect], key: bytes, row: WorkRow, budget: Budget
) -> None:
    """Go on with a run until it is done or enough was done."""
    while budget.left and (at := row.at) is not None:
        if at.startswith((FreshRow.kind, LinkableRow.kind)):
            row = _link(view, entry, outputs, key, row, budget)
            continue
        if row.start is None:
            at, found = _next(view, key, row, budget)
            row = structs.replace(row, at=at)
            if not found:
                continue
            if key == SCHEDULE:
                # Whatever comes from now on is noted again, and is the next run's.
                view.delete(at)
            until = row.until if key == SCHEDULE else None
            end = last(view, tenant_of(at), at[-HASH:], until)
            row = structs.replace(row, start=b"", end=end)
        memories = Memories(view, entry, outputs, tenant_of(at))
        assert row.start is not None
        looked = look(memories, at[-HASH:], row.until - row.window, row.start, row.end)
        budget.spend(looked.read, looked.merged)
        row = _sum(row, looked)
        if row.start is not None:
            continue
        if row.again and row.passes < PASSES:
            row = structs.replace(row, start=b"", again=False, passes=row.passes + 1)
            continue
        if key == SCHEDULE and (row.again or last(view, tenant_of(at), at[-HASH:]) > row.end):
            # There is more to do already, for the next run.
            view.put(at, DirtyRow())
        row = structs.replace(row, at=at + _AFTER, end=b"", again=False, passes=0)
    if key == SCHEDULE or row.at is not None:
        view.put(key, row)
        return
    view.delete(key)
    finished(
        view,
        entry,
        outputs,
        tenant := tenant_of(key),
        row,
        action="memory.consolidated",
        target=Target("tenant", tenant),
        details={
            "window_hours": row.window // HOUR,
            "groups": row.groups,
            "members": row.merged,
            "freed_bytes": row.freed,
            "linked": row.linked,
        },
    )


def _link(
    view: View, entry: Entry, outputs: list[Effect], key: bytes, row: WorkRow, budget: Budget
) -> WorkRow:
    """Go on with links: of what is new, and on command of all of a tenant's memories."""
    assert row.at is not None
    by_time = key == SCHEDULE
    if row.at.startswith(FreshRow.kind):
        look = linking.look_at_new
        prefix = FreshRow.kind if by_time else tenant_key(FreshRow, tenant_of(key))
        # What runs by log time would look at, they need not look at any more.
        window = max(row.window, _config(view).consolidate_window_hours * HOUR)
        then = None if by_time else tenant_key(LinkableRow, tenant_of(key))
    else:
        look, window, then = linking.look_at_all, row.window, None
        prefix = tenant_key(LinkableRow, tenant_of(key))
    at, count = look(view, entry, outputs, row.at, prefix, row.until - window, budget)
    return structs.replace(row, at=then if at is None else at, linked=row.linked + count)


def _next(view: View, key: bytes, row: WorkRow, budget: Budget) -> tuple[bytes, bool]:
    """Where alike memories are looked at next, and whether there are any; then come links."""
    at = row.at
    if key == SCHEDULE:
        found = next(view.scan(DirtyRow, DirtyRow.kind, start=at), None)
        return (row.links or FreshRow.kind, False) if found is None else (found[0], True)
    prefix = tenant_key(AlikeRow, tenant_of(key))
    before = None
    for seen, (place, _) in enumerate(view.scan(AlikeRow, prefix, start=at)):
        common = place[: len(prefix) + HASH]
        if common == before:
            budget.spend(seen)
            return common, True
        if seen > SCANNED:
            budget.spend(seen)
            return common, False
        before = common
    return tenant_key(FreshRow, tenant_of(key)), False


def _sum(row: WorkRow, looked: Looked) -> WorkRow:
    """Add what came of a look; whether memories that were looked at in parts have to be again."""
    parts = bool(row.start) or looked.start is not None
    return structs.replace(
        row,
        start=looked.start,
        again=row.again or (looked.merged > 0 and parts),
        groups=row.groups + looked.groups,
        merged=row.merged + looked.merged,
        freed=row.freed + looked.freed,
    )


def _config(view: View) -> MemoryConfigRow:
    return view.get(MemoryConfigRow, CONFIG_KEY) or NO_CONFIG
