"""A run is counted once, under the state that it has now, whatever order its events come in."""

from itertools import permutations
from typing import Any

import pytest

from streams.core.log import Call, JobRun
from streams.core.time import HOUR
from streams.usage.read import usage_report
from usage.writer import Writer, at

NOON = at("2026-03-02T12")


def event(log: Writer, state: str | None, time: int, run_id: str = "r", **fields: Any) -> None:
    log.append(JobRun(run_id, "ns", "job", state, **fields), time=time)


def sums(log: Writer, period: str = "day") -> list[tuple[str, dict[str, int], float]]:
    body = usage_report(log.view, "t1", period=period)
    for bucket in body["buckets"]:
        assert sum(bucket["runs_by_state"].values()) == bucket["runs"]
    return [
        (b["start"][8:13], {k: n for k, n in b["runs_by_state"].items() if n}, b["run_seconds"])
        for b in body["buckets"]
    ]


def test_a_run_moves_from_state_to_state_where_it_began() -> None:
    log = Writer(now="2026-03-03T12")
    event(log, "START", NOON)
    assert sums(log) == [("02T00", {"START": 1}, 0)]
    event(log, "RUNNING", NOON + 1)
    assert sums(log) == [("02T00", {"RUNNING": 1}, 0)]
    # It ends on the next day, and counts in the day and for the project of its first event.
    event(log, "COMPLETE", NOON + 13 * HOUR, cost_attribution="other")
    assert sums(log) == [("02T00", {"COMPLETE": 1}, 13 * 3600)]
    assert sums(log, "hour") == [("02T12", {"COMPLETE": 1}, 13 * 3600)]
    # A late event tells of an end that came before.
    event(log, "FAIL", NOON + 90 * 1_000_000)
    assert sums(log) == [("02T00", {"FAIL": 1}, 90)]


def test_repeating_an_event_changes_nothing() -> None:
    log = Writer(now="2026-03-03T12")
    for _ in range(3):
        event(log, "START", NOON)
        event(log, "ABORT", NOON + HOUR)
    assert sums(log) == [("02T00", {"ABORT": 1}, 3600)]


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_the_order_of_events_decides_only_where_a_run_is_counted(order: tuple[int, ...]) -> None:
    events = [("START", 0), ("RUNNING", 1), ("FAIL", 2), ("COMPLETE", 3)]
    log = Writer(now="2026-03-03T12")
    for place in order:
        state, hours = events[place]
        event(log, state, NOON + hours * HOUR)
    assert sums(log) == [("02T00", {"FAIL": 1}, 7200)]
    assert sums(log, "hour")[0][0] == f"02T{12 + events[order[0]][1]}"


def test_a_run_stays_in_its_periods_when_the_zone_changes() -> None:
    log = Writer(now="2026-03-03T12")
    event(log, "START", NOON)
    log.zone("Asia/Kolkata")
    event(log, "COMPLETE", NOON + HOUR)
    for period in ("hour", "day", "week", "month"):
        [(_, states, seconds)] = sums(log, period)
        assert (states, seconds) == ({"COMPLETE": 1}, 3600)


def test_runs_of_many_are_counted_beside_their_calls() -> None:
    log = Writer(now="2026-03-03T12")
    call = Call("openai", "gpt-4o", 1, 1, 0, 0, 5, None, "reported")
    for n, state in enumerate(("START", "COMPLETE", "COMPLETE", None)):
        event(log, state, NOON, f"r{n}", call=call)
    assert sums(log) == [("02T00", {"START": 1, "COMPLETE": 2, "OTHER": 1}, 0)]
    assert usage_report(log.view, "t1")["total"]["calls"] == 4
