"""One statement a tenant and month, after the month's end and grace, with the totals of then."""

from typing import Any

import pytest

from streams.core.fold import settle
from streams.core.held import hold
from streams.core.log import Tick
from streams.usage import statements
from streams.usage.read import usage_report
from usage.writer import Writer, data


def statements_of(outputs: list[Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (output.tenant, data(output)["details"])
        for output in outputs
        if output.type == "usage.statement"
    ]


def test_a_statement_is_sent_once_after_the_end_and_the_grace() -> None:
    log = Writer(now="2026-02-27T12")
    log.call("1.5", time="2026-02-27T12")
    log.call("2", time="2026-02-28T12", tenant="t2")
    assert not log.tick("2026-03-01T12")
    log.call("0.25", time="2026-02-28T23:59:59")
    log.call("9", time="2026-03-01")
    assert not log.tick("2026-03-02T00:00:00")
    found = log.tick("2026-03-02T00:00:00.000001Z")
    assert [tenant for tenant, _ in statements_of(found)] == ["t1", "t2"]
    said = data(found[0])
    [month] = usage_report(log.view, "t1", period="month")["buckets"][:1]
    sums = {name: value for name, value in month.items() if name not in ("start", "end", "group")}
    assert sums["cost_usd"] == "1.75"
    assert {name: said["details"][name] for name in sums} == sums
    assert said["target"] == {"kind": "period", "id": "month/2026-02-01T00:00:00.000000Z"}
    assert (said["actor"], said["tenant"]) == ("/agent-streams", "t1")
    late = log.call("1", time="2026-02-28")
    assert "event.late" in [output.type for output in late]
    assert usage_report(log.view, "t1", period="month")["buckets"][0]["cost_usd"] == "2.75"
    assert not statements_of(log.tick("2026-03-03T12"))


def test_a_month_is_that_of_the_tenants_zone() -> None:
    """Pitfall 6."""
    log = Writer(now="2026-02-10T12")
    log.zone("Asia/Kolkata")
    log.call("1")
    assert not log.tick("2026-03-01T18:30:00")
    [(_, said)] = statements_of(log.tick("2026-03-01T18:30:00.000001Z"))
    assert (said["timezone"], said["period_end"]) == (
        "Asia/Kolkata",
        "2026-02-28T18:30:00.000000Z",
    )


def test_a_month_that_is_loaded_afterwards_is_stated_whole() -> None:
    log = Writer(now="2026-05-10T12")
    log.call("1", time="2026-02-10T12")
    assert not statements_of(log.tick("2026-05-10T13"))
    log.call("1", time="2026-02-11T12")
    assert not statements_of(log.tick("2026-05-11T12"))
    [(_, said)] = statements_of(log.tick("2026-05-11T12:00:00.000001Z"))
    assert (said["calls"], said["late_events"]) == (2, 2)
    log.call("1", time="2026-02-12T12")
    assert not statements_of(log.tick("2026-05-20"))


def test_a_tick_adds_up_some_rows_for_some_tenants(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statements, "AT_ONCE", 2)
    monkeypatch.setattr(statements, "ROWS_AT_ONCE", 5)
    log = Writer(now="2026-02-10T12")
    for tenant in ("t1", "t2", "t3", "t4"):
        for n in range(7 if tenant == "t2" else 1):
            log.call("1", tenant=tenant, agent=f"a{n}")
    log.now += 30 * 86_400 * 1_000_000
    found = []
    for _ in range(8):
        log.view.changes = 0
        found.append([(t, d["calls"]) for t, d in statements_of(log.append(Tick(), tenant=""))])
        assert log.view.changes <= 12
    assert [each for tick in found for each in tick] == [("t1", 1), ("t2", 7), ("t3", 1), ("t4", 1)]
    assert max(len(tick) for tick in found) <= 2


def test_a_statement_waits_for_what_is_stored() -> None:
    log = Writer(now="2026-02-10T12")
    log.tick("2026-02-10T12:00:01")
    hold(log.view, "t1", "a", 1_000, log.now)
    found = []
    for day in range(9, 20):  # nobody was there for weeks
        for hour in range(10):
            found += statements_of(log.tick(f"2026-03-{day:02}T{hour:02}:00:00.000000Z"))
    settle(log.view)
    [(tenant, said)] = found
    february = usage_report(log.view, "t1", period="month", log_time=log.log_time)["buckets"][0]
    assert tenant == "t1"
    assert said["memory_byte_hours"] == february["memory_byte_hours"] > 1_000 * 24 * 18
