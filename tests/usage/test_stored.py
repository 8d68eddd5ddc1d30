"""Byte-hours of projects: split at the bounds of periods, and bounded in each tick."""

from typing import Any

import msgspec
import pytest

from streams.core.fold import settle
from streams.core.held import HeldRow, hold
from streams.core.log import Content, Message, StateSet, Tick, Vector
from streams.core.time import HOUR, SECOND, format_time, parse_time
from streams.memory.bytes import used_bytes
from streams.usage import stored
from streams.usage.read import usage_report
from streams.usage.rows import ExtraRow
from usage.writer import Writer, at

CONTENT = Content("hello", 2, (), None, None, None, (), None, "m1", None)


def remember(log: Writer, project: str, text: str = "hello", **rest: Any) -> None:
    content = Content(text, 2, (), None, None, None, (), None, "m1", None, ("cost_attribution",))
    log.append(Message("a1", "", project, "", None, content), **rest)


def report(log: Writer, period: str = "hour", **query: Any) -> dict[str, Any]:
    return usage_report(log.view, "t1", period=period, log_time=log.log_time, **query)


def by_start(log: Writer, period: str) -> dict[int, float]:
    return {
        parse_time(bucket["start"]): bucket["memory_byte_hours"]
        for bucket in report(log, period)["buckets"]
    }


@pytest.mark.parametrize("ticks", [[], ["2026-03-01T19:10"], ["2026-03-01T18:40", "2026-03-01T19"]])
def test_byte_hours_are_split_at_the_bounds_of_the_tenants_periods(ticks: list[str]) -> None:
    """Whatever the ticks have counted, a report is exact at its log time."""
    log = Writer(now="2026-03-01T18:10")
    log.zone("Asia/Kolkata")
    remember(log, "a")
    size = used_bytes(log.view, "t1")
    for now in ticks:
        log.tick(now)
    log.tick("2026-03-01T20:00")
    assert by_start(log, "hour") == {
        at("2026-03-01T17:30"): size / 3,
        at("2026-03-01T18:30"): size,
        at("2026-03-01T19:30"): size / 2,
    }
    # In Kolkata the second day of March begins at 18:30 of the first, UTC.
    assert by_start(log, "day") == {
        at("2026-02-28T18:30"): size / 3,
        at("2026-03-01T18:30"): size * 1.5,
    }
    total = report(log)["total"]
    assert total["memory_byte_hours"] == size * 110 / 60
    assert (total["calls"], total["embeddings"]) == (0, 0)


def test_a_project_sees_what_its_memory_costs() -> None:
    log = Writer(now="2026-03-02T12")
    remember(log, "a")
    one = used_bytes(log.view, "t1")
    log.now += HOUR
    remember(log, "project-b", "hello again")  # the same memory: its bytes are another's now
    both = used_bytes(log.view, "t1")
    log.append(StateSet("agent", "key", b"12345", None, None))
    state = used_bytes(log.view, "t1") - both
    log.tick("2026-03-02T15")
    groups = {
        bucket["group"]["cost_attribution"]: bucket["memory_byte_hours"]
        for bucket in report(log, "month", group_by="cost_attribution")["buckets"]
    }
    assert groups == {"a": one, "project-b": 2 * both, "": 2 * state}


def test_a_tick_counts_some_projects_some_hours_further() -> None:
    log = Writer(now="2026-03-02T12")
    log.tick("2026-03-02T12")
    for n in range(100):
        hold(log.view, "t1", f"p{n:03}", 1_000, log.now)
    log.now = at("2026-03-04T12")  # nobody was there for two days
    expected = 100 * 1_000 * 48
    most, ticks = 0, 0
    for _ in range(100):
        log.view.changes = 0
        log.now += SECOND
        log.tick(format_time(log.now))
        most = max(most, log.view.changes)
        ticks += 1
        total = report(log, "day")["total"]["memory_byte_hours"]
        assert total == pytest.approx(expected + 100 * 1_000 * ticks / 3600)
        if all(row.since == at("2026-03-04T12") for _, row in log.view.scan(HeldRow, HeldRow.kind)):
            break
    assert ticks == 8 * 4  # 48 hours, six at once; 100 projects, 30 at once
    assert most <= stored.AT_ONCE * (4 * stored.HOURS_AT_ONCE + 4)


def test_what_is_embedded_is_counted_for_its_project() -> None:
    log = Writer(now="2026-03-02T12")
    vector = Vector("m", 1.0, b"\x01")
    embedded = Content("hello", 2, (), None, None, None, (), None, "m2", None, (), vector)
    log.append(Message("a1", "", "a", "eu-1", None, embedded))
    log.append(Message("a1", "", "b", "", None, CONTENT))
    [bucket] = report(log, "day", group_by="cost_attribution", end=at("2026-03-03"))["buckets"][:1]
    assert (bucket["group"], bucket["embeddings"]) == ({"cost_attribution": "a"}, 1)
    assert report(log)["total"]["embeddings"] == 1
    late = log.append(Message("a1", "", "a", "", None, embedded), time="2026-02-01")
    assert [output.type for output in late].count("event.late") == 4
    settle(log.view)
    assert report(log, "day")["total"]["late_events"] == 1


def test_sums_past_64_bits_are_kept() -> None:
    log = Writer(now="2026-03-02T12")
    log.tick("2026-03-02T12")
    hold(log.view, "t1", "a", 1 << 50, log.now)
    log.tick("2026-03-02T14")
    [month] = [row for key, row in log.view.scan(ExtraRow, b"d/t1\x00m")]
    assert month.byte_micros == (1 << 50) * 2 * HOUR


def test_what_projects_hold_is_what_the_tenant_takes() -> None:
    log = Writer(now="2026-03-02T12")
    for n in range(12):
        content = msgspec.structs.replace(CONTENT, text="x" * n, memory_id=f"m{n % 5}")
        given = msgspec.structs.replace(content, given=("cost_attribution",))
        log.append(Message("a1", "", "abc"[n % 3], "", None, given))
        log.append(StateSet("agent", f"k{n % 4}", b"1" * n, None, 1))
        log.now += 700 * SECOND
        log.append(Tick(), tenant="")
    held = sum(
        row.used + sum(change for _, change, _ in row.steps)
        for _, row in log.view.scan(HeldRow, HeldRow.kind)
    )
    assert held == used_bytes(log.view, "t1") > 0
