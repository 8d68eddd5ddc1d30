"""The catalogue of model prices: genai-prices, bundled and dated, never fetched.

A call is priced by itself at its event time: prices change, and the tier is the call's own. The
catalogue's arithmetic takes 200 us a call, so the rates of a model's price are read out once and
applied as integers; the tests hold both against each other over the whole catalogue.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from importlib.metadata import version

from genai_prices.data import providers
from genai_prices.data_snapshot import DataSnapshot
from genai_prices.types import ModelInfo, ModelPrice, TieredPrices

from streams.core.log import Call
from streams.core.time import EPOCH

# Names of OpenTelemetry GenAI that the catalogue doesn't know by themselves.
_PROVIDERS = {
    "azure.ai.inference": "azure",
    "az.ai.inference": "azure",
    "gcp.gen_ai": "google",
    "x_ai": "x-ai",
}
_MINUTE = 60_000_000
# Rates are integers of 1e-30 nano-USD a token: some prices of the catalogue have 17 digits.
_SCALE = 10**30
_PER_MTOK = 1_000 * _SCALE
"""USD a million tokens to scaled nano-USD a token."""
_PER_KILO = 1_000 * _PER_MTOK

Rates = tuple[int, int | None, int | None, int | None, int | None, int]
"""From how many input tokens on (exclusive); input, output, cache read, cache write; a request."""


class CataloguePrices:
    """`streams.ports.PriceBook` of the genai-prices catalogue."""

    def __init__(self) -> None:
        self.version = f"genai-prices {version('genai-prices')}"

    def cost(self, call: Call, at: int) -> int | None:
        """Nano-USD of a call at an event time, rounded once, half to even.

        Parameters
        ----------
        call : Call
            ``input_tokens`` includes the cached ones.
        at : int
            Event time, microseconds.

        Returns
        -------
        int or None
            None when provider or model is unknown, or when no price covers these tokens.
        """
        tiers = _rates(call.provider, call.model)
        if tiers is None:
            tiers = _rates_at(call.provider, call.model, at // _MINUTE)
        for rates in tiers:
            if call.input_tokens > rates[0]:
                return _apply(rates, call)
        return None


def _apply(rates: Rates, call: Call) -> int | None:
    _, read_in, out, cache_read, cache_write, request = rates
    plain, read, written = call.input_tokens, call.cache_read_tokens, call.cache_creation_tokens
    scaled = request
    covered = bool(request)
    if cache_read is not None:
        plain -= read
        scaled += read * cache_read
        covered |= read > 0
    if cache_write is not None:
        plain -= written
        scaled += written * cache_write
        covered |= written > 0
    if read_in is not None:
        scaled += plain * read_in
        covered |= plain > 0
    if out is not None:
        scaled += call.output_tokens * out
        covered |= call.output_tokens > 0
    if not covered and (call.input_tokens or call.output_tokens):
        return None
    cost, rest = divmod(scaled, _SCALE)
    half = 2 * rest - _SCALE
    return cost + (half > 0 or (half == 0 and cost & 1))


@lru_cache(maxsize=8192)
def _rates(provider: str, model: str) -> tuple[Rates, ...] | None:
    """Rates of a model whose price never changes; () for an unknown one, None for a dated one."""
    found = _find(provider, model)
    if found is None:
        return ()
    if isinstance(found.prices, ModelPrice):
        return _tiers(found.prices)
    return None


@lru_cache(maxsize=8192)
def _rates_at(provider: str, model: str, minute: int) -> tuple[Rates, ...]:
    """Rates in one minute; no price of the catalogue changes within a minute."""
    found = _find(provider, model)
    assert found is not None
    return _tiers(found.get_prices(EPOCH + timedelta(minutes=minute)))


def _find(provider: str, model: str) -> ModelInfo | None:
    if not model:
        return None
    # A snapshot of its own each time: the library keeps what it looked up without a bound.
    catalogue = DataSnapshot(providers, False, timestamp=datetime.fromtimestamp(0, UTC))
    name = _PROVIDERS.get(provider, provider) or None
    try:
        return catalogue.find_provider_model(model, None, name, None)[1]
    except LookupError:
        return None


def _tiers(price: ModelPrice) -> tuple[Rates, ...]:
    """Rates of a price by tier, highest first; () when it has none for tokens."""
    units = (
        price.input_mtok,
        price.output_mtok,
        price.cache_read_mtok,
        price.cache_write_mtok,
        price.requests_kcount,
    )
    if all(unit is None for unit in units):
        return ()
    starts = {-1}
    for unit in units:
        if isinstance(unit, TieredPrices):
            starts.update(tier.start for tier in unit.tiers)
    return tuple(_tier(units, start) for start in sorted(starts, reverse=True))


def _tier(units: tuple[Decimal | TieredPrices | None, ...], start: int) -> Rates:
    read_in, out, cache_read, cache_write, request = (_at(unit, start) for unit in units)
    return (
        start,
        _scaled(read_in, _PER_MTOK),
        _scaled(out, _PER_MTOK),
        _scaled(cache_read, _PER_MTOK),
        _scaled(cache_write, _PER_MTOK),
        _scaled(request, _PER_KILO) or 0,
    )


def _at(price: Decimal | TieredPrices | None, start: int) -> Decimal | None:
    if not isinstance(price, TieredPrices):
        return price
    reached = [tier.price for tier in price.tiers if tier.start <= start]
    return reached[-1] if reached else price.base


def _scaled(price: Decimal | None, by: int) -> int | None:
    if price is None:
        return None
    numerator, denominator = price.as_integer_ratio()
    rate, rest = divmod(numerator * by, denominator)
    assert rest == 0, f"a price has too many digits: {price}"
    return rate
