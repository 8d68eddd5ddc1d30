"""The reads' bodies: unknown tenants, spans, groups, forecasts, wrong questions."""

from typing import Any

import pytest

from streams.core.errors import ApiError
from streams.usage.read import alerts, audit, budgets, usage_report
from streams.usage.rows import STATES
from usage.memory_view import MemoryView
from usage.writer import Writer, at

NOTHING = {
    "calls": 0,
    "input_tokens": 0,
    "output_tokens": 0,
    "cache_read_tokens": 0,
    "cache_creation_tokens": 0,
    "cost_usd": "0",
    "reported_usd": "0",
    "computed_usd": "0",
    "adjusted_usd": "0",
    "unpriced_calls": 0,
    "late_events": 0,
    "runs": 0,
    "runs_by_state": dict.fromkeys(STATES, 0),
    "run_seconds": 0.0,
    "memory_byte_hours": 0.0,
    "embeddings": 0,
}


def test_an_unknown_tenant_is_empty() -> None:
    view = MemoryView()
    assert usage_report(view, "t1", period="week") == {
        "tenant": "t1",
        "timezone": "UTC",
        "period": "week",
        "buckets": [],
        "total": NOTHING,
        "unpriced": [],
        "prices": [],
    }
    assert alerts(view, "t1", limit=5) == audit(view, "t1", limit=5) == ([], None)
    assert budgets(view, "t1", log_time=0) == [
        {
            "config": {
                "budget_id": "default",
                "limit_usd": "100",
                "period": "day",
                "timezone": "UTC",
                "thresholds": [50, 80, 100],
                "forecast": True,
                "scope": {},
            },
            "revision": 1,
            "counted_since": None,
            "spent_usd": "0",
            "held_usd": "0",
            "forecast_usd": None,
            "fired": [],
            "exceeded": False,
            "unpriced_calls": 0,
            "period_start": "1970-01-01T00:00:00.000000Z",
            "period_end": "1970-01-02T00:00:00.000000Z",
        }
    ]


@pytest.mark.parametrize(
    ("start", "end", "days"),
    [
        (None, None, ["01", "02", "04"]),
        ("2026-03-02", None, ["02", "04"]),
        (None, "2026-03-02", ["01"]),
        ("2026-03-02", "2026-03-04", ["02"]),
        ("2026-03-01T23", "2026-03-02T01", ["01", "02"]),
        ("2026-03-03", "2026-03-04", []),
        ("2026-03-03", "2026-03-03", []),
        ("2026-03-05", None, []),
    ],
)
def test_a_span_takes_the_periods_that_overlap_it(
    start: str | None, end: str | None, days: list[str]
) -> None:
    log = Writer(now="2026-03-04T12")
    for day in ("01", "02", "04"):
        log.call("1", time=f"2026-03-{day}T12")
    log.call("1", tenant="t10", time="2026-03-03T12")
    body = usage_report(
        log.view,
        "t1",
        start=None if start is None else at(start),
        end=None if end is None else at(end),
    )
    assert [b["start"][8:10] for b in body["buckets"]] == days
    assert body["total"]["calls"] == len(days)


KEYS = ("provider", "model", "agent", "cost_attribution", "cluster")


@pytest.mark.parametrize("key", KEYS)
def test_groups_by_each_key(key: str) -> None:
    log = Writer()
    for value, cost in (("b", "1"), ("", "2"), ("b", "4"), ("a", "8")):
        log.call(cost, **{key: value})
    body = usage_report(log.view, "t1", group_by=key)
    found = [(b["group"], b["cost_usd"], b["calls"]) for b in body["buckets"]]
    assert found == [({key: ""}, "2", 1), ({key: "a"}, "8", 1), ({key: "b"}, "5", 2)]
    assert body["total"]["cost_usd"] == "15"
    [whole] = usage_report(log.view, "t1")["buckets"]
    assert (whole["group"], whole["calls"]) == (None, 4)


@pytest.mark.parametrize(
    "wrong",
    [
        {"period": "year"},
        {"group_by": "colour"},
        {"group_by": ""},
        {"start": 2, "end": 1},
    ],
)
def test_a_wrong_question_is_answered_so(wrong: dict[str, Any]) -> None:
    with pytest.raises(ApiError) as raised:
        usage_report(MemoryView(), "t1", **wrong)
    assert (raised.value.status, raised.value.code) == (422, "unprocessable")


@pytest.mark.parametrize(
    ("calls", "now", "expected"),
    [
        (3, "2026-03-02T06", "12"),
        (3, "2026-03-02T02:24", "30"),
        (3, "2026-03-02T02:23:59", None),  # not yet a tenth of the day
        (2, "2026-03-02T06", None),
        (3, "2026-03-02T23:59:59.999999Z", "3"),
    ],
)
def test_a_forecast_needs_a_tenth_of_the_period_and_three_calls(
    calls: int, now: str, expected: str | None
) -> None:
    log = Writer(now="2026-03-02T01")
    log.budget("100", time="2026-03-01")
    for _ in range(calls):
        log.call("1")
    [item] = budgets(log.view, "t1", log_time=at(now))
    assert item["forecast_usd"] == expected


def test_a_budget_that_wants_no_forecast_has_none() -> None:
    log = Writer(now="2026-03-02T12")
    log.budget("100", time="2026-03-01", forecast=False)
    for _ in range(3):
        log.call("1")
    [item] = budgets(log.view, "t1", log_time=log.log_time)
    assert (item["forecast_usd"], item["spent_usd"]) == (None, "3")


def test_a_budget_shows_the_period_of_log_time() -> None:
    log = Writer(now="2026-03-02T12")
    log.call("60")
    shown = []
    for now in ("2026-03-02T23:59", "2026-03-03"):
        [item] = budgets(log.view, "t1", log_time=at(now))
        shown.append((item["spent_usd"], item["fired"], item["period_start"][:10]))
    assert shown == [("60", [50], "2026-03-02"), ("0", [], "2026-03-03")]
