"""A tenant's own prices: by the call's time, exact, below a reported cost, above a catalogue."""

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.log import Call, PriceSet
from streams.core.money import format_usd
from streams.usage import prices
from streams.usage.prices import own_cost
from streams.usage.read import usage_report
from usage.writer import Writer, at, data

MARCH = "2026-03-02T12"
TOKENS = {"input_tokens": 1_000_000, "cache_read_tokens": 400_000, "output_tokens": 100_000}


def price(log: Writer, since: str, read: str = "2", written: str = "10", **rest: Any) -> Any:
    fields = {"provider": "openai", "model": "gpt-4o", "cached": None, **rest}
    nano = [int(Decimal(text) * 10**9) for text in (read, written)]
    cached = None if fields["cached"] is None else int(Decimal(fields["cached"]) * 10**9)
    body = PriceSet(fields["provider"], fields["model"], *nano, cached, at(since))
    [output] = log.append(body)
    return data(output)


def cost(log: Writer, **query: Any) -> tuple[str, int]:
    total = usage_report(log.view, "t1", **query)["total"]
    return total["cost_usd"], total["unpriced_calls"]


def test_a_call_is_priced_by_its_time() -> None:
    """Pitfall 10: late events are priced as of their own time."""
    log = Writer(now=MARCH)
    price(log, "2026-03-01", "4", "20")
    price(log, "2026-02-01", "2", "10", cached="1")
    for time in ("2026-03-01", "2026-02-28T23:59:59", "2026-01-31T23:59:59"):
        log.call("7", time=time, **TOKENS)
    days = {
        bucket["start"][:10]: bucket["cost_usd"]
        for bucket in usage_report(log.view, "t1")["buckets"]
    }
    # 4 + 2; .6 * 2 + .4 * 1 + .1 * 10; what the catalogue says
    assert days == {"2026-03-01": "6", "2026-02-28": "2.6", "2026-01-31": "7"}


def test_a_reported_cost_wins_and_an_unpriced_model_has_a_price_from_its_date_on() -> None:
    log = Writer(now=MARCH)
    assert log.call(None, **TOKENS)[0].type == "usage.unpriced"
    assert cost(log) == ("0", 1)
    price(log, "2026-03-02")
    assert cost(log) == ("0", 1)  # sums of the past are not changed
    log.call(None, **TOKENS)
    assert cost(log) == ("3", 1)
    log.call(None, reported=5, **TOKENS)
    assert cost(log) == ("3.000000005", 1)
    log.call(None, model="other", **TOKENS)
    assert cost(log) == ("3.000000005", 2)
    assert usage_report(log.view, "t1")["unpriced"] == [
        {"provider": "openai", "model": "gpt-4o", "calls": 1},
        {"provider": "openai", "model": "other", "calls": 1},
    ]


def test_another_tenants_prices_are_not_mine() -> None:
    log = Writer(now=MARCH)
    price(log, "2026-01-01")
    log.call("7", tenant="t2", **TOKENS)
    assert usage_report(log.view, "t2")["total"]["cost_usd"] == "7"


def test_a_price_of_the_same_date_is_replaced_and_all_are_shown() -> None:
    log = Writer(now=MARCH)
    price(log, "2026-03-01")
    said = price(log, "2026-03-01", "0.000000001", "0")
    assert (said["outcome"], said["target"]) == ("done", {"kind": "price", "id": "openai/gpt-4o"})
    assert said["details"]["version"] == "tenant/2026-03-01T00:00:00.000000Z"
    shown = usage_report(log.view, "t1")["prices"]
    assert shown == [said["details"]]
    assert shown[0]["input_usd_per_mtok"] == "0.000000001"


def test_prices_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prices, "MAX_DATES", 2)
    monkeypatch.setattr(prices, "MAX_MODELS", 1)
    log = Writer(now=MARCH)
    found = [price(log, day)["error"] for day in ("2026-03-01", "2026-03-02", "2026-03-03")]
    assert found == [None, None, "too_many_prices"]
    assert price(log, "2026-03-02")["error"] is None
    assert price(log, "2026-03-01", model="other")["error"] == "too_many_prices"


@given(
    st.tuples(*[st.integers(0, 2**53)] * 3).map(sorted),
    st.integers(0, 2**53),
    st.tuples(*[st.integers(0, 10**12)] * 3),
    st.booleans(),
)
def test_a_cost_is_an_exact_decimal_rounded_once(
    tokens: list[int], written: int, nano: tuple[int, int, int], with_cache: bool
) -> None:
    """Pitfall 7: cached tokens are part of the input and are not paid for twice."""
    cached, _, read = tokens
    log = Writer(now=MARCH)
    usd = [format_usd(n) for n in nano]
    price(log, "2026-03-01", usd[0], usd[1], cached=usd[2] if with_cache else None)
    call = Call("openai", "gpt-4o", read, written, cached, 0, None, None, "")
    exact = (
        (read - cached) * Decimal(usd[0])
        + cached * Decimal(usd[2] if with_cache else usd[0])
        + written * Decimal(usd[1])
    ) / 1_000_000  # all of these have fewer digits than a Decimal keeps
    if exact < 10**9:
        expected = exact.quantize(Decimal("1e-9"), rounding=ROUND_HALF_EVEN)
        assert own_cost(log.view, "t1", call, log.now) == int(expected * 10**9)
