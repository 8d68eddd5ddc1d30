"""When a budget fires, once, and what it says."""

from uuid import NAMESPACE_URL, uuid5

import pytest

from streams.usage.alerts import CORRECTED, CROSSED, EXCEEDED, RECOVERED
from usage.writer import Writer, data, told


@pytest.mark.parametrize(
    ("costs", "expected"),
    [
        (["49.999999999"], []),
        (["50"], [(CROSSED, 50)]),
        (["49.999999999", "0.000000001"], [(CROSSED, 50)]),
        (["79", "1"], [(CROSSED, 50), (CROSSED, 80)]),
        (["100"], [(CROSSED, 50), (CROSSED, 80), (CROSSED, 100)]),
        (["100", "0.000000001"], [(CROSSED, 50), (CROSSED, 80), (CROSSED, 100), (EXCEEDED, None)]),
        (["60", "60", "60"], [(CROSSED, 50), (CROSSED, 80), (CROSSED, 100), (EXCEEDED, None)]),
    ],
)
def test_the_default_budget_fires_once_in_order(
    costs: list[str], expected: list[tuple[str, int | None]]
) -> None:
    log = Writer()
    for cost in costs:
        log.call(cost)
    assert told(log.outputs) == expected


def test_an_alert_says_all_of_the_contract() -> None:
    log = Writer(now="2026-03-02T12")
    [alert] = log.call("80.5", time="2026-03-02T11")[1:]
    parts = ("t1", "default", "2026-03-02T00:00:00.000000Z", CROSSED, "80", "1")
    name = "\n".join(parts)
    alert_id = str(uuid5(uuid5(NAMESPACE_URL, "urn:agent-streams"), name))
    assert (alert.topic, alert.tenant, alert.type) == ("budget.alerts.v1", "t1", CROSSED)
    assert (alert.id, alert.subject) == (alert_id, "default")
    assert data(alert) == {
        "alert_id": alert_id,
        "type": CROSSED,
        "tenant": "t1",
        "budget_id": "default",
        "revision": 1,
        "period_start": "2026-03-02T00:00:00.000000Z",
        "period_end": "2026-03-03T00:00:00.000000Z",
        "timezone": "UTC",
        "threshold_percent": 80,
        "limit_usd": "100",
        "spent_usd": "80.5",
        "forecast_usd": None,
        "unpriced_calls": 0,
        "late": False,
        "severity": "warning",
        "cause": {"source": "/test", "id": "e0"},
        "at": "2026-03-02T12:00:00.000000Z",
    }


@pytest.mark.parametrize(
    ("threshold", "severity"),
    [(79, "info"), (80, "warning"), (99, "warning"), (100, "critical"), (150, "critical")],
)
def test_severity(threshold: int, severity: str) -> None:
    log = Writer()
    log.budget("1", thresholds=[threshold])
    first, *rest = log.call("2")
    assert data(first)["severity"] == severity
    assert [data(o)["severity"] for o in rest] == ["critical"]  # exceeded


def test_each_period_fires_again_and_a_late_one_says_so() -> None:
    log = Writer(now="2026-03-02T12")
    log.call("60")
    log.tick("2026-03-03T12")
    assert told(log.call("60")) == [(CROSSED, 50)]
    log.tick("2026-03-04T00:00:00.000001Z")
    late = log.call("30", time="2026-03-02T10")
    assert told(late) == [(CROSSED, 80), (CORRECTED, None)]
    assert [data(o)["late"] for o in late if o.topic == "budget.alerts.v1"] == [True, True]


def test_a_scope_is_the_and_of_its_pairs() -> None:
    log = Writer()
    log.delete()
    log.budget("1", budget_id="b", scope={"agent": "a", "model": "gpt-4o"}, thresholds=[100])
    assert told(log.call("1", agent="a", model="other")) == []
    assert told(log.call("1", agent="", model="gpt-4o")) == []
    assert told(log.call("1", agent="a")) == [(CROSSED, 100)]


def test_a_scope_with_an_empty_value_is_what_has_none() -> None:
    log = Writer()
    log.budget("1", budget_id="b", scope={"agent": ""}, thresholds=[100])
    assert told(log.call("1", agent="a")) == []
    assert told(log.call("1")) == [(CROSSED, 100)]


def test_the_budgets_day_is_that_of_its_own_zone() -> None:
    log = Writer(now="2026-03-02T17")
    log.budget("10", timezone="Asia/Kolkata", thresholds=[100])
    assert told(log.call("5", time="2026-03-02T18:29")) == []
    assert told(log.call("5", time="2026-03-02T18:30")) == []
    [alert] = log.call("5", time="2026-03-02T18:00")
    assert data(alert)["period_start"] == "2026-03-01T18:30:00.000000Z"
    assert data(alert)["timezone"] == "Asia/Kolkata"


def test_the_default_limit_follows_the_configuration() -> None:
    log = Writer()
    log.config(default_budget="10")
    assert told(log.call("6")) == [(CROSSED, 50)]
    log.config(default_budget="100")
    back = log.call("1")
    assert told(back) == [(RECOVERED, 50)]
    assert data(back[0])["revision"] == 2
    log.config(default_budget="100")
    assert log.call("1") == []


def test_unpriced_calls_are_counted_not_free_of_mention() -> None:
    log = Writer()
    log.call(None)
    [alert] = log.call("60")
    assert (data(alert)["unpriced_calls"], data(alert)["spent_usd"]) == (1, "60")
