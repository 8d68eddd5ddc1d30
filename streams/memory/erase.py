"""Fold of memory.erase: first the fence, which readers obey at once, then the rows, part by part.

What is on hold stays, and the erasure waits; when a hold ends it goes through everything again.
There is one audit record for the command when all that may go is gone, and one more when what was
deferred is gone too.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from msgspec import structs

from streams.core.fold import Effect, Entry, View
from streams.core.log import MemoryErase
from streams.core.rows import tenant_key
from streams.memory import links, receipts
from streams.memory.commanded import finished
from streams.memory.dating import EVERYBODY
from streams.memory.fences import fence_ids, put_fences
from streams.memory.forget_rows import (
    ALL,
    ID,
    NOTHING_TO_DO,
    SUBJECT,
    Erasure,
    ForgetRow,
    SubjectRow,
    WorkRow,
    fence_key,
    rules_of,
    subject_prefix,
)
from streams.memory.hold_commands import target_of
from streams.memory.holds import held
from streams.memory.memories import Memories
from streams.memory.memory_row import MemoryRow
from streams.memory.rows import id_of
from streams.memory.state_erasure import Judge, forget_state, judge_of

AT_ONCE = 50
"""Memories that go with one record."""
LOOKED_AT = 300
MEMORIES, STATE, RUNS, WAITING = range(4)
"""Phases of an erasure."""

ForgetTexts = Callable[[View, str, Judge, int, bytes], tuple[bytes | None, int, int]]
"""How texts of runs are erased: jobs' part of it."""


def fold_memory_erase(
    view: View, entry: Entry, body: MemoryErase, forget_texts: ForgetTexts
) -> list[Effect]:
    """Erase memories, a subject or all of a tenant."""
    outputs: list[Effect] = []
    record = entry.record
    tenant = record.tenant
    memory_ids = tuple(dict.fromkeys(body.memory_ids))
    _fence(view, entry, memory_ids, body.subject)
    erasure = Erasure(
        record.source,
        record.id,
        body.reason,
        memory_ids,
        body.subject,
        record.time,
        entry.timestamp,
    )
    receipts.begin(view, tenant, erasure)
    key = tenant_key(ForgetRow, tenant)
    row = view.get(ForgetRow, key) or NOTHING_TO_DO
    view.put(key, structs.replace(row, erasures=(*row.erasures, erasure)))
    erasure, _ = go_on(view, entry, outputs, tenant, erasure, AT_ONCE, forget_texts)
    if is_done(erasure):
        if row == NOTHING_TO_DO:
            view.delete(key)
        else:
            view.put(key, row)
        return outputs
    view.put(key, structs.replace(row, erasures=(*row.erasures, erasure)))
    if erasure.phase != WAITING:
        view.put(tenant_key(WorkRow, tenant), WorkRow())
    return outputs


def is_done(erasure: Erasure) -> bool:
    """Whether all is gone."""
    return erasure.phase == WAITING and not erasure.deferred


def go_on(
    view: View,
    entry: Entry,
    outputs: list[Effect],
    tenant: str,
    erasure: Erasure,
    at_most: int,
    forget_texts: ForgetTexts,
) -> tuple[Erasure, int]:
    """Go on with an erasure, by at most so many memories.

    Returns
    -------
    erasure, count
        As it is then; how many memories went.
    """
    gone = 0
    while erasure.phase != WAITING:
        start = erasure.cursor
        if erasure.phase == MEMORIES:
            after, count, kept = _forget_memories(
                view, entry, outputs, tenant, erasure, at_most - gone
            )
            gone += count
            erasure = structs.replace(erasure, erased=erasure.erased + count)
        elif erasure.phase == STATE:
            judge = judge_of(view, tenant, erasure.subject)
            after, count, kept = forget_state(view, entry, tenant, judge, erasure.at, start)
            erasure = structs.replace(erasure, state=erasure.state + count)
        else:
            judge = judge_of(view, tenant, erasure.subject)
            after, count, kept = forget_texts(view, tenant, judge, erasure.until, start)
            erasure = structs.replace(erasure, runs=erasure.runs + count)
        erasure = structs.replace(erasure, deferred=erasure.deferred + kept)
        if after is not None:
            return structs.replace(erasure, cursor=after), gone
        # An id is a memory's alone.
        phase = WAITING if erasure.memory_ids else erasure.phase + 1
        erasure = structs.replace(erasure, phase=phase, cursor=b"")
    receipts.note(view, entry, tenant, erasure)
    if not (erasure.told and erasure.deferred):
        _tell(view, entry, outputs, tenant, erasure)
    return structs.replace(erasure, told=True), gone


