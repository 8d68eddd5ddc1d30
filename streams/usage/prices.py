"""A tenant's own prices: each holds for calls from its date on, and a call is priced by its time.

Admit writes what the catalogue says; the fold knows better where the tenant has a price of its own.
Everything is an integer: nano-USD for a million tokens, and a cost is rounded once, half to even.
"""

from bisect import bisect_right
from typing import Any

from streams.core.fold import Effect, Entry, Reader, View
from streams.core.journal import Target, audit
from streams.core.log import Call, PriceSet
from streams.core.money import format_usd
from streams.core.rows import tenant_key
from streams.core.time import format_time
from streams.usage.rows import NO_TENANT, PricesRow, TenantRow, with_changes
from streams.usage.scope import pack, unpack_pair

MTOK = 1_000_000
MAX_MODELS = 1_000
MAX_DATES = 100
"""Prices of one model, and models of one tenant: a look-up reads one small row."""
MAX_SHOWN = 100


def own_cost(view: View, tenant: str, call: Call, time: int) -> int | None:
    """Cost of a call by the tenant's own price, nano-USD; None where it has none at that time."""
    row = view.get(PricesRow, _key(tenant, call.provider, call.model))
    if row is None:
        return None
    place = bisect_right(row.prices, time, key=lambda price: price[0])
    if place == 0:
        return None
    _, read, written, cached = row.prices[place - 1]
    from_cache = call.cache_read_tokens
    exact = (
        (call.input_tokens - from_cache) * read
        + from_cache * (read if cached is None else cached)
        + call.output_tokens * written
    )
    cost, rest = divmod(exact, MTOK)
    return cost + (2 * rest > MTOK or (2 * rest == MTOK and cost % 2 == 1))


def fold_price_set(view: View, entry: Entry, body: PriceSet) -> list[Effect]:
    """Set a model's price from a date on; one of that date is replaced, sums stay as they are."""
    outputs: list[Effect] = []
    name = entry.record.tenant
    key = _key(name, body.provider, body.model)
    row = view.get(PricesRow, key)
    tenant_row = tenant_key(TenantRow, name)
    tenant = view.get(TenantRow, tenant_row) or NO_TENANT
    others = tuple(p for p in (row.prices if row else ()) if p[0] != body.since)
    error = None
    if len(others) == MAX_DATES or (row is None and tenant.prices == MAX_MODELS):
        error = "too_many_prices"
    else:
        price = (body.since, body.read, body.written, body.cached)
        view.put(key, PricesRow(tuple(sorted((*others, price), key=lambda one: one[0]))))
        if row is None:
            view.put(tenant_row, with_changes(tenant, prices=tenant.prices + 1))
    details = _shown(body.provider, body.model, body.since, body.read, body.written, body.cached)
    target = Target("price", f"{body.provider}/{body.model}")
    audit(view, entry, outputs, action="price.set", target=target, details=details, error=error)
    return outputs


def own_prices(reader: Reader, tenant: str) -> list[dict[str, Any]]:
    """A tenant's own prices, by provider, model and date; the first ones."""
    found: list[dict[str, Any]] = []
    prefix = tenant_key(PricesRow, tenant)
    for key, row in reader.scan(PricesRow, prefix):
        provider, model = unpack_pair(key[len(prefix) :])
        found += [_shown(provider, model, *price) for price in row.prices]
        if len(found) >= MAX_SHOWN:
            break
    return found[:MAX_SHOWN]


def _shown(
    provider: str, model: str, since: int, read: int, written: int, cached: int | None
) -> dict[str, Any]:
    date = format_time(since)
    return {
        "provider": provider,
        "model": model,
        "version": f"tenant/{date}",
        "effective_from": date,
        "input_usd_per_mtok": format_usd(read),
        "output_usd_per_mtok": format_usd(written),
        "cache_read_usd_per_mtok": None if cached is None else format_usd(cached),
    }


def _key(tenant: str, provider: str, model: str) -> bytes:
    return tenant_key(PricesRow, tenant, pack((provider, model)))
