"""The index of memories that may be linked: they lie together where all but their words agrees.

Linked are only memories of one agent and one operational context whose texts have the same hard
tokens and whose vectors are one model's. What is new is noted and filed by the next run, as most of
it is merged before. CRITICAL memories are left alone, as merges leave them.
"""

from hashlib import blake2b
from typing import Any

import msgspec

from streams.core.fold import View
from streams.memory.consolidation_rows import (
    HASH,
    FreshRow,
    LinkableRow,
    fresh_key,
    linkable_key,
)
from streams.memory.document import CRITICAL
from streams.memory.memory_row import MemoryRow
from streams.templates.hard import hard_tokens

_pack = msgspec.msgpack.Encoder().encode
_ROW, _FRESH = LinkableRow(), FreshRow()


def context(row: MemoryRow) -> tuple[Any, ...]:
    """What memories that a rule brings together agree in, beside their texts."""
    return (
        row.agent,
        sorted(set(row.context_tags)),
        row.pipeline_context,
        row.cluster_state,
        row.cost_attribution,
        row.subject or None,
    )


def shared(row: MemoryRow, text: str) -> bytes:
    """Hash of all that linked memories share; ``text`` is what the memory says."""
    common = (*context(row), row.embedding_model, row.vector_bytes, hard_tokens(text))
    return blake2b(_pack(common), digest_size=HASH).digest()


def enter(view: View, tenant: str, memory_id: str, row: MemoryRow) -> None:
    """Have the next run look for links of a memory, if it may have any."""
    if _may_have_any(row):
        view.put(fresh_key(tenant, memory_id), _FRESH)


def file(view: View, tenant: str, memory_id: str, row: MemoryRow, text: str) -> bytes:
    """Put a memory that is looked at among the others; its key there."""
    view.delete(fresh_key(tenant, memory_id))
    key = linkable_key(tenant, shared(row, text), row.timestamp, memory_id)
    view.put(key, _ROW)
    return key


def leave(view: View, tenant: str, memory_id: str, row: MemoryRow, text: str) -> None:
    """Take a memory out of the index, if it is there."""
    if not _may_have_any(row):
        return
    fresh = fresh_key(tenant, memory_id)
    if view.get(FreshRow, fresh) is not None:
        view.delete(fresh)
        return
    key = linkable_key(tenant, shared(row, text), row.timestamp, memory_id)
    if view.get(LinkableRow, key) is not None:
        view.delete(key)


def _may_have_any(row: MemoryRow) -> bool:
    return row.vector_bytes > 0 and row.priority != CRITICAL
