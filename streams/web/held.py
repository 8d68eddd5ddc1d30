"""What a reservation's command is answered with, once it is folded: it leaves no audit record."""

from functools import partial
from typing import Any

import msgspec

from streams.core.errors import ApiError
from streams.core.money import format_usd
from streams.core.reservation_events import BudgetReserve, BudgetSettle, reservation_id
from streams.ports import LocalPartition
from streams.usage import read
from streams.web import problems
from streams.web.intake import Draft
from streams.web.models import Event, Reservation, Reserved, Settled
from streams.web.reading import Question, Reading, position

_reserve = msgspec.json.Decoder(BudgetReserve)
_settle = msgspec.json.Decoder(BudgetSettle)
_reservation = msgspec.json.Decoder(Reservation)


def path_of(tenant: str, name: str) -> str:
    """Path of a reservation, which any worker answers; ``name`` needs no escapes."""
    return f"/v1/tenants/{tenant}/budget/reservations/{name}"


def compute(tenant: str, name: str, local: LocalPartition) -> dict[str, Any]:
    """Body of a reservation, from the tenant's partition.

    Raises
    ------
    ApiError
        404 not_found; 503 not_ready where the partition was built from nothing and has not yet
        folded what its log held: what is spent is not known.
    """
    if not local.caught_up:
        detail = "the partition was built from nothing and is not caught up with its log"
        raise ApiError(503, "not_ready", detail)
    return read.reservation(local.reader, tenant, name, log_time=local.log_time)


async def reserve_answer(
    reading: Reading, tenant: str, draft: Draft, event: Event, wait_ms: int
) -> bytes:
    """Answer to a budget.reserve.

    Raises
    ------
    ApiError
        404 not_found where the budget is not there; 409 conflict where its id is that of another
        reservation; 504 not_reflected.
    """
    asked = _reserve.decode(draft.value)
    name = reservation_id(asked.id, tenant, draft.source, draft.id)
    try:
        found = await _folded(reading, tenant, name, event, wait_ms)
    except ApiError as error:
        if error.status != 404:
            raise
        detail = f"no budget {asked.budget_id}"
        raise problems.Extended(404, "not_found", detail, getattr(error, "extra", {})) from None
    if (found.budget_id, found.amount_usd) != (asked.budget_id, format_usd(asked.amount)):
        detail = f"{name} is a reservation of {found.amount_usd} USD of budget {found.budget_id}"
        raise ApiError(409, "conflict", detail)
    return msgspec.json.encode(
        Reserved(
            reservation_id=found.reservation_id, granted=found.granted, left_usd=found.left_usd
        )
    )


async def settle_answer(
    reading: Reading, tenant: str, draft: Draft, event: Event, wait_ms: int
) -> bytes:
    """Answer to a budget.settle; that of the first where there were more.

    Raises
    ------
    ApiError
        404 not_found where there is no such reservation or it came back; 504 not_reflected.
    """
    asked = _settle.decode(draft.value)
    found = await _folded(reading, tenant, asked.reservation_id, event, wait_ms)
    if found.settled_usd is None:
        detail = "was never granted" if found.state == "refused" else "has come back already"
        raise ApiError(404, "not_found", f"{found.reservation_id} {detail}")
    return msgspec.json.encode(
        Settled(
            reservation_id=found.reservation_id,
            granted=found.granted,
            left_usd=found.left_usd,
            amount_usd=found.settled_usd,
        )
    )


ANSWERS = {b"budget.reserve": reserve_answer, b"budget.settle": settle_answer}
"""By ce_type."""


async def _folded(
    reading: Reading, tenant: str, name: str, event: Event, wait_ms: int
) -> Reservation:
    """The reservation as it is once a command is folded."""
    question = Question(
        tenant=tenant,
        path=path_of(tenant, name),
        after=(position(f"{event.topic}:{event.partition}:{event.offset}", reading.settings),),
        wait_seconds=wait_ms / 1000,
    )
    where = {"events": [msgspec.to_builtins(event)]}
    try:
        return _reservation.decode(await reading.answer(question, partial(compute, tenant, name)))
    except ApiError as error:
        raise problems.Extended(error.status, error.code, error.detail, where) from None
