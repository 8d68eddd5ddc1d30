"""One look at alike memories: what a rule merges becomes one, or extends what was merged before.

A look takes so many of them at once, and those that it leaves alone are looked at once more
together with the next ones. A group with a CRITICAL or a held member is left alone, all of it.
"""

from collections.abc import Sequence
from itertools import islice, takewhile
from typing import NamedTuple

from streams.core.fold import View
from streams.core.ids import derived_id
from streams.core.journal import Target, audit
from streams.core.rows import sortable
from streams.memory.bytes import bytes_of
from streams.memory.consolidated import MEMBERS, close, merge
from streams.memory.consolidated_told import CONSOLIDATED
from streams.memory.consolidation_rows import (
    CRITICAL,
    KNOWN,
    OTHER,
    AlikeRow,
    ConsolidatedRow,
    alike_prefix,
    id_of_alike,
)
from streams.memory.document import CRITICAL as CRITICAL_PRIORITY
from streams.memory.forget_rows import RulesRow
from streams.memory.grouping import Values, groups
from streams.memory.hidden import Hidden
from streams.memory.holds import held
from streams.memory.memories import Memories
from streams.memory.summary import Member

AT_ONCE = 60
"""Memories that one look takes."""
TWICE = 30
"""Of those that it leaves alone so many are looked at again with the next ones."""
BESIDE = 40
"""Consolidated and CRITICAL memories that it takes beside them."""


class Looked(NamedTuple):
    """What came of a look."""

    start: bytes | None
    """Where the next one begins; None: these were all."""
    groups: int
    merged: int
    freed: int
    read: int


def last(view: View, tenant: str, common: bytes, until: int | None = None) -> bytes:
    """Key of the latest memory, by event time, of those that have this in common.

    No later one than of ``until``: of a time to come what arrives meanwhile would lie before it.
    """
    prefix = alike_prefix(tenant, common) + OTHER
    end = next((key for key, _ in view.scan(AlikeRow, prefix, reverse=True)), b"")
    return end if until is None else min(end, prefix + sortable(until + 1))


def look(memories: Memories, common: bytes, since: int, start: bytes, end: bytes) -> Looked:
    """Look at memories that have this in common, from an event time on.

    ``start``: the key to go on at, empty: the first; ``end``: the last key.
    """
    view = memories.view
    prefix = alike_prefix(memories.tenant, common)
    start = start or prefix + OTHER + sortable(since)
    scanned = view.scan(AlikeRow, prefix + OTHER, start=start)
    keys = list(islice(takewhile(end.__ge__, (key for key, _ in scanned)), AT_ONCE + 1))
    more, keys = len(keys) > AT_ONCE, keys[:AT_ONCE]
    known = _known(memories, prefix, since)
    if not keys or len(keys) + len(known) < 2:
        return Looked(None, 0, 0, 0, 1 + len(keys))
    first = prefix + CRITICAL + sortable(since)
    grave = [k for k, _ in islice(view.scan(AlikeRow, prefix + CRITICAL, start=first), BESIDE)]
    hidden = Hidden(view, memories.tenant, memories.entry.log_time)
    # What nobody sees any more is for ticks to remove: it is told nowhere once more.
    known = [each for each in known if _shown(memories, hidden, each[0])]
    every = [_member(memories, id_of_alike(key, prefix)) for key in (*grave, *keys)]
    found = [each for each in every if not hidden.hides(each.id, each.row)]
    found.sort(key=lambda each: (each.row.timestamp, each.row.place, each.id))
    used = bytes_of(view, memories.tenant).used
    count, gone, rules = 0, set(), hidden.rules
    for group in groups([each.row.text for each in found], [row.template for _, row in known]):
        members = [found[place] for place in group.members]
        into = None if group.known is None else known[group.known]
        beside = () if into is None else (_member(memories, into[0]),)
        if any(_stays(memories, rules, each) for each in (*members, *beside)):
            continue
        pairs = list(zip(members, group.values, strict=True))
        for ids in _merged(memories, common, group.template, pairs, into):
            count += 1
            gone.update(ids)
    left = [key for key in keys if id_of_alike(key, prefix) not in gone]
    after = None
    if more:
        after = left[-TWICE] if len(left) > TWICE else start
    freed = used - bytes_of(view, memories.tenant).used
    return Looked(after, count, len(gone), freed, len(every) + len(known))


def _known(memories: Memories, prefix: bytes, since: int) -> list[tuple[str, AlikeRow]]:
    """Consolidated memories that can be extended, the newest first."""
    oldest = prefix + KNOWN + sortable(since)
    rows = memories.view.scan(AlikeRow, prefix + KNOWN, reverse=True)
    return [
        (id_of_alike(key, prefix), row)
        for key, row in islice(rows, BESIDE)
        if key >= oldest and row.count < MEMBERS
    ]


def _shown(memories: Memories, hidden: Hidden, memory_id: str) -> bool:
    """Whether a consolidated memory is seen, with all its members."""
    row = memories.get(memory_id)
    return row is not None and hidden.missing(memory_id, row) == ()


def _member(memories: Memories, memory_id: str) -> Member:
    row = memories.get(memory_id)
    assert row is not None
    return Member(memory_id, row)


def _stays(memories: Memories, rules: RulesRow | None, member: Member) -> bool:
    """Whether a memory keeps all that it could be merged with as they are."""
    return member.row.priority == CRITICAL_PRIORITY or held(
        memories.view, rules, memories.tenant, member.id, member.row
    )


def _merged(
    memories: Memories,
    common: bytes,
    template: bytes,
    members: Sequence[tuple[Member, Values]],
    known: tuple[str, AlikeRow] | None,
) -> list[list[str]]:
    """Merge a group; ids of what became one, for each merge."""
    done, rest = [], list(members)
    if known is not None:
        memory_id, row = known
        part = _read_again(memories, rest[: MEMBERS - row.count])
        made = merge(memories, memory_id, template, common, part)
        if made is None:
            # It is too large already, or there is no room for more of it.
            close(memories, memory_id)
        else:
            _tell(memories, memory_id, made)
            done.append([each.id for each, _ in part])
            rest = rest[len(part) :]
    size = len(rest)
    while len(rest) > 1 and size > 1:
        part = _read_again(memories, rest[:size])
        memory_id = _new_id(memories, part[0][0].id)
        made = merge(memories, memory_id, template, common, part)
        if made is None:
            size //= 2
        else:
            _tell(memories, memory_id, made)
            done.append([each.id for each, _ in part])
            rest = rest[size:]
    return done


def _read_again(
    memories: Memories, pairs: Sequence[tuple[Member, Values]]
) -> list[tuple[Member, Values]]:
    """Members as they are now: what was merged before may have taken them out of working memory."""
    return [(_member(memories, each.id), values) for each, values in pairs]


def _new_id(memories: Memories, first: str) -> str:
    # By its first member, so that what else a record does, for others too, is not in it; a tenant
    # is in one partition: which one it is, rows never say.
    entry = memories.entry
    place = (str(entry.offset), str(entry.timestamp), first)
    return derived_id(CONSOLIDATED, memories.tenant, *place)


def _tell(memories: Memories, memory_id: str, made: ConsolidatedRow) -> None:
    row = memories.get(memory_id)
    assert row is not None
    audit(
        memories.view,
        memories.entry,
        memories.outputs,
        action="memory.consolidated",
        target=Target("memory", memory_id),
        details={
            "rule": made.rule,
            "count": len(made.members),
            "bytes_before": made.bytes_before,
            "bytes_after": row.size + made.held,
        },
        command=False,
        tenant=memories.tenant,
    )
