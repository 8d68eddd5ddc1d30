"""What ticks do where tenants have bytes without room: a bounded part with each."""

from itertools import islice

from msgspec import structs

from streams.core.fold import Effect, Entry, View, changes_left
from streams.core.rows import tenant_key
from streams.memory import links
from streams.memory.bytes import find_room, pool_bytes, quota_of, shed
from streams.memory.document import CRITICAL
from streams.memory.leases import held
from streams.memory.pressure import prune, size_of, spare
from streams.memory.prunable import least_first
from streams.memory.quota_alerts import tell_overflow
from streams.memory.rows import LEASE_KEY, BytesRow, PressureRow, id_of_worth, tenant_of

AT_ONCE = 28
"""Memories that one tick removes."""
CHANGES, KEPT = 22, 20
"""Rows that go with a memory at most; row changes of a tick that are left for what comes after."""
TENANTS = 20
"""Tenants that one tick relieves."""
LOOKED_AT, SHED = 200, 20
"""Tenants that one tick looks at for what they have too much of the pool, and takes it from."""


def relieve(view: View, entry: Entry, outputs: list[Effect]) -> None:
    """Remove the least valuable memories of tenants that have bytes without room."""
    _share_the_rest(view, entry)
    left = min(AT_ONCE, max(0, changes_left(view) - KEPT) // CHANGES)
    for key, _ in list(islice(view.scan(PressureRow, PressureRow.kind), TENANTS)):
        if left <= 0:
            return
        left -= _relieve_one(view, entry, outputs, tenant_of(key), left)


def _relieve_one(view: View, entry: Entry, outputs: list[Effect], tenant: str, at_most: int) -> int:
    """Remove what is needed and about so many at most; return how many went, links counted too."""
    over = find_room(view, entry, tenant).over
    going: list[bytes] = []
    work = 0
    for worth in least_first(view, tenant):
        if over <= 0 or work >= at_most:
            break
        going.append(worth)
        over -= size_of(view, tenant, worth)
        work += links.work(view, tenant, id_of_worth(worth))
    reason = "pool" if quota_of(view, tenant) is None else "quota"
    prune(view, entry, outputs, tenant, going, reason)
    if over > 0 and work < at_most:
        # Nothing is left that may go.
        let_in = min(over, spare(view, entry, tenant, CRITICAL))
        if find_room(view, entry, tenant, let_in).over:
            tell_overflow(view, entry, outputs, tenant)
            view.delete(tenant_key(PressureRow, tenant))
    return work


def _share_the_rest(view: View, entry: Entry) -> None:
    """Take from tenants without a quota what they have above an even share of what is left.

    Where bytes of the pool were called back more may be used than there is. Tenants are looked at
    in turns; when all were, nobody has more than the share, and together they fit.
    """
    lease = held(view, entry)
    excess = lease.pool_used - lease.pool
    if excess <= 0:
        return
    share = lease.pool // max(1, lease.sharers)
    found = list(islice(view.scan(BytesRow, BytesRow.kind, start=lease.shedding), LOOKED_AT + 1))
    at = found[LOOKED_AT][0] if len(found) > LOOKED_AT else None
    taken = 0
    for key, row in found[:LOOKED_AT]:
        if taken == SHED:
            at = key
            break
        tenant = tenant_of(key)
        amount = min(pool_bytes(row) - share, excess)
        if amount > 0 and quota_of(view, tenant) is None:
            shed(view, entry, tenant, amount)
            excess -= amount
            taken += 1
    view.put(LEASE_KEY, structs.replace(held(view, entry), shedding=at))
