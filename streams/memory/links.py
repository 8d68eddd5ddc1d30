"""Links between memories that say the same in other words: made, kept, taken back.

A link stands in both memories and changes nothing of what they say. It may be made where all but
the words agrees (`linkable`), the texts are of two templates (of one they would be merged), no word
of theirs speaks against it and their vectors are alike enough. CRITICAL memories and those on hold
are left alone. An archived member keeps its links, to have them when it is given back.

A memory is called bare here when its related memories are those given to it, without links.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import structs

from streams.core.fold import Rows
from streams.memory.archived import made_of
from streams.memory.bytes import bytes_of, room
from streams.memory.consolidation_rows import ConsolidatedRow, LinksRow, links_key
from streams.memory.document import CRITICAL
from streams.memory.grouping import bucket, texts_of
from streams.memory.holds import held
from streams.memory.likeness import alike_enough
from streams.memory.linkable import shared
from streams.memory.memory_row import MemoryRow
from streams.memory.rows import VectorRow, memory_key, vector_key
from streams.templates.hard import may_link

if TYPE_CHECKING:
    from streams.memory.hidden import Hidden
    from streams.memory.memories import Memories

LINKS = 4
"""Of one memory: each is a row that changes when it goes."""
_ADDED = len(',""')
"""Bytes of a record that a link takes beside the id."""


def linked(rows: Rows, tenant: str, memory_id: str) -> tuple[str, ...]:
    """Return the memories with which one is linked."""
    row = rows.get(LinksRow, links_key(tenant, memory_id))
    return () if row is None else row.linked


def bare(rows: Rows, tenant: str, memory_id: str, row: MemoryRow) -> MemoryRow:
    """Return a memory without its links."""
    found = rows.get(LinksRow, links_key(tenant, memory_id)) if row.related_memories else None
    return row if found is None else structs.replace(row, related_memories=found.given)


def shown(rows: Rows, tenant: str, memory_id: str, row: MemoryRow) -> MemoryRow:
    """Return a bare memory with its links."""
    return _with(row, linked(rows, tenant, memory_id))


def work(rows: Rows, tenant: str, memory_id: str) -> int:
    """How many memories' worth of rows change when one goes: its own, and those of its links."""
    return 1 + (len(linked(rows, tenant, memory_id)) + 1) // 2


def said(row: MemoryRow, made: ConsolidatedRow | None) -> str | None:
    """What a memory says, to be told again in other words; None: many things.

    ``made``: what a consolidated memory was made of.
    """
    if not row.consolidated:
        return row.text
    return texts_of(made)[0] if made is not None and made.rule == "identical" else None


def find(memories: "Memories", hidden: "Hidden", memory_id: str, candidates: Sequence[str]) -> int:
    """Link a memory with those of the candidates that say the same; return how many it were.

    The candidates share with it what linked memories must share.
    """
    view, tenant = memories.view, memories.tenant
    row, before = memories.get(memory_id), linked(view, tenant, memory_id)
    text = None if row is None else _free(memories, hidden, memory_id, row, before)
    if row is None or text is None:
        return 0
    now, others = list(before), [each for each in candidates if each not in before]
    free = room(view, memories.entry, tenant) - bytes_of(view, tenant).used
    with memories.together():
        for place in alike_enough(*_vectors(memories, memory_id, others)):
            other_id = others[place]
            growth = len(memory_id) + len(other_id) + 2 * _ADDED
            if growth > free or len(now) == LINKS:
                break
            other, has = memories.get(other_id), linked(view, tenant, other_id)
            assert other is not None
            other_text = _free(memories, hidden, other_id, other, has)
            if other_text is not None and _same(text, other_text):
                free -= growth
                now.append(other_id)
                _write(memories, other_id, other, (*has, memory_id))
        if len(now) > len(before):
            _write(memories, memory_id, row, tuple(now))
    return len(now) - len(before)


