"""Consolidated memories: made of members, extended, made anew of those that stay.

A consolidated memory is one like any other, found and corrected as such. What it was made of lies
beside it, so that each member can be given back to the byte. What it says comes from its members
alone: whenever one comes or goes it is said anew.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import structs

from streams.memory import alike, linkable, links
from streams.memory.archived import made_of
from streams.memory.bytes import bytes_of, room
from streams.memory.consolidated_told import tell, tell_split
from streams.memory.consolidation_rows import (
    KNOWN,
    LEFT,
    AlikeRow,
    ConsolidatedRow,
    WorkRow,
    alike_key,
    consolidated_key,
    members_key,
    work_key,
)
from streams.memory.forget_rows import rules_of
from streams.memory.grouping import Values, line, values_of
from streams.memory.hold_commands import begin_again
from streams.memory.holds import on_hold
from streams.memory.mean import mean_vector
from streams.memory.members import joined, latest, members_of, members_row, shown_now
from streams.memory.memory_row import MemoryRow
from streams.memory.record import measured
from streams.memory.remade import Remade, made_row, members, remade
from streams.memory.rows import vector_key
from streams.memory.summary import Member, summary, summed

if TYPE_CHECKING:
    from streams.memory.memories import Memories

MEMBERS = 300
"""Of one consolidated memory."""
MAX_BYTES = 1 << 20
"""Of what lies beside it."""


def merge(
    memories: "Memories",
    memory_id: str,
    template: bytes,
    common: bytes,
    new: Sequence[tuple[Member, Values]],
) -> ConsolidatedRow | None:
    """Make a consolidated memory, or extend the one of this id.

    Parameters
    ----------
    common : bytes
        What the members have in common (`alike.alike`).
    new : sequence
        Memories that stand for themselves, and their values.

    Returns
    -------
    ConsolidatedRow or None
        None: it would be too large, or there is no room for it. Nothing is changed then.
    """
    view, tenant = memories.view, memories.tenant
    before, old = memories.get(memory_id), made_of(view, tenant, memory_id)
    found = [((each.row.timestamp, each.row.place, each.id), values) for each, values in new]
    if old is not None:
        found += zip(old.members, values_of(old), strict=True)
    found.sort(key=lambda pair: pair[0])
    rows = [each.row for each, _ in new]
    made = made_row(
        template,
        found,
        common,
        sum(row.size for row in rows) + (0 if old is None else old.bytes_before),
        sum(row.vector_bytes for row in rows) + (0 if old is None else old.held - len(old.columns)),
    )
    if len(found) > MEMBERS or len(template) + len(made.columns) > MAX_BYTES:
        return None
    vector = mean_vector(view, tenant, [member[-1] for member in made.members])
    bare = [links.bare(view, tenant, each.id, each.row) for each, _ in new]
    now = summary(line(made), made.members, bare, vector)
    if before is not None:
        now = summed(links.bare(view, tenant, memory_id, before), now)
    kept = sum(row.size for row in rows)
    kept += (0 if before is None else before.size) + (0 if old is None else old.held)
    dates = members_row(rows)
    if before is not None:
        dates = joined(members_of(view, tenant, memory_id, before), dates)
    shown = links.shown(view, tenant, memory_id, now)
    size = measured(tenant, memory_id, shown, latest(dates, rules_of(view, tenant)))[1]
    growth = size + made.held - kept
    if growth > 0 and growth > room(view, memories.entry, tenant) - bytes_of(view, tenant).used:
        return None
    with memories.together():
        for each, _ in new:
            memories.archive(each.id, each.row, memory_id)
        _write(memories, memory_id, before, old, Remade(now, made, dates, vector))
        _open(memories, memory_id, now, made)
    tell(memories, memory_id, made)
    return made


def leave_out(
    memories: "Memories", memory_id: str, gone: Sequence[str], *, quiet: bool = False
) -> list[Member]:
    """Take members out of a consolidated memory, which is made anew of the others.

    With one member left it is given back as itself. Those that were taken out are returned; their
    rows still say that they are archived. ``quiet``: nothing is told on the topic.
    """
    view, tenant = memories.view, memories.tenant
    before, old = memories.get(memory_id), made_of(view, tenant, memory_id)
    if before is None or old is None:
        return []
    out = set(gone)
    found = members(view, tenant, old)
    going = [each for each in found if each.id in out]
    staying = [each for each in found if each.id not in out]
    if len(staying) < 2:
        with memories.together():
            _dissolve(memories, memory_id, before, old)
            for each in staying:
                give_back(memories, each)
        if not quiet:
            tell_split(memories, memory_id, [each.id for each in staying])
        return going
    new = remade(view, tenant, before, old, found, out)
    now = structs.replace(new.row, revision=before.revision + 1)
    with memories.together():
        if _write(memories, memory_id, before, old, new._replace(row=now)):
            _open(memories, memory_id, now, new.made)
    if not quiet:
        tell(memories, memory_id, new.made)
    return going


def give_back(memories: "Memories", member: Member, *, alone: bool = False) -> MemoryRow:
    """Let a member that was taken out be a memory of its own again, as it was.

    ``alone``: no run merges it again before it is corrected.
    """
    archived = memories.get(member.id)
    if member.row.working:
        memories.put_working(member.id, archived, member.row)
    else:
        memories.put(member.id, archived, member.row)
    row = memories.get(member.id)
    assert row is not None
    enter = linkable.enter if alone else alike.enter
    enter(memories.view, memories.tenant, member.id, row)
    if archived is not None and archived.consolidated_into is not None:
        rules = rules_of(memories.view, memories.tenant)
        if on_hold(memories.view, rules, memories.tenant, archived.consolidated_into, None):
            # Of its own it may be on hold no more, and an erasure may wait for it.
            begin_again(memories.view, memories.tenant)
    return row


def come_back(memories: "Memories", memory_id: str, row: MemoryRow) -> MemoryRow | None:
    """Take an archived member out, to stand for itself; None: it is no more."""
    assert row.consolidated_into is not None
    with memories.together():
        going = leave_out(memories, row.consolidated_into, [memory_id])
        if going:
            return give_back(memories, going[0], alone=True)
    memories.discard(memory_id, row)
    return None


def close(memories: "Memories", memory_id: str) -> bool:
    """Let a consolidated memory be extended and linked no more; whether it could be extended."""
    before = memories.get(memory_id)
    old = made_of(memories.view, memories.tenant, memory_id)
    if before is None or old is None:
        return False
    text = links.said(before, old)
    if text is not None:
        linkable.leave(memories.view, memories.tenant, memory_id, before, text)
    key = alike_key(memories.tenant, old.alike, KNOWN, before.timestamp, memory_id)
    opened = memories.view.get(AlikeRow, key) is not None
    if opened:
        memories.view.delete(key)
    return opened


def abandon(memories: "Memories", memory_id: str) -> None:
    """Leave a consolidated memory's members behind: nobody sees them, and ticks remove them."""
    view, tenant = memories.view, memories.tenant
    before, old = memories.get(memory_id), made_of(view, tenant, memory_id)
    if before is None or old is None:
        return
    _forget(memories, memory_id, old, before.cost_attribution)
    ids = tuple(member[-1] for member in old.members)
    work = WorkRow("left", memories.entry.log_time, memory_id=memory_id, members=ids)
    view.put(work_key(tenant, LEFT + memory_id), work)


