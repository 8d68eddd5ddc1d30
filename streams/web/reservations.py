"""Reservations of a tenant's budgets: asked for, settled, read."""

from functools import partial
from typing import Annotated

from litestar import Response, get, post
from litestar.params import PathParameter

from streams.core.errors import ApiError
from streams.web.held import compute, path_of, reserve_answer, settle_answer
from streams.web.models import Reservation, Reserved, Settled
from streams.web.parameters import After, Tenant, WaitMs, answers, check_tenant
from streams.web.reading import Question, Reading
from streams.web.request_bodies import Reserve, Settle
from streams.web.tenants import ERRORS, AnyRequest, TheReading, answer
from streams.web.writes import IdempotencyKey, TheWriting, send_bare

_WRITE_ERRORS = (400, 404, 409, 413, 422, 503, 504)
_ANY = "-"
"""Names no reservation that anyone cares for."""


@post(
    "/budget/reserve",
    status_code=200,
    tags=["write"],
    summary="Hold a part of a budget before it is spent, and wait for the decision",
    description=(
        "Granted where what is spent in the budget's running period, what is held, and the amount "
        "are within the limit. All askers are decided one after the other, whichever worker they "
        "asked. With `id` (or an Idempotency-Key) it can be asked again for the same answer; "
        "another budget or amount under that id is 409 conflict. What is not settled within "
        "`ttl_seconds` of log time comes back. 503 not_ready while the partition, built from "
        "nothing, is not caught up with its log."
    ),
    operation_class=Reserve,
    responses=answers(Reserved, "Granted or not", *_WRITE_ERRORS),
)
async def reserve(
    request: AnyRequest,
    writing: TheWriting,
    reading: TheReading,
    tenant: Tenant,
    wait_ms: WaitMs = 5000,
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    check_tenant(tenant)
    await _until_caught_up(reading, tenant)
    pair = await send_bare(request, writing, tenant, "budget.reserve", await request.body())
    body = await reserve_answer(reading, tenant, *pair, wait_ms)
    return Response(body, media_type="application/json")


@post(
    "/budget/settle",
    status_code=200,
    tags=["write"],
    summary="End a reservation with what was spent, and wait until it counts",
    description=(
        "The amount is counted as spend of the reservation's budget, less what usage that names "
        "the reservation (`reservation_id`) has reported; usage that comes later adds only what "
        "is above the amount. Sent again, whatever the amount, it has the first answer. "
        "404 after the reservation came back."
    ),
    operation_class=Settle,
    responses=answers(Settled, "As it was settled first", *_WRITE_ERRORS),
)
async def settle(
    request: AnyRequest,
    writing: TheWriting,
    reading: TheReading,
    tenant: Tenant,
    wait_ms: WaitMs = 5000,
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    check_tenant(tenant)
    pair = await send_bare(request, writing, tenant, "budget.settle", await request.body())
    body = await settle_answer(reading, tenant, *pair, wait_ms)
    return Response(body, media_type="application/json")


@get(
    "/budget/reservations/{reservation_id:str}",
    tags=["read"],
    summary="A reservation and what became of it",
    description="Kept for a day of log time after the time at which it comes back.",
    responses=answers(Reservation, "The reservation", 404, *ERRORS),
)
async def reservation(
    request: AnyRequest,
    reading: TheReading,
    tenant: Tenant,
    reservation_id: Annotated[str, PathParameter(description="As reserve answered it")],
    after: After = None,
    wait_ms: WaitMs = 5000,
) -> Response[bytes]:
    check_tenant(tenant)
    find = partial(compute, tenant, reservation_id)
    return await answer(request, reading, tenant, after, wait_ms, find)


async def _until_caught_up(reading: Reading, tenant: str) -> None:
    """Refuse at once what could not be decided yet: nothing is produced.

    Raises
    ------
    ApiError
        503 not_ready.
    """
    question = Question(tenant=tenant, path=path_of(tenant, _ANY))
    try:
        await reading.answer(question, partial(compute, tenant, _ANY))
    except ApiError as error:
        if error.status != 404:
            raise
