"""Fold of accesses: facts of workers that gave memories out."""

from msgspec import structs

from streams.core.fold import Effect, Entry, View
from streams.core.log import Accessed
from streams.memory.hidden import Hidden
from streams.memory.memories import Memories
from streams.memory.quota_alerts import check_quota
from streams.memory.rows import worth
from streams.memory.use import used
from streams.memory.working import revalue


def fold_accessed(view: View, entry: Entry, body: Accessed) -> list[Effect]:
    """Count accesses: working memories are worth more then; nothing moves by it."""
    outputs: list[Effect] = []
    memories = Memories(view, entry, outputs, entry.record.tenant)
    hidden = Hidden(view, entry.record.tenant, entry.log_time)
    for memory_id, count in body.counts:
        before = memories.get(memory_id)
        if before is not None and before.consolidated_into is not None:
            # It was given out just before it was merged.
            memory_id = before.consolidated_into
            before = memories.get(memory_id)
        if before is None or hidden.hides(memory_id, before):
            continue
        now = structs.replace(
            before,
            access_count=before.access_count + count,
            last_accessed=max(entry.record.time, before.last_accessed or 0),
            use=used(before.use, entry.log_time, count),
        )
        if now.working:
            revalue(view, memories.agent(now), worth(before, memory_id), worth(now, memory_id))
        memories.put(memory_id, before, now)
    check_quota(view, entry, outputs, entry.record.tenant)
    return outputs
