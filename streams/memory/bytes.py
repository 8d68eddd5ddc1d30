"""What each tenant's memory takes, exact to the byte at every record of the log."""

from streams.core.fold import Reader, View
from streams.core.rows import tenant_key
from streams.memory.rows import BytesRow


def used_bytes(reader: Reader, tenant: str) -> int:
    """Bytes that a tenant's memory takes."""
    row = reader.get(BytesRow, tenant_key(BytesRow, tenant))
    return 0 if row is None else row.used


def add_bytes(view: View, tenant: str, change: int) -> None:
    """Count bytes that came (or went, below zero)."""
    if change:
        key = tenant_key(BytesRow, tenant)
        used = used_bytes(view, tenant) + change
        if used:
            view.put(key, BytesRow(used))
        else:
            view.delete(key)
