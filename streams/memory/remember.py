"""Fold of a message's content: it makes a memory, or corrects the one whose id it gives.

What is written goes into working memory, corrected memories too: they are what the agent works with
now. A correction keeps the memory's event time (and so its deletion date, unless it brings a ttl of
its own), its accesses and the fields that it does not give; its vector is that of the new content.
"""

from typing import Any

import msgspec
from msgspec import structs

from streams.core.fold import Effect, Entry, View
from streams.core.ids import derived_id
from streams.core.journal import Target, audit
from streams.core.log import Content, Message, Vector
from streams.core.time import format_time
from streams.memory.memories import Memories
from streams.memory.pressure import for_memory, prune
from streams.memory.quota_alerts import check_quota, tell_overflow
from streams.memory.record import deletion_date
from streams.memory.refuse import refuse_memory
from streams.memory.rows import MemoryRow, VectorRow, vector_key
from streams.memory.use import used

_json = msgspec.json.Encoder().encode


def remember(view: View, entry: Entry, body: Message, outputs: list[Effect]) -> None:
    """Make or correct the memory of a message that has content; add what goes out."""
    content, record = body.content, entry.record
    assert content is not None
    memory_id = content.memory_id or derived_id(record.tenant, record.source, record.id)
    memories = Memories(view, entry, outputs, record.tenant)
    before = memories.get(memory_id)
    if before is not None:
        now = _corrected(before, entry, body, content)
    elif (due := deletion_date(record.time, content.ttl_seconds)) and due <= entry.log_time:
        _expired(view, entry, outputs, memory_id, content, due)
        return
    else:
        now = _made(entry, body, content)
    way = for_memory(view, entry, record.tenant, memory_id, before, now)
    if way is None:
        refuse_memory(view, entry, outputs, memory_id, body)
        check_quota(view, entry, outputs, record.tenant, full=True)
        return
    prune(view, entry, outputs, record.tenant, way.going, "write")
    _keep_vector(view, vector_key(record.tenant, memory_id), before, content.vector)
    memories.put_working(memory_id, before, now, reserve=way.reserve)
    check_quota(view, entry, outputs, record.tenant, full=way.full)
    if way.overflow:
        tell_overflow(view, entry, outputs, record.tenant)


def _made(entry: Entry, body: Message, content: Content) -> MemoryRow:
    vector = content.vector
    return MemoryRow(
        text=content.text,
        timestamp=entry.record.time,
        place=entry.offset,
        **{name: kept(body, content) for name, kept in _FIELDS.items()},
        **_accesses(entry, content, None),
        embedding_model=None if vector is None else vector.model,
        vector_bytes=0 if vector is None else len(vector.data),
    )


def _corrected(before: MemoryRow, entry: Entry, body: Message, content: Content) -> MemoryRow:
    vector = content.vector
    return structs.replace(
        before,
        text=content.text,
        **{name: _FIELDS[name](body, content) for name in _FIELDS if name in content.given},
        **_accesses(entry, content, before),
        revision=before.revision + 1,
        embedding_model=None if vector is None else vector.model,
        vector_bytes=0 if vector is None else len(vector.data),
    )


def _accesses(entry: Entry, content: Content, before: MemoryRow | None) -> dict[str, Any]:
    """Use of a memory that is written: one more, and what it had elsewhere if that is known."""
    use = None if before is None else before.use
    if content.imported is None:
        return {"use": used(use, entry.log_time)}
    count = content.imported.access_count
    at = content.imported.last_accessed
    at = None if at is None else min(at, entry.log_time)
    if before is not None:
        # It came before: what is counted since includes it.
        count, at = max(count, before.access_count), max(at or 0, before.last_accessed or 0) or None
    elif count:
        use = used(None, entry.log_time if at is None else at, count)
    return {"use": used(use, entry.log_time), "access_count": count, "last_accessed": at}


_FIELDS: dict[str, Any] = {
    "priority": lambda body, content: content.priority,
    "agent": lambda body, content: body.agent,
    "session": lambda body, content: body.session,
    "context_tags": lambda body, content: content.context_tags,
    "ttl_seconds": lambda body, content: content.ttl_seconds,
    "cost_attribution": lambda body, content: body.cost_attribution,
    "cluster_state": lambda body, content: _compact(content.cluster_state),
    "pipeline_context": lambda body, content: content.pipeline_context,
    "related_memories": lambda body, content: content.related_memories,
    "subject": lambda body, content: content.subject,
    "metadata": lambda body, content: _compact(content.metadata),
}
"""What a message may leave out: where a memory's row has it from."""


def _compact(value: dict[str, Any] | None) -> bytes | None:
    return None if value is None else _json(value)


def _keep_vector(view: View, key: bytes, before: MemoryRow | None, vector: Vector | None) -> None:
    if vector is not None:
        view.put(key, VectorRow(vector.model, vector.scale, vector.data))
    elif before is not None and before.embedding_model is not None:
        view.delete(key)


def _expired(
    view: View, entry: Entry, outputs: list[Effect], memory_id: str, content: Content, due: int
) -> None:
    """Say that a memory was due when it came: it is not stored."""
    details = {
        "timestamp": format_time(entry.record.time),
        "ttl_seconds": content.ttl_seconds,
        "gdpr_deletion_date": format_time(due),
    }
    target = Target("memory", memory_id)
    audit(
        view,
        entry,
        outputs,
        action="memory.expired",
        target=target,
        details=details,
        command=False,
    )
