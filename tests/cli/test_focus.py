"""The CSV has FOCUS's columns, and its sums are the report's."""

import csv
import io
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from usage.writer import Writer, at

from streams.cli.focus import COLUMNS
from streams.cli.spend_chart import WIDTH, spend_chart
from streams.core.log import UsageAdjust
from streams.usage.read import usage_report

MANDATORY = {
    *("BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency"),
    *("BillingPeriodEnd", "BillingPeriodStart", "ChargeCategory", "ChargeClass"),
    *("ChargeDescription", "ChargePeriodEnd", "ChargePeriodStart", "ContractedCost"),
    *("EffectiveCost", "InvoiceIssuerName", "ListCost", "PricingQuantity", "PricingUnit"),
    *("ProviderName", "PublisherName", "ServiceCategory", "ServiceName"),
}


@pytest.fixture
def report() -> dict[str, Any]:
    log = Writer(now="2026-03-02T12")
    log.zone("Asia/Kolkata")
    for n, time in enumerate(("2026-02-28T17", "2026-02-28T19", "2026-03-01T19")):
        for model in ("gpt-4o", "a,b"):
            tokens = {"input_tokens": 10 + n, "output_tokens": n}
            log.call(f"0.{n}00000001", time=time, model=model, **tokens)
    log.call(None, reported=7, model="")
    log.append(UsageAdjust(-500_000_001, at("2026-02-28T19"), "gpt-4o", "", "why"))
    return usage_report(log.view, "t1", group_by="model") | {"as_of": "2026-03-02T12:00:00.000000Z"}


def test_the_sums_are_those_of_the_api(
    api: Any, streams: Callable[..., Any], report: dict[str, Any]
) -> None:
    api.answers = [(200, msgspec.json.encode(report))]
    ran = streams("usage", "t1", "--format", "focus")
    assert (ran.code, ran.err) == (0, "")
    assert api.asked[0].path == "/v1/tenants/t1/usage?period=day&group_by=model"
    rows = list(csv.DictReader(io.StringIO(ran.out)))
    assert tuple(rows[0]) == COLUMNS
    assert set(COLUMNS) > MANDATORY
    total = report["total"]
    for column in ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost"):
        assert sum(Decimal(row[column]) for row in rows) == Decimal(total["cost_usd"])
    adjusted = [row for row in rows if row["ChargeCategory"] == "Adjustment"]
    [correction] = [Decimal(row["BilledCost"]) for row in adjusted]
    assert correction == Decimal(total["adjusted_usd"]) == Decimal("-0.500000001")
    tokens = sum(int(row["ConsumedQuantity"] or 0) for row in rows)
    assert tokens == total["input_tokens"] + total["output_tokens"]
    by_model = {bucket["group"]["model"] for bucket in report["buckets"]}
    assert {row["SkuId"] for row in rows} == by_model == {"", "a,b", "gpt-4o"}


def test_a_charge_lies_in_the_billing_month_of_the_tenants_zone(
    api: Any, streams: Callable[..., Any], report: dict[str, Any]
) -> None:
    """Pitfall 6: 19:00 UTC on the last of February is in March in Kolkata."""
    api.answers = [(200, msgspec.json.encode(report))]
    rows = csv.DictReader(io.StringIO(streams("usage", "t1", "--format", "focus").out))
    months = {row["ChargePeriodStart"]: row["BillingPeriodStart"] for row in rows}
    assert months == {
        "2026-02-27T18:30:00Z": "2026-01-31T18:30:00Z",
        "2026-02-28T18:30:00Z": "2026-02-28T18:30:00Z",
        "2026-03-01T18:30:00Z": "2026-02-28T18:30:00Z",
    }


def test_focus_is_no_json(streams: Callable[..., Any]) -> None:
    assert streams("usage", "t1", "--format", "focus", "--json").code == 2


def test_the_chart_adds_up_periods_and_scales_to_the_largest() -> None:
    day = "2026-03-0{}T00:00:00.000000Z"
    spent = [
        (day.format(1), "2"),
        (day.format(1), "2"),
        (day.format(2), "1"),
        (day.format(3), "-1"),
    ]
    lines = spend_chart(spent).plain.splitlines()
    assert lines == [
        f"2026-03-01  {'█' * WIDTH}",
        f"2026-03-02  {'█' * (WIDTH // 4)}",
        "2026-03-03  ",
    ]
    assert spend_chart([]).plain == ""
