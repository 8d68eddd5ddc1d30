"""The index of alike memories: those that one rule may merge lie together, by event time.

Merged are only memories of one agent and one operational context, and only those whose texts are of
one bucket. Whatever is new there is noted, so that a run looks at nothing else. A memory that is
not in the index is left alone: so those of a split stay apart until they are corrected.
"""

from hashlib import blake2b

import msgspec

from streams.core.fold import View
from streams.memory import linkable
from streams.memory.consolidation_rows import (
    CRITICAL,
    HASH,
    OTHER,
    AlikeRow,
    DirtyRow,
    alike_key,
    dirty_key,
)
from streams.memory.document import CRITICAL as CRITICAL_PRIORITY
from streams.memory.grouping import bucket
from streams.memory.memory_row import MemoryRow

_pack = msgspec.msgpack.Encoder().encode
_ROW, _DIRTY = AlikeRow(), DirtyRow()


def alike(row: MemoryRow) -> bytes:
    """Hash of all that memories have in common which may be merged."""
    common = (*linkable.context(row), bucket(row.text))
    return blake2b(_pack(common), digest_size=HASH).digest()


def enter(view: View, tenant: str, memory_id: str, row: MemoryRow) -> None:
    """Put a memory into the index, and have the next run look at it."""
    linkable.enter(view, tenant, memory_id, row)
    common = alike(row)
    view.put(_key(tenant, memory_id, row, common), _ROW)
    dirty = dirty_key(tenant, common)
    if view.get(DirtyRow, dirty) is None:
        view.put(dirty, _DIRTY)


def leave(view: View, tenant: str, memory_id: str, row: MemoryRow) -> None:
    """Take a memory out of the index, if it is there."""
    linkable.leave(view, tenant, memory_id, row, row.text)
    key = _key(tenant, memory_id, row, alike(row))
    if view.get(AlikeRow, key) is not None:
        view.delete(key)


def _key(tenant: str, memory_id: str, row: MemoryRow, common: bytes) -> bytes:
    which = CRITICAL if row.priority == CRITICAL_PRIORITY else OTHER
    return alike_key(tenant, common, which, row.timestamp, memory_id)