def keep(memories: "Memories", memory_id: str, row: MemoryRow) -> MemoryRow:
    """Take back the links of a memory that do not hold any more.

    Parameters
    ----------
    row : MemoryRow
        What it is from now on, bare; it is not written yet, but its vector is, and what it was
        made of.

    Returns
    -------
    MemoryRow
        With the links that hold.
    """
    kept = tuple(
        each
        for each in linked(memories.view, memories.tenant, memory_id)
        if _holds(memories, memory_id, row, each)
    )
    drop(memories, memory_id, kept)
    return _put(memories, memory_id, row, kept)


def drop(memories: "Memories", memory_id: str, kept: tuple[str, ...] = ()) -> None:
    """Take back a memory's links but for those that are ``kept``; its own row is not written."""
    view, tenant = memories.view, memories.tenant
    before = linked(view, tenant, memory_id)
    with memories.together():
        for other_id in before:
            if other_id not in kept:
                _take_back(memories, other_id, memory_id)
    if before and not kept:
        view.delete(links_key(tenant, memory_id))


def _take_back(memories: "Memories", memory_id: str, other_id: str) -> None:
    row, before = memories.get(memory_id), linked(memories.view, memories.tenant, memory_id)
    if row is not None and other_id in before:
        _write(memories, memory_id, row, tuple(each for each in before if each != other_id))


def _write(memories: "Memories", memory_id: str, row: MemoryRow, now: tuple[str, ...]) -> None:
    """Write a memory that has other links than before."""
    view, tenant = memories.view, memories.tenant
    written = _put(memories, memory_id, bare(view, tenant, memory_id, row), now)
    if row.consolidated_into is None:
        memories.put(memory_id, row, written)
    else:
        # It counts and is told as part of what it was merged into.
        view.put(memory_key(tenant, memory_id), written)


def _put(memories: "Memories", memory_id: str, row: MemoryRow, now: tuple[str, ...]) -> MemoryRow:
    """Write down the links of a bare memory; return it with them."""
    key = links_key(memories.tenant, memory_id)
    if now:
        memories.view.put(key, LinksRow(now, row.related_memories))
    elif memories.view.get(LinksRow, key) is not None:
        memories.view.delete(key)
    return _with(row, now)


def _with(row: MemoryRow, links: tuple[str, ...]) -> MemoryRow:
    related = tuple(dict.fromkeys((*row.related_memories, *links)))
    return structs.replace(row, related_memories=related)


def _holds(memories: "Memories", memory_id: str, row: MemoryRow, other_id: str) -> bool:
    other = memories.get(other_id)
    text = _says(memories, memory_id, row)
    if other is None or text is None or row.priority == CRITICAL or not row.vector_bytes:
        return False
    other_text = _says(memories, other_id, other)
    return (
        other_text is not None
        and shared(row, text) == shared(other, other_text)
        and _same(text, other_text)
        and alike_enough(*_vectors(memories, memory_id, [other_id])) == [0]
    )


def _same(text: str, other: str) -> bool:
    return may_link(text, other) and bucket(text) != bucket(other)


def _free(
    memories: "Memories",
    hidden: "Hidden",
    memory_id: str,
    row: MemoryRow,
    links: tuple[str, ...],
) -> str | None:
    """What a memory says that may have one more link; None: it may not."""
    if len(links) >= LINKS or row.priority == CRITICAL:
        return None
    if held(memories.view, hidden.rules, memories.tenant, memory_id, row):
        return None
    if hidden.missing(memory_id, row) != ():
        # Ticks will remove it, or some of what it was made of.
        return None
    return _says(memories, memory_id, row)


def _says(memories: "Memories", memory_id: str, row: MemoryRow) -> str | None:
    if row.consolidated_into is not None:
        return None
    made = made_of(memories.view, memories.tenant, memory_id) if row.consolidated else None
    return said(row, made)


def _vectors(
    memories: "Memories", memory_id: str, others: Sequence[str]
) -> tuple[bytes, list[bytes]]:
    found = []
    for each in (memory_id, *others):
        vector = memories.view.get(VectorRow, vector_key(memories.tenant, each))
        assert vector is not None
        found.append(vector.data)
    return found[0], found[1:]
