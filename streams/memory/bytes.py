"""What each tenant's memory takes, exact to the byte at every record of the log."""

from streams.core.fold import Reader, View
from streams.core.held import hold
from streams.core.rows import tenant_key
from streams.memory.rows import BytesRow


def used_bytes(reader: Reader, tenant: str) -> int:
    """Bytes that a tenant's memory takes."""
    row = reader.get(BytesRow, tenant_key(BytesRow, tenant))
    return 0 if row is None else row.used


def add_bytes(view: View, tenant: str, change: int, log_time: int, project: str = "") -> None:
    """Count bytes that came (or went, below zero), for the tenant and for one of its projects."""
    if change:
        key = tenant_key(BytesRow, tenant)
        used = used_bytes(view, tenant) + change
        if used:
            view.put(key, BytesRow(used))
        else:
            view.delete(key)
        hold(view, tenant, project, change, log_time)


def move_bytes(view: View, tenant: str, size: int, log_time: int, old: str, new: str) -> None:
    """Let bytes that are counted already be another project's."""
    if size and old != new:
        hold(view, tenant, old, -size, log_time)
        hold(view, tenant, new, size, log_time)
