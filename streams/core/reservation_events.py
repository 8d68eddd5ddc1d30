"""The public data of reservations: money of a budget is held before it is spent."""

from collections.abc import Iterator, Mapping
from typing import Annotated

from msgspec import Meta

from streams.core.amount import Usd, usd
from streams.core.events import BudgetId, Data, ReservationId
from streams.core.ids import derived_id

MAX_HOLD_SECONDS = 86_400


class BudgetReserve(Data, frozen=True, kw_only=True):
    """Hold a part of a budget, if what is left of it is enough."""

    budget_id: BudgetId
    amount_usd: Usd
    ttl_seconds: Annotated[
        int,
        Meta(ge=1, le=MAX_HOLD_SECONDS, description="It comes back after so long (log time)."),
    ] = 60
    id: Annotated[
        ReservationId | None,
        Meta(
            description="Names the reservation; asked for again it has the same answer. "
            "Without it the event's source and id make one."
        ),
    ] = None

    def names(self) -> Iterator[str | None]:
        yield self.budget_id

    def check(self) -> None:
        self.amount  # noqa: B018 - raises if it is no amount

    @property
    def amount(self) -> int:
        """``amount_usd`` in nano-USD."""
        return usd(self.amount_usd)


class BudgetSettle(Data, frozen=True, kw_only=True):
    """End a reservation with what was really spent."""

    reservation_id: ReservationId
    amount_usd: Annotated[
        Usd,
        Meta(
            description="All that was spent. Counted as spend of the budget, less what usage "
            "that names the reservation has reported already."
        ),
    ]

    def check(self) -> None:
        self.amount  # noqa: B018 - raises if it is no amount

    @property
    def amount(self) -> int:
        """``amount_usd`` in nano-USD."""
        return usd(self.amount_usd)


RESERVATION_TYPES: Mapping[str, type[Data]] = {
    "budget.reserve": BudgetReserve,
    "budget.settle": BudgetSettle,
}
"""ce_type of each command to its data."""


def reservation_id(given: str | None, tenant: str, source: str, event_id: str) -> str:
    """Id of a reservation: the one that was given, else made of its event's identity.

    Examples
    --------
    >>> reservation_id("r1", "t1", "/api", "7")
    'r1'
    """
    return given or derived_id(tenant, source, event_id)
