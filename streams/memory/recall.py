"""What the API shows of memories without a search (bodies as CONTRACT.md section 5)."""

import msgspec

from streams.core.errors import ApiError
from streams.core.fold import Reader
from streams.core.rows import tenant_key
from streams.memory.record import PRIORITIES, measured
from streams.memory.rows import MemoryRow, TimelineRow, id_on_timeline, memory_key

Page = tuple[list[msgspec.Raw], bytes | None]

SCANNED = 5_000
"""Memories that one page looks at: few of them may pass the filters."""


def memory(reader: Reader, tenant: str, memory_id: str) -> msgspec.Raw:
    """Record of one memory.

    Raises
    ------
    ApiError
        404 where there is none.
    """
    row = reader.get(MemoryRow, memory_key(tenant, memory_id))
    if row is None:
        raise ApiError(404, "not_found", f"there is no memory {memory_id}")
    return msgspec.Raw(measured(tenant, memory_id, row)[0])


def memories(
    reader: Reader,
    tenant: str,
    *,
    limit: int,
    after: bytes | None = None,
    tier: str | None = None,
    agent: str | None = None,
    session: str | None = None,
    priority: str | None = None,
) -> Page:
    """List memories, the newest event time first, then by id.

    Parameters
    ----------
    limit : int
        At most so many; there may be fewer before the end.
    after : bytes, optional
        Where an earlier page ended: its second value.
    tier, agent, session, priority
        Only memories that have these; an empty agent or session is none.

    Raises
    ------
    ApiError
        400 where ``after`` is not one that this list gave.
    """
    prefix = tenant_key(TimelineRow, tenant)
    if after is not None and not after.startswith(prefix):
        raise ApiError(400, "bad_request", "the cursor is not one of this list")
    items: list[msgspec.Raw] = []
    last = None
    for seen, (key, _) in enumerate(reader.scan(TimelineRow, prefix, start=after)):
        if len(items) == limit or seen > SCANNED:
            return items, last
        if key == after:
            continue
        last = key
        memory_id = id_on_timeline(key, prefix)
        row = reader.get(MemoryRow, memory_key(tenant, memory_id))
        # Reads see the database, not a moment of it: a memory may have gone meanwhile.
        if (
            row is not None
            and tier in (None, "working" if row.working else "long_term")
            and agent in (None, row.agent)
            and session in (None, row.session)
            and priority in (None, PRIORITIES[row.priority - 1])
        ):
            items.append(msgspec.Raw(measured(tenant, memory_id, row)[0]))
    return items, None
