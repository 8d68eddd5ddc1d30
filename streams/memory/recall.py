"""What the API shows of memories without a search (bodies as CONTRACT.md section 5)."""

import msgspec

from streams.core.errors import ApiError
from streams.core.fold import Reader
from streams.core.rows import tenant_key
from streams.memory.hidden import Hidden
from streams.memory.pages import page
from streams.memory.record import PRIORITIES, shown
from streams.memory.retention import dated
from streams.memory.rows import MemoryRow, TimelineRow, id_on_timeline, memory_key

Page = tuple[list[msgspec.Raw], bytes | None]


def memory(reader: Reader, tenant: str, memory_id: str, *, log_time: int) -> msgspec.Raw:
    """Record of one memory.

    Raises
    ------
    ApiError
        404 where there is none.
    """
    row = reader.get(MemoryRow, memory_key(tenant, memory_id))
    hidden = Hidden(reader, tenant, log_time)
    if row is None or hidden.hides(memory_id, row):
        raise ApiError(404, "not_found", f"there is no memory {memory_id}")
    return shown(tenant, memory_id, dated(row, hidden.rules))


def memories(
    reader: Reader,
    tenant: str,
    *,
    limit: int,
    log_time: int,
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
    log_time : int
        Decides what is due.
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
    hidden = Hidden(reader, tenant, log_time)

    def show(key: bytes, _: TimelineRow) -> msgspec.Raw | None:
        memory_id = id_on_timeline(key, prefix)
        row = reader.get(MemoryRow, memory_key(tenant, memory_id))
        # Reads see the database, not a moment of it: a memory may have gone meanwhile.
        if (
            row is not None
            and tier in (None, "working" if row.working else "long_term")
            and agent in (None, row.agent)
            and session in (None, row.session)
            and priority in (None, PRIORITIES[row.priority - 1])
            and not hidden.hides(memory_id, row)
        ):
            return shown(tenant, memory_id, dated(row, hidden.rules))
        return None

    return page(reader, TimelineRow, prefix, show, limit=limit, after=after)
