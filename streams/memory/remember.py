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
from streams.memory import alike, consolidated, links
from streams.memory.expiry import remove_due, tell_expired
from streams.memory.fences import fence_ids, fenced
from streams.memory.forget_rows import RulesRow, rules_of
from streams.memory.holds import held
from streams.memory.memories import Memories
from streams.memory.pressure import for_memory, prune
from streams.memory.quota_alerts import check_quota, tell_overflow
from streams.memory.refuse import refuse_memory
from streams.memory.retention import is_due, ttl_of
from streams.memory.rows import MemoryRow, VectorRow, vector_key
from streams.memory.use import used

_json = msgspec.json.Encoder().encode


def remember(view: View, entry: Entry, body: Message, outputs: list[Effect]) -> None:
    """Make or correct the memory of a message that has content; add what goes out."""
    content, record = body.content, entry.record
    assert content is not None
    memory_id = content.memory_id or derived_id(record.tenant, record.source, record.id)
    memories = Memories(view, entry, outputs, record.tenant)
    rules = rules_of(view, record.tenant)
    before = memories.get(memory_id)
    subject = content.subject
    if before is not None and "subject" not in content.given:
        subject = before.subject
    if fenced(view, rules, record.tenant, memory_id, subject, record.time):
        _tell_erased(view, entry, outputs, memory_id)
        return
    if before is not None and not held(view, rules, record.tenant, memory_id, before):
        # As if the tick that removes it had come already; it goes with what it is a part of.
        for name in (memory_id, before.consolidated_into):
            if name is not None and _erased(memories, rules, name):
                _tell_erased(view, entry, outputs, memory_id)
                return
        if is_due(before, rules, entry.log_time):
            remove_due(memories, [(memory_id, before)])
            before = None
        elif fenced(view, rules, record.tenant, memory_id, subject, before.timestamp):
            # It is said now of whom it speaks, who was erased when it was made.
            memories.remove(memory_id, before)
            before = None
    if before is not None and before.consolidated_into is not None:
        before = consolidated.come_back(memories, memory_id, before)
    if before is not None:
        now = _corrected(before, entry, body, content)
    else:
        now = _made(entry, body, content)
        if (ttl := ttl_of(now, rules)) is not None and is_due(now, rules, entry.log_time):
            tell_expired(view, entry, outputs, record.tenant, memory_id, record.time, ttl)
            return
    way = for_memory(view, entry, record.tenant, memory_id, before, now)
    if way is None:
        refuse_memory(view, entry, outputs, memory_id, body)
        check_quota(view, entry, outputs, record.tenant, full=True)
        return
    prune(view, entry, outputs, record.tenant, way.going, "write")
    if way.going and before is not None:
        # What went may have been linked with it.
        before = memories.get(memory_id)
        assert before is not None
        now = _corrected(before, entry, body, content)
    _keep_vector(view, vector_key(record.tenant, memory_id), before, content.vector)
    now = _find_alike(memories, memory_id, before, now, "related_memories" in content.given)
    memories.put_working(memory_id, before, now, reserve=way.reserve)
    check_quota(view, entry, outputs, record.tenant, full=way.full)
    if way.overflow:
        tell_overflow(view, entry, outputs, record.tenant)


def _erased(memories: Memories, rules: RulesRow | None, memory_id: str) -> bool:
    """Remove a memory if it is erased and ticks have only not come to it yet."""
    view, tenant, row = memories.view, memories.tenant, memories.get(memory_id)
    if (
        row is None
        or not fenced(view, rules, tenant, memory_id, row.subject, row.timestamp)
        or held(view, rules, tenant, memory_id, row)
    ):
        return False
    memories.remove(memory_id, row)
    fence_ids(view, tenant, (memory_id, *row.sources), memories.entry.timestamp)
    return True


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


def _find_alike(
    memories: Memories,
    memory_id: str,
    before: MemoryRow | None,
    now: MemoryRow,
    related: bool,
) -> MemoryRow:
    """Have runs look at what is written; a consolidated memory that is corrected stays so.

    The memory is returned with those of its links that still hold; ``related``: it says itself
    which memories are related.
    """
    view, tenant = memories.view, memories.tenant
    if before is None:
        alike.enter(view, tenant, memory_id, now)
        return now
    if not related:
        now = links.bare(view, tenant, memory_id, now)
    if now.consolidated:
        consolidated.close(memories, memory_id)
        links.drop(memories, memory_id)
        return now
    alike.leave(view, tenant, memory_id, before)
    alike.enter(view, tenant, memory_id, now)
    return links.keep(memories, memory_id, now)


def _tell_erased(view: View, entry: Entry, outputs: list[Effect], memory_id: str) -> None:
    """Say that a memory was erased before it came, or came again: it is not stored."""
    audit(
        view,
        entry,
        outputs,
        action="memory.erased",
        target=Target("memory", memory_id),
        details={"detail": "it was erased: what comes late, or once more, stays so"},
        error="erased",
        command=False,
    )