def _dissolve(
    memories: "Memories", memory_id: str, before: MemoryRow, old: ConsolidatedRow
) -> None:
    _forget(memories, memory_id, old, before.cost_attribution)
    memories.erase(memory_id, before)


def _forget(memories: "Memories", memory_id: str, old: ConsolidatedRow, project: str) -> None:
    close(memories, memory_id)
    memories.view.delete(consolidated_key(memories.tenant, memory_id))
    memories.view.delete(members_key(memories.tenant, memory_id))
    memories.add_bytes(-old.held, project)


def _write(
    memories: "Memories",
    memory_id: str,
    before: MemoryRow | None,
    old: ConsolidatedRow | None,
    new: Remade,
) -> bool:
    """Write what a consolidated memory is now; whether it could be extended before.

    ``now`` is without its links.
    """
    view, tenant = memories.view, memories.tenant
    now, made, dates, vector = new
    opened = close(memories, memory_id)
    view.put(consolidated_key(tenant, memory_id), made)
    view.put(members_key(tenant, memory_id), shown_now(dates, rules_of(view, tenant)))
    memories.add_bytes(made.held - (0 if old is None else old.held), now.cost_attribution)
    if vector is not None:
        view.put(vector_key(tenant, memory_id), vector)
    elif before is not None and before.embedding_model is not None:
        view.delete(vector_key(tenant, memory_id))
    now = links.keep(memories, memory_id, now)
    if now.working:
        memories.put_working(memory_id, before, now)
    else:
        memories.put(memory_id, before, now)
    return opened


def _open(memories: "Memories", memory_id: str, now: MemoryRow, made: ConsolidatedRow) -> None:
    """Let runs extend a consolidated memory, and link it."""
    key = alike_key(memories.tenant, made.alike, KNOWN, now.timestamp, memory_id)
    memories.view.put(key, AlikeRow(made.template, len(made.members)))
    if links.said(now, made) is not None:
        linkable.enter(memories.view, memories.tenant, memory_id, now)
