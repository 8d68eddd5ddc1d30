"""The public data of commands about meters: a tenant's own prices, and corrections of its cost."""

from collections.abc import Iterator, Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from streams.core.amount import SignedUsd, Usd, exact_usd, is_absent, signed_usd
from streams.core.events import Data, Name
from streams.core.time import parse_time

MAX_REASON = 1000

Moment = Annotated[
    str, Meta(max_length=64, description="RFC 3339.", examples=["2026-11-01T00:00:00Z"])
]


class PriceSet(Data, frozen=True, kw_only=True):
    """Set what a model costs this tenant, for calls from a time on; a reported cost still wins.

    Prices are per million tokens and have at most nine digits after the point. Input that was read
    from a cache costs ``cache_read_usd_per_mtok``, or as much as other input without one.
    """

    provider: Name
    model: Name
    input_usd_per_mtok: Usd
    output_usd_per_mtok: Usd
    cache_read_usd_per_mtok: Usd = msgspec.field(default_factory=msgspec.Raw)
    effective_from: Moment

    def names(self) -> Iterator[str | None]:
        yield from (self.provider, self.model)

    def check(self) -> None:
        self.prices  # noqa: B018 - raises if one is no amount
        self.since  # noqa: B018 - raises if it is no time

    @property
    def prices(self) -> tuple[int, int, int | None]:
        """Nano-USD a million tokens: input, output, input from a cache."""
        cached = self.cache_read_usd_per_mtok
        return (
            exact_usd(self.input_usd_per_mtok),
            exact_usd(self.output_usd_per_mtok),
            None if is_absent(cached) else exact_usd(cached),
        )

    @property
    def since(self) -> int:
        """Event time of the first call that it is for."""
        return _moment(self.effective_from)


class UsageAdjust(Data, frozen=True, kw_only=True):
    """Correct the cost of the periods that a time is in: credits are below zero."""

    amount_usd: SignedUsd
    at: Moment
    model: Name | None = None
    cost_attribution: Name | None = None
    reason: Annotated[str, Meta(min_length=1, max_length=MAX_REASON)]

    def names(self) -> Iterator[str | None]:
        yield from (self.model, self.cost_attribution)

    def check(self) -> None:
        self.amount  # noqa: B018 - raises if it is no amount
        self.time  # noqa: B018 - raises if it is no time

    @property
    def amount(self) -> int:
        """``amount_usd`` in nano-USD."""
        return signed_usd(self.amount_usd)

    @property
    def time(self) -> int:
        """``at`` in microseconds."""
        return _moment(self.at)


METER_TYPES: Mapping[str, type[Data]] = {"price.set": PriceSet, "usage.adjust": UsageAdjust}
"""ce_type of each command to its data."""


def _moment(text: str) -> int:
    try:
        time = parse_time(text)
    except OverflowError:
        raise ValueError("no such time") from None
    if time < 0:
        raise ValueError("a time before 1970")
    return time
