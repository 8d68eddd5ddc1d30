"""budget.set and budget.delete: revisions, what is kept, what begins anew, what is bounded."""

from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.time import HOUR
from streams.usage import budget_commands
from streams.usage.read import budgets
from streams.usage.rows import ROWS, SpendRow
from usage.memory_view import MemoryView
from usage.writer import Writer, data, told

CROSSED, EXCEEDED, RECOVERED = (
    "budget.threshold.crossed",
    "budget.exceeded",
    "budget.recovered",
)


def shown(log: Writer, budget_id: str = "default") -> dict[str, Any]:
    [item] = [
        item
        for item in budgets(log.view, "t1", log_time=log.log_time)
        if item["config"]["budget_id"] == budget_id
    ]
    return item


@pytest.mark.parametrize(
    ("change", "revision"),
    [
        ({}, 1),
        ({"thresholds": [100, 80, 50]}, 1),
        ({"forecast": False}, 1),
        ({"limit": "100.0"}, 1),
        ({"limit": "99"}, 2),
        ({"thresholds": [50]}, 2),
        ({"period": "hour"}, 2),
        ({"timezone": "Asia/Kolkata"}, 2),
        ({"scope": {"agent": "a"}}, 2),
    ],
)
def test_revision_rises_with_real_changes_only(change: dict[str, Any], revision: int) -> None:
    for name in ("default", "b"):
        log = Writer()
        log.budget("100", budget_id=name)
        again = {"limit": "100", **change}
        [record] = log.budget(again.pop("limit"), budget_id=name, **again)
        assert data(record)["details"]["revision"] == shown(log, name)["revision"] == revision


def test_a_limit_raised_keeps_the_figure_and_recovers() -> None:
    log = Writer()
    log.budget("40")
    log.call("47.6")
    audit, *alerts = log.budget("90")
    assert audit.type == "budget.set"
    assert told(alerts) == [(RECOVERED, 80), (RECOVERED, 100), (CROSSED, 50)]
    assert {data(o)["revision"] for o in alerts} == {3}
    assert {data(o)["cause"]["id"] for o in alerts} == {"e2"}
    assert (shown(log)["spent_usd"], shown(log)["fired"]) == ("47.6", [50])
    assert told(log.call("40")) == [(CROSSED, 80)]


def test_a_limit_lowered_fires_at_once() -> None:
    log = Writer()
    log.call("60")
    assert told(log.budget("40")) == [
        (CROSSED, 50),
        (CROSSED, 80),
        (CROSSED, 100),
        (EXCEEDED, None),
    ]
    assert log.budget("40")[1:] == []


@pytest.mark.parametrize(
    ("now", "days"),
    [
        ("2026-03-03", ["2026-03-01", "2026-03-02"]),
        ("2026-03-03T00:00:00.000001Z", ["2026-03-02"]),
    ],
)
def test_only_open_periods_are_evaluated(now: str, days: list[str]) -> None:
    log = Writer(now="2026-03-01T12")
    log.call("60")
    log.tick("2026-03-02T12")
    log.call("60")
    log.tick(now)
    alerts = log.budget("200")[1:]
    assert told(alerts) == [(RECOVERED, 50)] * len(days)
    assert [data(o)["period_start"][:10] for o in alerts] == days


def test_a_new_period_zone_or_scope_begins_anew() -> None:
    log = Writer()
    log.budget("40", time="2026-03-02T10")
    assert shown(log)["counted_since"] == "2026-03-02T10:00:00.000000Z"
    log.call("30")
    alerts = log.budget("40", period="week", time="2026-03-02T11")[1:]
    assert told(alerts) == [(RECOVERED, 50)]
    assert data(alerts[0])["spent_usd"] == "0"
    item = shown(log)
    assert (item["spent_usd"], item["fired"]) == ("0", [])
    assert item["counted_since"] == "2026-03-02T11:00:00.000000Z"
    assert not list(log.view.scan(SpendRow, SpendRow.kind))  # the old figures went
    # A budget counts from its command on in the order of the log, whatever the event's time.
    assert told(log.call("30", time="2026-03-02T09")) == [(CROSSED, 50)]


def test_delete_and_set_begin_anew_but_the_revision_goes_on() -> None:
    log = Writer()
    log.budget("10", budget_id="b", thresholds=[50])
    first = log.call("6")
    assert [data(o)["outcome"] for o in log.delete("b")] == ["done"]
    assert log.call("6") == []
    assert budgets(log.view, "t1", log_time=0) == []
    log.budget("10", budget_id="b", thresholds=[50])
    again = log.call("6")
    assert told(first) == told(again) == [(CROSSED, 50)]
    assert [data(o)["revision"] for o in (*first, *again)] == [1, 2]
    assert first[0].id != again[0].id


def test_the_default_budget_can_be_replaced_and_removed() -> None:
    log = Writer()
    log.budget("1000")
    assert log.call("150") == []
    log.delete()
    assert (log.call("9000"), budgets(log.view, "t1", log_time=log.log_time)) == ([], [])
    log.budget("100")
    assert shown(log)["revision"] == 3


