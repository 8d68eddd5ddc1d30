"""The real trace over six models and three zones, against Decimals and the zones' clocks."""

import csv
from collections import defaultdict
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from streams.core.log import PriceSet
from streams.core.time import parse_time
from streams.usage.read import budgets, usage_report
from usage.memory_view import MemoryView
from usage.writer import Writer, at, data

MODELS = {
    "gpt-4o": ("2.5", "10"),
    "gpt-4o-mini": ("0.15", "0.6"),
    "o3": ("2", "8"),
    "claude-sonnet": ("3", "15"),
    "haiku": ("0.8", "4"),
    "own-llama": ("0.033333333", "0.000000001"),
}
ZONES = {"t-utc": "UTC", "t-kolkata": "Asia/Kolkata", "t-apia": "Pacific/Apia"}


def _key(tenant: str, kind: str, moment: str) -> str:
    """The local hour, day or month of a moment: a calendar without bounds."""
    local = datetime.fromisoformat(moment).astimezone(ZoneInfo(ZONES[tenant]))
    return local.strftime({"hour": "%Y-%m-%dT%H", "day": "%Y-%m-%d", "month": "%Y-%m"}[kind])


@pytest.mark.parametrize("every", [9, pytest.param(1, marks=pytest.mark.deep)])
def test_the_trace_under_six_models_and_three_zones(azure_trace: Path, every: int) -> None:
    """Pitfalls 6 and 7, and the last: the tier of a price is a call's, never a sum's."""
    log = Writer(MemoryView(), now="2023-11-16T20")
    for tenant, name in ZONES.items():
        log.zone(name, tenant=tenant)
        for model, usd in MODELS.items():
            nano = [int(Decimal(text) * 10**9) for text in usd]
            log.append(PriceSet("openai", model, *nano, None, at("2023-01-01")), tenant=tenant)
    sums: dict[tuple[str, str, str, str], list[Any]] = defaultdict(lambda: [0, 0, 0, Decimal(0)])
    spent: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    with azure_trace.open(newline="") as lines:
        rows = list(csv.DictReader(lines))[::every]
    for n, row in enumerate(rows):
        tenant, model = list(ZONES)[n % 3], list(MODELS)[n * 7 % 6]
        read, written = int(row["ContextTokens"]), int(row["GeneratedTokens"])
        moment = row["TIMESTAMP"].replace(" ", "T")[:26] + "Z"
        tokens = {"input_tokens": read, "output_tokens": written, "cache_read_tokens": read // 2}
        log.call(tenant=tenant, model=model, time=parse_time(moment), **tokens)
        usd = [Decimal(text) for text in MODELS[model]]
        exact = (read * usd[0] + written * usd[1]) / 1_000_000
        cost = exact.quantize(Decimal("1e-9"), rounding=ROUND_HALF_EVEN)
        for kind in ("hour", "day", "month"):
            into = sums[tenant, kind, _key(tenant, kind, moment), model]
            for place, value in enumerate((1, read, written, cost)):
                into[place] += value
        spent[tenant, moment[:10]] += cost
    found = {}
    for tenant in ZONES:
        for kind in ("hour", "day", "month"):
            for bucket in usage_report(log.view, tenant, period=kind, group_by="model")["buckets"]:
                place = (
                    tenant,
                    kind,
                    _key(tenant, kind, bucket["start"]),
                    bucket["group"]["model"],
                )
                tokens = [bucket[name] for name in ("calls", "input_tokens", "output_tokens")]
                assert place not in found
                found[place] = [*tokens, Decimal(bucket["cost_usd"])]
    assert found == dict(sums)
    for tenant in ZONES:
        [budget] = budgets(log.view, tenant, log_time=log.log_time)
        assert Decimal(budget["spent_usd"]) == spent[tenant, "2023-11-16"]
    assert not [o for o in log.outputs if data(o).get("type") == "usage.unpriced"]
