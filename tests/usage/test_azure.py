"""The real trace of 8,819 calls comes to the figures that were worked out beforehand."""

import csv
from collections import Counter
from pathlib import Path

from streams.usage.read import usage_report
from usage.memory_view import MemoryView
from usage.writer import Writer, at, data, told


def test_the_azure_trace(azure_trace: Path) -> None:
    log = Writer(MemoryView(), now="2026-03-02T12")
    log.budget("40")
    with azure_trace.open(newline="") as lines:
        for row in csv.DictReader(lines):
            read, written = int(row["ContextTokens"]), int(row["GeneratedTokens"])
            log.call(
                time=at(row["TIMESTAMP"].replace(" ", "T") + "Z"),
                input_tokens=read,
                output_tokens=written,
                computed=read * 2_500 + written * 10_000,  # 2.50 and 10 USD per million tokens
            )
    for period in ("day", "week", "month"):
        body = usage_report(log.view, "t1", period=period, group_by="model")
        [bucket] = body["buckets"]
        assert bucket["group"] == {"model": "gpt-4o"}
        total = body["total"]
        assert (total["calls"], total["input_tokens"], total["output_tokens"]) == (
            8_819,
            18_059_974,
            245_896,
        )
        assert (total["cost_usd"], total["unpriced_calls"]) == ("47.608895", 0)
    assert Counter(told(log.outputs)) == {
        ("budget.threshold.crossed", 50): 1,
        ("budget.threshold.crossed", 80): 1,
        ("budget.threshold.crossed", 100): 1,
        ("budget.exceeded", None): 1,
        ("budget.corrected", None): 1,  # what came after the first alert of a closed day
    }
    alerts = [data(o) for o in log.outputs if o.topic == "budget.alerts.v1"]
    assert {alert["late"] for alert in alerts} == {True}
