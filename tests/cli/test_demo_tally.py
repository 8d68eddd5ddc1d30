from decimal import Decimal
from typing import Any

import msgspec
import pytest

from streams.cli.client import Client
from streams.cli.demo_tally import Total, due_alerts, judge, totals
from streams.cli.demo_view import Scene, Spend
from streams.dev.fleet import TENANTS, Expected
from streams.settings import Settings

ZERO = Total(0, 0, 0, 0, 0, "0")
SENT = Expected(
    sent=12,
    calls=10,
    input_tokens=100,
    output_tokens=20,
    cache_read_tokens=5,
    unpriced_calls=1,
    cost=Decimal("0.000000123"),
)
COUNTED = Total(10, 100, 20, 5, 1, "0.000000123")
CROSSED, EXCEEDED = "budget.threshold.crossed", "budget.exceeded"
ALL = [("b", CROSSED, 50), ("b", CROSSED, 80), ("b", CROSSED, 100), ("b", EXCEEDED, None)]


def scene(fired: list[tuple[str, str, int | None]]) -> Scene:
    spends = {"b": Spend("t1", "", Decimal(1), Decimal("1.000000001"))}
    return Scene(0, "http://api", "dir", spends=spends, fired=fired, first_alert=1.5)


def total(**changed: Any) -> Total:
    return msgspec.structs.replace(COUNTED, **changed)


@pytest.mark.parametrize(
    ("counted", "fired", "code", "says"),
    [
        (COUNTED, ALL, 0, "counted = sent"),
        (COUNTED, [*ALL[::-1], ("b", "budget.forecast.exceeded", None)], 0, "each once"),
        (COUNTED, [*ALL, ALL[0]], 1, "NOT each once"),
        (COUNTED, ALL[1:], 1, "NOT each once"),
        (total(calls=11), ALL, 1, "counted DIFFERS from sent"),
        (total(output_tokens=21), ALL, 1, "DIFFERS"),
        (total(cache_read_tokens=6), ALL, 1, "DIFFERS"),
        (total(unpriced_calls=0), ALL, 1, "DIFFERS"),
        (total(cost_usd="0.000000124"), ALL, 1, "DIFFERS"),
    ],
)
def test_only_exact_agreement_passes(
    counted: Total,
    fired: list[tuple[str, str, int | None]],
    code: int,
    says: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert judge(scene(fired), {"t1": SENT}, {"t1": ZERO}, {"t1": counted}) == code
    assert says in capsys.readouterr().out


def test_what_was_counted_before_is_taken_off() -> None:
    after = total(calls=20, input_tokens=200, output_tokens=40, cache_read_tokens=10)
    after = msgspec.structs.replace(after, unpriced_calls=2, cost_usd="0.000000246")
    assert judge(scene(ALL), {"t1": SENT}, {"t1": COUNTED}, {"t1": after}) == 0


@pytest.mark.parametrize(
    ("spent", "number"), [("0.499999999", 0), ("0.5", 1), ("0.8", 2), ("1", 3), ("1.000000001", 4)]
)
def test_alerts_are_due_at_their_thresholds(spent: str, number: int) -> None:
    assert due_alerts({"b": Spend("t1", "", Decimal(1), Decimal(spent))}) == ALL[:number]


def test_totals_are_read_for_every_tenant_of_the_fleet(api: Any) -> None:
    api.answers = [(200, b'{"total":' + msgspec.json.encode(COUNTED) + b"}")]
    with Client(Settings(api=api.url)) as client:
        assert totals(client) == dict.fromkeys(TENANTS, COUNTED)