def test_the_default_budget_ends_with_the_first_one_set() -> None:
    log = Writer()
    log.call("40")
    log.budget("1000", budget_id="b")
    assert log.call("400") == []
    assert [data(o)["outcome"] for o in log.delete("default")] == ["rejected"]
    assert [i["config"]["budget_id"] for i in budgets(log.view, "t1", log_time=0)] == ["b"]
    log.budget("100")
    assert [i["spent_usd"] for i in budgets(log.view, "t1", log_time=log.log_time)] == ["400", "0"]
    assert shown(log)["revision"] == 2


@pytest.mark.parametrize("deleted_before", [False, True])
def test_deleting_what_is_not_there_is_rejected(deleted_before: bool) -> None:
    log = Writer()
    if deleted_before:
        log.budget(budget_id="b")
        log.delete("b")
    [record] = log.delete("b")
    found = data(record)
    assert (record.type, found["outcome"], found["error"]) == (
        "budget.deleted",
        "rejected",
        "not_found",
    )
    assert found["target"] == {"kind": "budget", "id": "b"}


def test_budget_set_leaves_its_configuration_in_the_audit() -> None:
    log = Writer()
    [record] = log.budget("40.50", budget_id="b", thresholds=[80, 50, 80], scope={"model": "m"})
    assert record.subject == "b"
    assert data(record)["details"] == {
        "budget_id": "b",
        "limit_usd": "40.5",
        "period": "day",
        "timezone": "UTC",
        "thresholds": [50, 80],
        "forecast": True,
        "scope": {"model": "m"},
        "revision": 1,
        "counted_since": "2026-03-02T12:00:00.000000Z",
    }


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"timezone": "Mars/Olympus"}, "unknown_timezone"),
        ({"period": "year"}, "unknown_period"),
        ({"scope": {"colour": "red"}}, "unknown_scope"),
    ],
)
def test_what_admit_would_not_let_through_never_stops_a_fold(
    fields: dict[str, Any], error: str
) -> None:
    log = Writer()
    [record] = log.budget(budget_id="b", **fields)
    assert (data(record)["outcome"], data(record)["error"]) == ("rejected", error)
    assert [i["config"]["budget_id"] for i in budgets(log.view, "t1", log_time=0)] == ["default"]


def test_the_work_of_one_record_is_bounded() -> None:
    """As many budgets as may be, all firing at once, then changed with many periods open."""
    log = Writer(MemoryView())
    outcomes = []
    for number in range(60):
        [record] = log.budget("1", budget_id=f"b{number}", thresholds=range(1, 11))
        outcomes.append(data(record)["error"])
    assert outcomes.count(None) == 40
    assert set(outcomes[40:]) == {"too_many_budgets"}
    log.view.changes = 0
    log.call("2", agent="a" * 256)
    assert 480 < log.view.changes < 1_000

    log = Writer(MemoryView(), now="2026-03-01")
    log.config(grace_hours=2_000)
    log.budget("1", period="hour", thresholds=range(1, 11))
    for _ in range(300):
        log.now += 3_600_000_000
        log.call("2")
    log.view.changes = 0
    log.budget("0.5", period="hour", thresholds=range(1, 11))
    assert log.view.changes < 1_000
    log.view.changes = 0
    log.budget("0.5", period="day", thresholds=range(1, 11))
    assert log.view.changes < 1_000


@pytest.mark.parametrize("used", [False, True])
def test_the_default_budget_counts_before_its_first_call_too(used: bool) -> None:
    log = Writer()
    if used:
        log.call("1")
    with patch.object(budget_commands, "MAX_ALERTS", 13):
        [record] = log.budget(budget_id="b")
    found = data(record)
    assert found["error"] == "too_many_budgets"
    # Who waits for a command is shown the detail (streams/web/waiting.py).
    assert found["details"]["detail"].startswith("a tenant's budgets may have 13 thresholds")


def test_no_row_kind_has_the_prefix_of_another() -> None:
    kinds = [row.kind for row in ROWS]
    assert len(set(kinds)) == len(kinds)
    assert {len(kind) for kind in kinds} == {2}


@settings(max_examples=40, deadline=None)
@given(
    changes=st.integers(1, 40),
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("call"), st.integers(0, 9), st.sampled_from(("4", "9", "20"))),
            st.tuples(st.just("limit"), st.just(0), st.sampled_from(("5", "10", "40"))),
        ),
        min_size=5,
        max_size=30,
    ),
)
def test_what_is_too_much_for_one_record_is_made_good_when_next_touched(
    changes: int, steps: list[tuple[str, int, str]]
) -> None:
    """With few periods evaluated at once, each one comes to the same as with all of them."""
    rows = []
    for bound in (changes, 10_000):
        with patch.object(budget_commands, "MAX_CHANGES", bound):
            log = Writer()
            log.budget("10", period="hour")
            for what, hour, figure in steps:
                if what == "call":
                    log.call(figure, time=log.now - hour * HOUR)
                else:
                    log.budget(figure, period="hour")
            for hour in range(10):
                log.call("0", time=log.now - hour * HOUR)
        found = log.view.scan(SpendRow, SpendRow.kind)
        rows.append([(key, r.revision, r.spent, r.calls, r.fired, r.exceeded) for key, r in found])
    assert rows[0] == rows[1]