def _forget_memories(
    view: View,
    entry: Entry,
    outputs: list[Effect],
    tenant: str,
    erasure: Erasure,
    at_most: int,
) -> tuple[bytes | None, int, int]:
    memories = Memories(view, entry, outputs, tenant)
    rules = rules_of(view, tenant)
    found = list(islice(_candidates(view, tenant, erasure), LOOKED_AT + 1))
    erased = kept = work = 0
    members: dict[str, MemoryRow] = {}
    wholes: set[str] = set()
    after = found[LOOKED_AT][0] if len(found) > LOOKED_AT else None
    for cursor, memory_id in found[:LOOKED_AT]:
        if work >= at_most:
            after = cursor
            break
        row = memories.get(memory_id)
        if row is None or not _covers(erasure, row):
            continue
        if row.consolidated_into is not None:
            whole = memories.get(row.consolidated_into)
            if whole is None:
                # Counted with what it was a member of; ticks would have come to it.
                memories.discard(memory_id, row)
                work += 1
                continue
            whole_id = row.consolidated_into
            if (
                not erasure.memory_ids
                and _covers(erasure, whole)
                and not held(view, rules, tenant, whole_id, whole)
            ):
                memory_id, row = whole_id, whole
        if held(view, rules, tenant, memory_id, row):
            kept += 1
            continue
        # A fence is a row of about ten that go with a memory.
        work += links.work(view, tenant, memory_id) + len(row.sources) // 10
        if row.consolidated_into is None:
            memories.remove(memory_id, row)
        else:
            # What is made anew of another merge's members is work for two.
            work += bool(wholes) and row.consolidated_into not in wholes
            wholes.add(row.consolidated_into)
            members[memory_id] = row
        fence_ids(view, tenant, (memory_id, *row.sources), entry.timestamp)
        erased += 1 + sum(each not in members for each in row.sources)
    memories.remove_members(list(members.items()))
    return after, erased, kept


def _covers(erasure: Erasure, row: MemoryRow) -> bool:
    if erasure.memory_ids:
        return True
    named = erasure.subject in (None, row.subject)
    return named and row.timestamp <= erasure.until


def _candidates(view: View, tenant: str, erasure: Erasure) -> Iterator[tuple[bytes, str]]:
    """Yield memories that may be covered, each with the cursor that begins there."""
    start = erasure.cursor
    if erasure.memory_ids:
        for at in range(int(start or b"0"), len(erasure.memory_ids)):
            yield b"%d" % at, erasure.memory_ids[at]
    elif (
        erasure.subject is not None
        and not start.startswith(MemoryRow.kind)
        and (start or _subjects_are_known(view))
    ):
        prefix = subject_prefix(tenant, erasure.subject)
        for key, _ in view.scan(SubjectRow, prefix, start=start or prefix):
            yield key, key[len(prefix) :].decode()
    else:
        prefix = tenant_key(MemoryRow, tenant)
        for key, _ in view.scan(MemoryRow, prefix, start=start or prefix):
            yield key, id_of(key)


def _subjects_are_known(view: View) -> bool:
    """Whether what was stored before subjects were looked up is filed under them."""
    row = view.get(ForgetRow, tenant_key(ForgetRow, EVERYBODY))
    return row is not None and row.dating is None


def _fence(view: View, entry: Entry, memory_ids: tuple[str, ...], subject: str | None) -> None:
    """Leave the fence."""
    tenant, until = entry.record.tenant, None if memory_ids else entry.record.time
    if memory_ids:
        keys = [fence_key(tenant, ID, each) for each in memory_ids]
    elif subject is not None:
        keys = [fence_key(tenant, SUBJECT, subject)]
    else:
        keys = [fence_key(tenant, ALL)]
    put_fences(view, tenant, keys, until, entry.timestamp)


def _tell(view: View, entry: Entry, outputs: list[Effect], tenant: str, erasure: Erasure) -> None:
    """Say what has gone, as the command's audit record, whatever record did the last of it."""
    details: dict[str, Any] = {
        "reason": erasure.reason,
        "erased": erasure.erased,
        "deferred": erasure.deferred,
        "state": erasure.state,
        "runs": erasure.runs,
    }
    finished(
        view,
        entry,
        outputs,
        tenant,
        erasure,
        action="memory.erased",
        target=target_of(tenant, erasure.subject, erasure.memory_ids),
        details=details,
        outcome="deferred" if erasure.deferred else None,
    )
