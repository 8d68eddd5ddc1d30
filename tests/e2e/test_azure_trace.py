"""The real trace: what it must add up to, each alert once, and sent twice the same."""

from collections import Counter
from pathlib import Path

import pytest

from streams.topology import BUDGET_ALERTS

from .system import System


@pytest.mark.deep
async def test_a_real_trace_adds_up_and_alerts_once(
    system: System, tenant: str, azure_trace: Path
) -> None:
    await system.done("budget", "set", tenant, "--id", "daily", "--limit-usd", "40")
    send = ("send", "--azure-trace", str(azure_trace), "--tenant", tenant, "--model", "gpt-4o")
    for _ in range(2):
        assert (await system.done(*send, "--wait"))["sent"] == 8819
        usage = await system.done("usage", tenant)
        total = usage["total"]
        assert (total["calls"], total["input_tokens"], total["output_tokens"]) == (
            8819,
            18_059_974,
            245_896,
        )
        assert total["cost_usd"] == total["computed_usd"] == "47.608895"
        assert (total["reported_usd"], total["unpriced_calls"]) == ("0", 0)
        (day,) = usage["buckets"]
        assert day["start"] == "2023-11-16T00:00:00.000000Z"
        alerts = [r.value for r in await system.of_tenant(BUDGET_ALERTS, tenant)]
        shown = (await system.get(tenant, "alerts"))["items"]
        assert len(alerts) == len(shown)
        # The day is closed: figures after its first alert are told too, at most once an hour.
        fixes = [a for a in shown if a["type"] == "budget.corrected"]
        assert 1 <= len(fixes) <= 2
        shown = [a for a in shown if a not in fixes]
        told = [(a["type"], a["threshold_percent"], a["late"]) for a in reversed(shown)]
        assert told == [
            ("budget.threshold.crossed", 50, True),
            ("budget.threshold.crossed", 80, True),
            ("budget.threshold.crossed", 100, True),
            ("budget.exceeded", None, True),
        ]
        assert Counter(a["limit_usd"] for a in shown) == {"40": 4}
