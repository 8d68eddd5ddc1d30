"""A tenant's quota."""

from typing import Any

from litestar import Response, get

from streams.core.time import format_time
from streams.memory.quota_read import quota as of_tenant
from streams.ports import LocalPartition
from streams.web.models import Quota
from streams.web.parameters import After, Tenant, WaitMs, answers, check_tenant
from streams.web.tenants import ERRORS, AnyRequest, TheReading, answer


@get(
    "/quota",
    tags=["read"],
    summary="The tenant's memory, and what is used of it",
    description="A tenant without a quota shares what no tenant has for itself.",
    responses=answers(Quota, "Quota and use", *ERRORS),
)
async def quota(
    request: AnyRequest,
    reading: TheReading,
    tenant: Tenant,
    after: After = None,
    wait_ms: WaitMs = 5000,
) -> Response[bytes]:
    check_tenant(tenant)

    def compute(local: LocalPartition) -> dict[str, Any]:
        return of_tenant(local.reader, tenant) | {"as_of": format_time(local.log_time)}

    return await answer(request, reading, tenant, after, wait_ms, compute)
