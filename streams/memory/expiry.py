"""What is due goes: the earliest first, a bounded part with each tick."""

from collections.abc import Sequence

from streams.core.fold import Effect, Entry, View
from streams.core.journal import Target, audit
from streams.core.sweep import SweepRow
from streams.core.time import SECOND, format_time
from streams.memory import links
from streams.memory.dating import file_anew
from streams.memory.deadlines import SWEPT, move
from streams.memory.fences import fence_ids, fenced
from streams.memory.forget_rows import DeadlineRow, RulesRow, deadline_key, of_deadline, rules_of
from streams.memory.holds import held
from streams.memory.memories import Memories
from streams.memory.memory_row import MemoryRow
from streams.memory.retention import due_of, ttl_of
from streams.memory.rows import id_of, tenant_of


def expire(view: View, entry: Entry, outputs: list[Effect], at_most: int) -> int:
    """Remove memories that are due, about so many at most; return how much work that was.

    A memory with links counts for more. One whose deadline has moved since it was filed is filed
    anew.
    """
    swept = view.get(SweepRow, SWEPT)
    start = None if swept is None else deadline_key(swept.due, b"")
    end = deadline_key(entry.log_time + 1, b"")
    found: list[bytes] = []
    work = 0
    wholes: set[str] = set()
    for key, _ in view.scan(DeadlineRow, DeadlineRow.kind, start=start):
        if key >= end or work >= at_most:
            break
        found.append(key)
        memory = of_deadline(key)[1]
        work += links.work(view, tenant_of(memory), id_of(memory))
        row = view.get(MemoryRow, memory)
        if row is not None and row.consolidated_into is not None:
            # What is made anew of another merge's members is work for two.
            work += bool(wholes) and row.consolidated_into not in wholes
            wholes.add(row.consolidated_into)
    if found:
        view.put(SWEPT, SweepRow(of_deadline(found[-1])[0]))
    due: dict[str, list[tuple[str, MemoryRow]]] = {}
    for key in found:
        memory = of_deadline(key)[1]
        tenant, memory_id = tenant_of(memory), id_of(memory)
        row = _settled(view, entry, outputs, tenant, memory_id, key)
        if row is not None:
            due.setdefault(tenant, []).append((memory_id, row))
    for tenant, memories in due.items():
        remove_due(Memories(view, entry, outputs, tenant), memories)
    return work


def _settled(
    view: View, entry: Entry, outputs: list[Effect], tenant: str, memory_id: str, key: bytes
) -> MemoryRow | None:
    """Return the row of a memory that goes; file the deadline anew of one that does not."""
    memories = Memories(view, entry, outputs, tenant)
    row = memories.get(memory_id)
    if row is None:
        view.delete(key)
        return None
    rules = rules_of(view, tenant)
    due = due_of(row, rules)
    if due is None or due > entry.log_time:
        file_anew(memories, view, tenant, memory_id, row)
    elif held(view, rules, tenant, memory_id, row):
        # Filed again when it is released.
        move(view, tenant, memory_id, row, row, None, rules)
    else:
        return row
    return None


def remove_due(memories: Memories, found: Sequence[tuple[str, MemoryRow]]) -> None:
    """Remove memories of a tenant that are due, and say so."""
    view, entry, tenant = memories.view, memories.entry, memories.tenant
    rules = rules_of(view, tenant)
    # Their erasure has only not come to them yet.
    erased = [each[0] for each in found if _is_erased(memories, rules, *each)]
    for memory_id, row in found:
        if row.consolidated_into is None:
            # It may have been linked with one that went before it.
            memories.remove(memory_id, memories.get(memory_id) or row)
    # After those: the last of the others may come back, and move one of them to another tier.
    memories.remove_members([each for each in found if each[1].consolidated_into is not None])
    fence_ids(view, tenant, erased, entry.timestamp)
    for memory_id, row in found:
        ttl = ttl_of(row, rules)
        assert ttl is not None
        tell_expired(view, entry, memories.outputs, tenant, memory_id, row.timestamp, ttl)


def _is_erased(memories: Memories, rules: RulesRow | None, memory_id: str, row: MemoryRow) -> bool:
    """Whether a memory was erased itself, or with all that it is merged into."""
    view, tenant = memories.view, memories.tenant
    if fenced(view, rules, tenant, memory_id, row.subject, row.timestamp):
        return True
    if rules is None or not rules.fences or row.consolidated_into is None:
        return False
    whole_id, whole = row.consolidated_into, memories.get(row.consolidated_into)
    return (
        whole is not None
        and fenced(view, rules, tenant, whole_id, whole.subject, whole.timestamp)
        and not held(view, rules, tenant, whole_id, whole)
    )


def tell_expired(
    view: View,
    entry: Entry,
    outputs: list[Effect],
    tenant: str,
    memory_id: str,
    timestamp: int,
    ttl: int,
) -> None:
    """Say that a memory was due."""
    details = {
        "timestamp": format_time(timestamp),
        "ttl_seconds": ttl,
        "gdpr_deletion_date": format_time(timestamp + ttl * SECOND),
    }
    audit(
        view,
        entry,
        outputs,
        action="memory.expired",
        target=Target("memory", memory_id),
        details=details,
        command=False,
        tenant=tenant,
    )
