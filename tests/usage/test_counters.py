"""What one event adds, and when it is late; each run once, with its first event."""

import pytest

from streams.core.fold import settle
from streams.core.log import Call, JobRun
from streams.usage.metering import fold_message
from streams.usage.read import usage_report
from streams.usage.rows import STATES
from usage.memory_view import MemoryView
from usage.writer import Writer, at, data

PAID = Call("openai", "gpt-4o", 10, 0, 0, 0, 7, None, "reported")


def test_an_event_adds_to_its_hour_day_week_and_month() -> None:
    log = Writer()
    tokens = {
        "input_tokens": 1200,
        "output_tokens": 80,
        "cache_read_tokens": 7,
        "cache_creation_tokens": 3,
    }
    log.call("0.0123", time="2026-03-01T23:30", **tokens)
    starts = {}
    for period in ("hour", "day", "week", "month"):
        body = usage_report(log.view, "t1", period=period)
        [bucket] = body["buckets"]
        starts[period] = (bucket.pop("start"), bucket.pop("end"))
        assert bucket.pop("group") is None
        assert bucket == body["total"] == {
            "calls": 1,
            **tokens,
            "cost_usd": "0.0123",
            "reported_usd": "0",
            "computed_usd": "0.0123",
            "adjusted_usd": "0",
            "unpriced_calls": 0,
            "late_events": 0,
            "runs": 0,
            "runs_by_state": dict.fromkeys(STATES, 0),
            "run_seconds": 0.0,
            "memory_byte_hours": 0.0,
            "embeddings": 0,
        }  # fmt: skip
    assert starts == {
        "hour": ("2026-03-01T23:00:00.000000Z", "2026-03-02T00:00:00.000000Z"),
        "day": ("2026-03-01T00:00:00.000000Z", "2026-03-02T00:00:00.000000Z"),
        "week": ("2026-02-23T00:00:00.000000Z", "2026-03-02T00:00:00.000000Z"),
        "month": ("2026-03-01T00:00:00.000000Z", "2026-04-01T00:00:00.000000Z"),
    }


@pytest.mark.parametrize(
    ("reported", "computed", "reported_usd", "computed_usd", "unpriced"),
    [
        (None, "1.5", "0", "1.5", 0),
        (2_000_000_000, "1.5", "2", "0", 0),
        (0, "1.5", "0", "0", 0),
        (None, "0", "0", "0", 0),
        (0, None, "0", "0", 0),
        (None, None, "0", "0", 1),
    ],
)
def test_reported_cost_wins_and_no_cost_is_unpriced(
    reported: int | None,
    computed: str | None,
    reported_usd: str,
    computed_usd: str,
    unpriced: int,
) -> None:
    log = Writer()
    log.call(computed, reported=reported)
    total = usage_report(log.view, "t1")["total"]
    found = total["reported_usd"], total["computed_usd"], total["unpriced_calls"]
    assert found == (reported_usd, computed_usd, unpriced)


@pytest.mark.parametrize(
    ("now", "late"),
    [
        # the hour ends at 12:00, the grace of 24 hours a day later
        ("2026-03-03T12:00:00", []),
        ("2026-03-03T12:00:00.000001Z", ["hour"]),
        ("2026-03-04T00:00:00", ["hour"]),
        ("2026-03-04T00:00:00.000001Z", ["hour", "day"]),
        ("2026-05-01", ["hour", "day", "week", "month"]),
    ],
)
def test_late_is_past_end_and_grace(now: str, late: list[str]) -> None:
    log = Writer(now=now)
    for _ in range(2):
        log.call("1", time="2026-03-02T11:30")
    noted = [data(o)["details"]["period"] for o in log.outputs if o.type == "event.late"]
    assert noted == late  # once, though two events were late
    for period in ("hour", "day", "week", "month"):
        total = usage_report(log.view, "t1", period=period)["total"]
        assert total["late_events"] == (2 if period in late else 0)


def test_a_late_event_is_told_with_its_period() -> None:
    log = Writer(now="2026-03-03T13")
    [record] = log.call("1", time="2026-03-02T11:30")
    assert (record.topic, record.tenant, record.subject) == (
        "tenant.audit.v1",
        "t1",
        "hour/2026-03-02T11:00:00.000000Z",
    )
    assert data(record) == {
        "action": "event.late",
        "tenant": "t1",
        "at": "2026-03-03T13:00:00.000000Z",
        "actor": "/test",
        "target": {"kind": "period", "id": "hour/2026-03-02T11:00:00.000000Z"},
        "outcome": "done",
        "error": None,
        "details": {
            "period": "hour",
            "period_start": "2026-03-02T11:00:00.000000Z",
            "period_end": "2026-03-02T12:00:00.000000Z",
            "timezone": "UTC",
        },
    }


def test_hostile_sums_go_past_64_bits() -> None:
    log = Writer()
    for _ in range(3):
        log.call(None, reported=10**18, input_tokens=2**53)
    for _ in range(10):
        log.call(None, reported=10**18, input_tokens=2**62, time=at("2026-03-02T11"))
    total = usage_report(log.view, "t1")["total"]
    assert total["cost_usd"] == "13000000000"
    assert total["input_tokens"] == 3 * 2**53 + 10 * 2**62


def run(log: Writer, run_id: str, call: Call | None = None, time: str | None = None) -> int:
    return len(log.append(JobRun(run_id, "ns", "j", "START", call=call), time=time))


def test_a_run_counts_in_the_periods_of_its_first_event() -> None:
    log = Writer()
    run(log, "a", time="2026-03-02T10")
    run(log, "a", PAID, time="2026-03-02T09")
    run(log, "b", PAID, time="2026-03-02T09")
    buckets = usage_report(log.view, "t1", period="hour")["buckets"]
    assert [(b["calls"], b["runs"], b["late_events"]) for b in buckets] == [(2, 1, 0), (0, 1, 0)]
    assert usage_report(log.view, "t1")["total"]["runs"] == 2


def test_a_run_without_a_call_spends_nothing() -> None:
    log = Writer()
    assert run(log, "a") == 0
    assert {key[:2] for key in log.view.rows if key[:1].islower()} == {b"u/", b"d/", b"p/"}


def test_a_late_run_is_one_late_event() -> None:
    for call in (None, PAID):
        log = Writer()
        run(log, "old", call, time="2026-02-01")
        total = usage_report(log.view, "t1", period="hour")["total"]
        assert (total["runs"], total["late_events"]) == (1, 1)
        noted = [output for output in log.outputs if output.type == "event.late"]
        assert len(noted) == 4


def test_sums_reach_the_rows_when_they_are_settled_whatever_came_between() -> None:
    """The late one, and the second of two scopes, meet rows that are not written yet."""
    log = Writer()
    for time, agent in (("2026-03-02T11", "a"), ("2026-03-02T11", "b"), ("2026-02-01", "a")) * 3:
        log.call("1", time=time, agent=agent)
    view = MemoryView(stored=True)
    outputs = []
    for entry in log.entries:
        outputs += fold_message(view, entry, entry.record.body)
        assert not any(key.startswith(b"u/") for key in view.rows)
    settle(view)
    assert not view.deferred
    assert {k: v for k, v in view.rows.items() if k[:2] in (b"u/", b"p/")} == {
        k: v for k, v in log.view.rows.items() if k[:2] in (b"u/", b"p/")
    }
    assert sum(output.type == "event.late" for output in outputs) == 4
