"""What each tenant's memory takes, exact to the byte at every record of the log.

A tenant's bytes lie in its own room as far as it goes: its quota, or what the tenants without one
have left of the partition's part of the pool. What is above the room lies in the reserve if it was
let in, and has no place otherwise (``over``). Whenever a tenant's bytes change they are divided
anew: what has no place finds one first, and what was let into the reserve leaves it first.
"""

from msgspec import structs

from streams.core.fold import Entry, Reader, View
from streams.core.held import hold
from streams.core.rows import tenant_key
from streams.memory.leases import held
from streams.memory.rows import LEASE_KEY, BytesRow, LeaseRow, PressureRow, QuotaRow

_NOTHING = BytesRow(0)


def used_bytes(reader: Reader, tenant: str) -> int:
    """Bytes that a tenant's memory takes."""
    return bytes_of(reader, tenant).used


def bytes_of(reader: Reader, tenant: str) -> BytesRow:
    """Return what a tenant's memory takes, and where it lies."""
    return reader.get(BytesRow, tenant_key(BytesRow, tenant)) or _NOTHING


def tier_of(reader: Reader, tenant: str) -> str:
    """Class of a tenant: how far the reserve serves it."""
    quota = quota_of(reader, tenant)
    return "standard" if quota is None else quota.tier


def quota_of(reader: Reader, tenant: str) -> QuotaRow | None:
    """Return the memory that a tenant has for itself."""
    return reader.get(QuotaRow, tenant_key(QuotaRow, tenant))


def room(view: View, entry: Entry, tenant: str) -> int:
    """Bytes that a tenant may have without the reserve."""
    quota = quota_of(view, tenant)
    if quota is not None:
        return quota.quota_mb << 20
    return _shared_room(bytes_of(view, tenant), held(view, entry))


def add_bytes(
    view: View,
    entry: Entry,
    tenant: str,
    change: int,
    project: str = "",
    *,
    reserve: int = 0,
    least: bytes | None = None,
) -> None:
    """Count bytes that came (or went, below zero), for the tenant and for one of its projects.

    Parameters
    ----------
    reserve : int
        So many more of the tenant's bytes may lie in the reserve.
    least : bytes, optional
        A memory that may be pruned and is worth so much has come.
    """
    row = bytes_of(view, tenant)
    if least is not None and (row.least is None or least < row.least):
        row = structs.replace(row, least=least)
    elif not change and not reserve:
        return
    _divide(view, entry, tenant, row, row.used + change, reserve=reserve)
    if change:
        hold(view, tenant, project, change, entry.log_time)


def move_bytes(view: View, tenant: str, size: int, log_time: int, old: str, new: str) -> None:
    """Let bytes that are counted already be another project's."""
    if size and old != new:
        hold(view, tenant, old, -size, log_time)
        hold(view, tenant, new, size, log_time)


def move_in(view: View, entry: Entry, tenant: str, quota: QuotaRow) -> None:
    """Give a tenant a quota, or another one: its bytes move there, the pool has them no more."""
    row = bytes_of(view, tenant)
    if row.used and quota_of(view, tenant) is None:
        lease = held(view, entry)
        used = lease.pool_used - _own(row)
        view.put(LEASE_KEY, structs.replace(lease, pool_used=used, sharers=lease.sharers - 1))
    view.put(tenant_key(QuotaRow, tenant), quota)
    if row.used:
        _divide(view, entry, tenant, row, row.used)


def shed(view: View, entry: Entry, tenant: str, amount: int) -> None:
    """Take so many bytes of the pool from a tenant; what lay in them has no room then."""
    row, lease = bytes_of(view, tenant), held(view, entry)
    view.put(LEASE_KEY, structs.replace(lease, pool_used=lease.pool_used - amount))
    view.put(tenant_key(BytesRow, tenant), structs.replace(row, over=row.over + amount))
    view.put(tenant_key(PressureRow, tenant), PressureRow())


def find_room(view: View, entry: Entry, tenant: str, reserve: int = 0) -> BytesRow:
    """Give bytes without room a place that has become free; some may lie in the ``reserve``."""
    row = bytes_of(view, tenant)
    _divide(view, entry, tenant, row, row.used, reserve=reserve)
    return bytes_of(view, tenant)


def know_least(view: View, tenant: str, least: bytes) -> None:
    """Note that all memories that may be pruned are worth so much or more."""
    row = bytes_of(view, tenant)
    if row.used:
        view.put(tenant_key(BytesRow, tenant), structs.replace(row, least=least))


def pool_bytes(row: BytesRow) -> int:
    """Bytes of the pool that a tenant without a quota has."""
    return _own(row)


def _own(row: BytesRow) -> int:
    return row.used - row.reserved - row.over


def _shared_room(row: BytesRow, lease: LeaseRow) -> int:
    # More may be used than there is: where bytes of the pool were called back.
    return _own(row) + max(0, lease.pool - lease.pool_used)


def _divide(
    view: View, entry: Entry, tenant: str, row: BytesRow, used: int, *, reserve: int = 0
) -> None:
    """Write what a tenant has and where it lies, and what of it is the pool's and the reserve's."""
    quota = quota_of(view, tenant)
    if quota is None:
        lease = held(view, entry)
        limit = _shared_room(row, lease)
    else:
        limit = quota.quota_mb << 20
    above = used - limit if used > limit else 0
    reserved = min(row.reserved + reserve, above)
    over = above - reserved
    key = tenant_key(BytesRow, tenant)
    if used:
        view.put(key, BytesRow(used, reserved, over, row.least, row.overflowed))
    else:
        view.delete(key)
    if over:
        view.put(tenant_key(PressureRow, tenant), PressureRow())
    elif row.over:
        view.delete(tenant_key(PressureRow, tenant))
    let_in = reserved - row.reserved
    if quota is None:
        lease = structs.replace(
            lease,
            pool_used=lease.pool_used + (used - above) - _own(row),
            reserve_used=lease.reserve_used + let_in,
            sharers=lease.sharers + (used > 0) - (row.used > 0),
        )
        view.put(LEASE_KEY, lease)
    elif let_in:
        lease = held(view, entry)
        used_up = lease.reserve_used + let_in
        view.put(LEASE_KEY, structs.replace(lease, reserve_used=used_up))
