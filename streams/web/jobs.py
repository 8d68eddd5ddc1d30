"""Reads of one tenant's runs of data jobs."""

from functools import partial
from typing import Annotated

from litestar import Response, get
from litestar.params import QueryParameter

from streams.jobs import read
from streams.web.models import RunKind, Runs, RunState
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
from streams.web.tenants import ERRORS, AnyRequest, TheReading, answer, listing, moment


@get(
    "/jobs",
    tags=["read"],
    summary="Runs of data jobs, newest first",
    description=(
        "In the order of each run's first event. A run's state is the first end by event time, "
        "else the latest state; it is stale when it has not ended and nothing was heard of it for "
        "JOB_STALE_SECONDS. Finished runs are kept for JOB_HISTORY_HOURS. A page may hold fewer "
        "runs than `limit` and have a `next`."
    ),
    responses=answers(Runs, "Runs, newest first", *ERRORS),
)
async def runs(
    request: AnyRequest,
    reading: TheReading,
    tenant: Tenant,
    run_state: Annotated[
        RunState | None, QueryParameter(name="state", description="Only runs in it")
    ] = None,
    kind: Annotated[RunKind | None, QueryParameter(description="Only runs of it")] = None,
    since: Annotated[
        str | None,
        QueryParameter(description="Only runs whose first event is not before this RFC 3339 time"),
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    after: After = None,
    wait_ms: WaitMs = 5000,
) -> Response[bytes]:
    check_tenant(tenant)
    before = from_cursor("jobs", tenant, cursor)
    first = moment("since", since)
    find = partial(
        read.runs,
        tenant=tenant,
        limit=limit,
        before=before,
        state=run_state,
        kind=kind,
        since=first,
    )
    return await answer(request, reading, tenant, after, wait_ms, listing("jobs", find))
