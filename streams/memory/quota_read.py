"""What the API shows of a tenant's quota (body as CONTRACT.md section 5)."""

from typing import Any

from streams.core.fold import Reader
from streams.memory.bytes import bytes_of, quota_of


def quota(reader: Reader, tenant: str) -> dict[str, Any]:
    """The memory that a tenant has for itself, and what it takes; none: it shares the pool."""
    row, own = bytes_of(reader, tenant), quota_of(reader, tenant)
    return {
        "quota_mb": None if own is None else own.quota_mb,
        "used_bytes": row.used,
        "reserve_bytes": row.reserved,
        "class": "standard" if own is None else own.tier,
    }
