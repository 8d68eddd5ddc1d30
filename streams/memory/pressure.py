"""Pressure: what has to go so that what is written finds room, and what is refused.

A tenant that is full makes room with its own memories alone: those that are worth less than what is
written, the least valuable first, and only as many as are needed. Where all of them are not enough,
CRITICAL and HIGH ones are let into the reserve, as far as the tenant's fair share of it goes. Where
that is not enough either, a CRITICAL memory is stored without room, with an alert, and anything
else is refused and nothing is removed for it.

A tenant has bytes without room also where its quota was lowered, where bytes of the pool were
called back, and where one write has more to remove than a record may: ticks do that.
"""

from collections.abc import Sequence

import msgspec
from msgspec import structs

from streams.core.fold import Effect, Entry, View
from streams.core.journal import Target, audit
from streams.memory import links
from streams.memory.archived import made_of
from streams.memory.bytes import bytes_of, know_least, quota_of, room, tier_of
from streams.memory.document import CRITICAL, HIGH, MEDIUM
from streams.memory.expiry import remove_due
from streams.memory.fences import fence_ids, fenced
from streams.memory.forget_rows import rules_of
from streams.memory.leases import held
from streams.memory.members import as_shown
from streams.memory.memories import Memories
from streams.memory.prunable import least_first, place
from streams.memory.record import PRIORITIES, measured
from streams.memory.retention import is_due
from streams.memory.rows import MemoryRow, id_of_worth, memory_key, worth_per_byte
from streams.memory.use import used

AT_ONCE = 60
"""So many memories go with one record; what is more is left to ticks."""
ROOMY = 8 << 20
"""With so much room nothing that one record writes needs to be measured first."""
_SHARES = {"compliance": 2, "critical": 4, "standard": 8}
"""Which part of the whole reserve one tenant may hold, by class; HIGH memories half of it."""


class Way(msgspec.Struct, frozen=True):
    """How what is written finds room."""

    going: Sequence[bytes] = ()
    """Worth of the memories that go for it."""
    reserve: int = 0
    """So many of its bytes lie in the reserve."""
    overflow: bool = False
    """And some lie nowhere."""
    full: bool = False
    """There was no room as it was."""


def for_memory(
    view: View, entry: Entry, tenant: str, memory_id: str, before: MemoryRow | None, now: MemoryRow
) -> Way | None:
    """How a memory that is written or corrected finds room; None: it does not."""
    if room(view, entry, tenant) - bytes_of(view, tenant).used >= ROOMY:
        return Way()
    working = structs.replace(now, working=True)
    shown = as_shown(view, rules_of(view, tenant), tenant, memory_id, working)
    size = measured(tenant, memory_id, *shown)[1]
    growth = size - (0 if before is None else before.size)
    worth = place(structs.replace(now, working=True, size=size), memory_id)
    return find(view, entry, tenant, growth, now.priority, worth, itself=place(before, memory_id))


def for_state(view: View, entry: Entry, tenant: str, growth: int, size: int) -> Way | None:
    """How an agent's state of this size finds room: as a MEDIUM memory that is used now would."""
    worth = worth_per_byte(MEDIUM, used(None, entry.log_time), size, "")
    return find(view, entry, tenant, growth, MEDIUM, worth)


def find(
    view: View,
    entry: Entry,
    tenant: str,
    growth: int,
    priority: int,
    worth: bytes | None,
    *,
    itself: bytes | None = None,
) -> Way | None:
    """How something finds room; None: it does not. Nothing is changed.

    Parameters
    ----------
    growth : int
        Bytes that it adds.
    worth : bytes, optional
        Only memories that are worth less may go for it; None: all that may go at all.
    itself : bytes, optional
        What is replaced by it, which does not go for it.
    """
    row = bytes_of(view, tenant)
    # What has no room already is other records' work.
    lack = min(growth, row.used + growth - row.reserved - room(view, entry, tenant))
    if lack <= 0:
        return Way()
    going: list[bytes] = []
    for each in least_first(view, tenant, worth):
        if each != itself:
            going.append(each)
            lack -= size_of(view, tenant, each)
            if lack <= 0:
                break
    reserve = min(max(lack, 0), spare(view, entry, tenant, priority))
    overflow = reserve < lack
    now = _at_once(view, tenant, going)
    later = len(going) > len(now)
    if priority < CRITICAL and (overflow or (later and row.over)):
        return None
    return Way(now, reserve, overflow, full=True)


def _at_once(view: View, tenant: str, going: list[bytes]) -> list[bytes]:
    """As many of those that go as one record may remove."""
    work = 0
    for count, worth in enumerate(going[:AT_ONCE]):
        if work >= AT_ONCE:
            return going[:count]
        work += links.work(view, tenant, id_of_worth(worth))
    return going[:AT_ONCE]


def spare(view: View, entry: Entry, tenant: str, priority: int) -> int:
    """Bytes of the reserve that a tenant may have for something of a priority."""
    if priority < HIGH:
        return 0
    lease = held(view, entry)
    share = lease.reserve_total // _SHARES[tier_of(view, tenant)]
    if priority < CRITICAL:
        share //= 2
    left = min(lease.reserve - lease.reserve_used, share - bytes_of(view, tenant).reserved)
    return max(0, left)


def prune(
    view: View,
    entry: Entry,
    outputs: list[Effect],
    tenant: str,
    going: Sequence[bytes],
    reason: str,
) -> None:
    """Remove memories, given by what they are worth, the least first; each is told on the audit."""
    memories = Memories(view, entry, outputs, tenant)
    quota, rules = quota_of(view, tenant), rules_of(view, tenant)
    for worth in going:
        memory_id = id_of_worth(worth)
        row = memories.get(memory_id)
        assert row is not None
        if is_due(row, rules, entry.log_time):
            # As if the tick that removes it had come already.
            remove_due(memories, [(memory_id, row)])
            continue
        memories.remove(memory_id, row)
        if fenced(view, rules, tenant, memory_id, row.subject, row.timestamp):
            # Its erasure had only not come to it yet.
            fence_ids(view, tenant, (memory_id, *row.sources), entry.timestamp)
        details = {
            "priority": PRIORITIES[row.priority - 1],
            "bytes": row.size,
            "used_bytes": bytes_of(view, tenant).used,
            "quota_mb": None if quota is None else quota.quota_mb,
            "reason": reason,
        }
        audit(
            view,
            entry,
            outputs,
            action="memory.pruned",
            target=Target("memory", memory_id),
            details=details,
            command=False,
            tenant=tenant,
        )
    if going:
        know_least(view, tenant, going[-1])


def size_of(view: View, tenant: str, worth: bytes) -> int:
    """Bytes that go with a memory, given by what it is worth."""
    memory_id = id_of_worth(worth)
    row = view.get(MemoryRow, memory_key(tenant, memory_id))
    assert row is not None
    made = made_of(view, tenant, memory_id) if row.consolidated else None
    return row.size + (0 if made is None else made.held)
