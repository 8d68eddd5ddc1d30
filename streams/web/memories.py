"""Reads of memories without a search: a list, and one by its id."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

from litestar import Response, get
from litestar.params import PathParameter, QueryParameter

from streams.memory import recall
from streams.memory.record import MemoryRecord, Priority, Tier
from streams.ports import LocalPartition
from streams.web.models import Memories
from streams.web.parameters import (
    After,
    Cursor,
    Limit,
    Tenant,
    WaitMs,
    answers,
    check_tenant,
    from_cursor,
)
from streams.web.reading import Reading
from streams.web.tenants import ERRORS, AnyRequest, TheReading, answer, page


@get(
    "/memories",
    tags=["read"],
    summary="Memories, newest first",
    description=(
        "By the event time of the message that made them, then by id. Filters are exact, an empty "
        "`agent` or `session` means none. A page may hold fewer memories than `limit` and have a "
        "`next`. Lists count no access."
    ),
    responses=answers(Memories, "Memories, newest first", *ERRORS),
)
async def memories(
    request: AnyRequest,
    reading: TheReading,
    tenant: Tenant,
    tier: Annotated[Tier | None, QueryParameter(description="Only memories of it")] = None,
    agent: Annotated[str | None, QueryParameter(description="Only its memories")] = None,
    session: Annotated[str | None, QueryParameter(description="Only memories of it")] = None,
    priority: Annotated[
        Priority | None, QueryParameter(description="Only memories of exactly this priority")
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    after: After = None,
    wait_ms: WaitMs = 5000,
) -> Response[bytes]:
    check_tenant(tenant)
    find = partial(
        recall.memories,
        tenant=tenant,
        limit=limit,
        after=from_cursor("memories", tenant, cursor),
        tier=tier,
        agent=agent,
        session=session,
        priority=priority,
    )

    def compute(local: LocalPartition) -> dict[str, Any]:
        items, end = find(local.reader, log_time=local.log_time)
        return page("memories", items, end, local)

    return await answer(request, reading, tenant, after, wait_ms, compute)


@get(
    "/memories/{memory_id:str}",
    tags=["read"],
    summary="One memory",
    description="As memory.records.v1 has it. It counts no access.",
    responses=answers(MemoryRecord, "The memory", 404, *ERRORS),
)
async def memory(
    request: AnyRequest,
    reading: TheReading,
    tenant: Tenant,
    memory_id: Annotated[str, PathParameter(description="The memory's id")],
    after: After = None,
    wait_ms: WaitMs = 5000,
) -> Response[bytes]:
    return await memory_answer(request, reading, tenant, memory_id, after, wait_ms)


async def memory_answer(
    request: AnyRequest,
    reading: Reading,
    tenant: str,
    memory_id: str,
    after: Sequence[str] | None,
    wait_ms: int,
) -> Response[bytes]:
    """Answer with one memory."""
    check_tenant(tenant)

    def compute(local: LocalPartition) -> Any:
        return recall.memory(local.reader, tenant, memory_id, log_time=local.log_time)

    return await answer(request, reading, tenant, after, wait_ms, compute)
