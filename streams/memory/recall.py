"""What the API shows of memories without a search (bodies as CONTRACT.md section 5)."""

import msgspec

from streams.core.errors import ApiError
from streams.core.fold import Reader
from streams.core.rows import tenant_key
from streams.memory.hidden import Hidden
from streams.memory.pages import page
from streams.memory.record import PRIORITIES, shown, tier_of
from streams.memory.rows import MemoryRow, TimelineRow, id_of, id_on_timeline, memory_key

Page = tuple[list[msgspec.Raw], bytes | None]

MEMBERS = 1_000
"""After so many members that a page had to look at it ends."""


def memory(reader: Reader, tenant: str, memory_id: str, *, log_time: int) -> msgspec.Raw:
    """Record of one memory.

    Raises
    ------
    ApiError
        404 where there is none.
    """
    row = reader.get(MemoryRow, memory_key(tenant, memory_id))
    hidden = Hidden(reader, tenant, log_time)
    seen = None if row is None else hidden.seen(memory_id, row)
    if seen is None:
        raise ApiError(404, "not_found", f"there is no memory {memory_id}")
    return shown(tenant, memory_id, seen.row, seen.last)


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
        Only memories that have these; an empty agent or session is none. Archived ones are listed
        where they are asked for, and then by id.

    Raises
    ------
    ApiError
        400 where ``after`` is not one that this list gave.
    """
    hidden = Hidden(reader, tenant, log_time)

    def wanted(row: MemoryRow) -> bool:
        return (
            tier in (None, tier_of(row))
            and agent in (None, row.agent)
            and session in (None, row.session)
            and priority in (None, PRIORITIES[row.priority - 1])
        )

    def chosen(memory_id: str, row: MemoryRow | None) -> msgspec.Raw | None:
        # Reads see the database, not a moment of it: a memory may have gone meanwhile.
        if row is None or not (row.consolidated or wanted(row)):
            return None
        seen = hidden.seen(memory_id, row)
        if seen is None or not wanted(seen.row):
            return None
        return shown(tenant, memory_id, seen.row, seen.last)

    def enough() -> bool:
        return hidden.looked > MEMBERS

    if tier == "archived":
        start = tenant_key(MemoryRow, tenant)

        def archived(key: bytes, row: MemoryRow) -> msgspec.Raw | None:
            return chosen(id_of(key), row)

        return page(reader, MemoryRow, start, archived, limit=limit, after=after, enough=enough)
    prefix = tenant_key(TimelineRow, tenant)

    def show(key: bytes, _: TimelineRow) -> msgspec.Raw | None:
        memory_id = id_on_timeline(key, prefix)
        return chosen(memory_id, reader.get(MemoryRow, memory_key(tenant, memory_id)))

    return page(reader, TimelineRow, prefix, show, limit=limit, after=after, enough=enough)
