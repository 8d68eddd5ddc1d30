"""Reads of one tenant: usage, budgets, alerts, audit."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter, SkipValidation

from streams.core.errors import ApiError
from streams.core.time import format_time, parse_time
from streams.ports import LocalPartition
from streams.usage import read
from streams.web.models import Alerts, Audits, Budgets, GroupBy, Period, Usage
from streams.web.parameters import (
    After,
    Cursor,
    Limit,
    Tenant,
    WaitMs,
    answers,
    check_tenant,
    from_cursor,
    to_cursor,
)
from streams.web.reading import FORWARDED, Compute, Question, Reading, positions

TheReading = NamedDependency[SkipValidation[Reading]]
AnyRequest = Request[Any, Any, Any]

ERRORS = (400, 409, 422, 503, 504)
_WAITING = ("after", "wait_ms")
"""Parameters that are not sent on as they came."""


async def answer(
    request: AnyRequest,
    reading: Reading,
    tenant: str,
    after: Sequence[str] | None,
    wait_ms: int,
    compute: Compute,
    *,
    body: bytes | None = None,
) -> Response[bytes]:
    """Answer a read of one tenant; ``compute`` makes the body where the tenant is folded.

    ``body`` is what was posted, JSON; None: it is a GET.
    """
    params = request.query_params.multi_items()
    question = Question(
        tenant=tenant,
        path=raw_path(request),
        params=tuple((name, value) for name, value in params if name not in _WAITING),
        after=positions(after, reading.settings),
        wait_seconds=wait_ms / 1000,
        forwarded=FORWARDED in request.headers,
        body=body,
    )
    return Response(await reading.answer(question, compute), media_type="application/json")


def raw_path(request: AnyRequest) -> str:
    """Path as it was sent, with its escapes: so it can be sent on."""
    path: bytes = request.scope["raw_path"]
    return path.partition(b"?")[0].decode("ascii")


@get(
    "/usage",
    tags=["read"],
    summary="Calls, tokens and cost by period",
    description="Without `from` and `to`: every period kept. Periods are in the tenant's zone.",
    responses=answers(Usage, "Buckets in order of time, and their total", *ERRORS),
)
async def usage(
    request: AnyRequest,
    reading: TheReading,
    tenant: Tenant,
    start: Annotated[
        str | None,
        QueryParameter(name="from", description="Only periods that end after this RFC 3339 time"),
    ] = None,
    end: Annotated[
        str | None,
        QueryParameter(name="to", description="Only periods that start before this time"),
    ] = None,
    period: Annotated[Period, QueryParameter(description="Length of a bucket")] = "day",
    group_by: Annotated[
        GroupBy | None, QueryParameter(description="Split each period by this key")
    ] = None,
    after: After = None,
    wait_ms: WaitMs = 5000,
) -> Response[bytes]:
    check_tenant(tenant)
    first, last = moment("from", start), moment("to", end)

    def compute(local: LocalPartition) -> dict[str, Any]:
        report: dict[str, Any] = read.usage_report(
            local.reader,
            tenant,
            period=period,
            start=first,
            end=last,
            group_by=group_by,
            log_time=local.log_time,
        )
        return report | {"as_of": format_time(local.log_time)}

    return await answer(request, reading, tenant, after, wait_ms, compute)


@get(
    "/budgets",
    tags=["read"],
    summary="Each budget, and what is spent of it in the running period",
    responses=answers(Budgets, "Budgets by budget_id", *ERRORS),
)
async def budgets(
    request: AnyRequest,
    reading: TheReading,
    tenant: Tenant,
    limit: Limit = 50,
    cursor: Cursor = None,
    after: After = None,
    wait_ms: WaitMs = 5000,
) -> Response[bytes]:
    check_tenant(tenant)
    # A tenant has few budgets, so the page is cut here; its cursor is the last one's id.
    prefix = b"--" + tenant.encode() + b"\x00"
    place = from_cursor("budgets", tenant, cursor)
    last = "" if place is None else place.removeprefix(prefix).decode(errors="replace")

    def compute(local: LocalPartition) -> dict[str, Any]:
        items = read.budgets(local.reader, tenant, log_time=local.log_time)
        items = sorted(items, key=_budget_id)
        items = [item for item in items if place is None or _budget_id(item) > last]
        more = len(items) > limit
        end = prefix + _budget_id(items[limit - 1]).encode() if more else None
        return page("budgets", items[:limit], end, local)

    return await answer(request, reading, tenant, after, wait_ms, compute)


@get(
    "/alerts",
    tags=["read"],
    summary="Alerts, newest first",
    description="What budget.alerts.v1 holds for this tenant, the last 30 days of log time.",
    responses=answers(Alerts, "Alerts, newest first", *ERRORS),
)
async def alerts(
    request: AnyRequest,
    reading: TheReading,
    tenant: Tenant,
    limit: Limit = 50,
    cursor: Cursor = None,
    after: After = None,
    wait_ms: WaitMs = 5000,
) -> Response[bytes]:
    check_tenant(tenant)
    before = from_cursor("alerts", tenant, cursor)
    find = partial(read.alerts, tenant=tenant, limit=limit, before=before)
    return await answer(request, reading, tenant, after, wait_ms, listing("alerts", find))


@get(
    "/audit",
    tags=["read"],
    summary="What was done for this tenant, newest first",
    description=(
        "What tenant.audit.v1 holds for this tenant, the last 30 days of log time. With `source` "
        "and `id`: the record of that one command."
    ),
    responses=answers(Audits, "Audit records, newest first", *ERRORS),
)
async def audit(
    request: AnyRequest,
    reading: TheReading,
    tenant: Tenant,
    source: Annotated[str | None, QueryParameter(description="The command's source")] = None,
    event_id: Annotated[
        str | None, QueryParameter(name="id", description="The command's id")
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    after: After = None,
    wait_ms: WaitMs = 5000,
) -> Response[bytes]:
    check_tenant(tenant)
    if (source is None) != (event_id is None):
        raise ApiError(400, "bad_request", "source and id go together")
    cause = None if source is None or event_id is None else (source, event_id)
    before = from_cursor("audit", tenant, cursor)
    compute = audit_page(tenant, limit=limit, before=before, cause=cause)
    return await answer(request, reading, tenant, after, wait_ms, compute)


def audit_page(
    tenant: str, *, limit: int, before: bytes | None, cause: tuple[str, str] | None
) -> Compute:
    """Make the answer of ``/audit`` from a partition."""
    return listing(
        "audit", partial(read.audit, tenant=tenant, limit=limit, before=before, cause=cause)
    )


def listing(name: str, find: Callable[..., tuple[Sequence[Any], bytes | None]]) -> Compute:
    """Make a page from a partition; ``find(reader, log_time=)`` gives its items and its end."""

    def compute(local: LocalPartition) -> dict[str, Any]:
        items, end = find(local.reader, log_time=local.log_time)
        return page(name, items, end, local)

    return compute


def page(
    name: str, items: Sequence[Any], end: bytes | None, local: LocalPartition
) -> dict[str, Any]:
    """Body of a page; ``end`` is the key that the next one goes on after."""
    return {
        "items": items,
        "next": to_cursor(name, end),
        "as_of": format_time(local.log_time),
    }


def _budget_id(item: dict[str, Any]) -> str:
    return str(item["config"]["budget_id"])


def moment(name: str, text: str | None) -> int | None:
    """Read a time in a query; None when it is not given."""
    try:
        # In a query a plus sign means a space: be kind to an offset that was not escaped.
        return None if text is None else parse_time(_unescaped(text))
    except ValueError as error:
        raise ApiError(400, "bad_request", f"{name}: {error}") from None


def _unescaped(text: str) -> str:
    day, space, zone = text.rpartition(" ")
    return f"{day}+{zone}" if space and "T" in day.upper() else text
