"""Prices and corrections: amounts from their digits, times in bounds."""

import json
from typing import Any

import pytest

from streams.core.errors import Refused
from streams.core.events import decode
from streams.core.meter_events import PriceSet, UsageAdjust
from streams.core.time import parse_time

PRICE: dict[str, Any] = {
    "provider": "openai",
    "model": "m",
    "input_usd_per_mtok": "2.5",
    "output_usd_per_mtok": 10,
    "effective_from": "2026-11-01T00:00:00+05:30",
}
ADJUST: dict[str, Any] = {"amount_usd": "-0.5", "at": "2026-11-01T00:00:00Z", "reason": "why"}


def priced(**changes: Any) -> Any:
    return decode(PriceSet, json.dumps(PRICE | changes).encode())


def adjusted(**changes: Any) -> Any:
    return decode(UsageAdjust, json.dumps(ADJUST | changes).encode())


def test_a_price_is_exact() -> None:
    assert priced().prices == (2_500_000_000, 10_000_000_000, None)
    assert priced(cache_read_usd_per_mtok=1e-9).prices[2] == 1
    assert priced(cache_read_usd_per_mtok=None).prices[2] is None
    assert priced().since == parse_time("2026-10-31T18:30:00Z")


@pytest.mark.parametrize(
    "changes",
    [
        {"input_usd_per_mtok": "-1"},
        {"input_usd_per_mtok": "0.0000000001"},
        {"output_usd_per_mtok": "1e400"},
        {"cache_read_usd_per_mtok": "free"},
        {"effective_from": "2026-11-01"},
        {"effective_from": "1969-12-31T23:59:59Z"},
        {"effective_from": "0001-01-01T00:00:00+23:00"},
        {"model": None},
        {"model": "a\nb"},
    ],
)
def test_a_wrong_price_breaks_the_schema(changes: dict[str, Any]) -> None:
    found = priced(**changes)
    assert isinstance(found, Refused)
    assert found.code == "schema"


@pytest.mark.parametrize(
    ("amount", "nano"),
    [("-0.5", -500_000_000), (-1, -(10**9)), ("2", 2 * 10**9), (0, 0), ("-1e-9", -1)],
)
def test_a_correction_has_a_sign(amount: Any, nano: int) -> None:
    assert adjusted(amount_usd=amount).amount == nano


@pytest.mark.parametrize(
    "changes",
    [
        {"amount_usd": "--1"},
        {"amount_usd": "-1000000001"},
        {"amount_usd": None},
        {"at": "yesterday"},
        {"at": "1969-01-01T00:00:00Z"},
        {"reason": ""},
        {"reason": "x" * 1001},
        {"model": "a\u0000"},
    ],
)
def test_a_wrong_correction_breaks_the_schema(changes: dict[str, Any]) -> None:
    found = adjusted(**changes)
    assert isinstance(found, Refused)
    assert found.code == "schema"
