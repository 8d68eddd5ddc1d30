"""usage.adjust counts in the periods and the budgets of the time that it is for."""

from typing import Any

from streams.core.log import UsageAdjust
from streams.core.money import parse_usd
from streams.usage.read import budgets, usage_report
from usage.writer import Writer, at, data, told


def adjust(log: Writer, usd: str, time: str, model: str = "", project: str = "") -> list[Any]:
    amount = -parse_usd(usd[1:]) if usd[0] == "-" else parse_usd(usd)
    return log.append(UsageAdjust(amount, at(time), model, project, "why"))


def test_an_adjustment_is_part_of_the_cost_of_its_periods() -> None:
    """Pitfall 10: what is wrong in a closed period is corrected there, in the open."""
    log = Writer(now="2026-03-02T12")
    log.call("10", time="2026-02-01T12", cost_attribution="a")
    [said, *_] = adjust(log, "-2.5", "2026-02-01T23:30", "gpt-4o", "a")
    for period, count in (("day", 1), ("month", 1), ("hour", 2)):
        body = usage_report(log.view, "t1", period=period)
        assert len(body["buckets"]) == count
        total = body["total"]
        assert (total["cost_usd"], total["adjusted_usd"], total["computed_usd"]) == (
            "7.5",
            "-2.5",
            "10",
        )
        assert (total["calls"], total["late_events"]) == (1, 1)  # the call was late, this is not
    [bucket] = usage_report(log.view, "t1", group_by="cost_attribution")["buckets"]
    assert (bucket["group"], bucket["cost_usd"]) == ({"cost_attribution": "a"}, "7.5")
    assert said.type == "usage.adjusted"
    assert data(said)["details"] == {
        "amount_usd": "-2.5",
        "at": "2026-02-01T23:30:00.000000Z",
        "model": "gpt-4o",
        "cost_attribution": "a",
        "reason": "why",
    }


def test_an_adjustment_goes_into_the_budgets_that_it_falls_under() -> None:
    log = Writer(now="2026-03-02T12")
    log.budget("10", budget_id="all", thresholds=[100])
    log.budget("10", budget_id="m", thresholds=[100], scope={"model": "other"})
    assert told(adjust(log, "10", "2026-03-02T11")) == [("budget.threshold.crossed", 100)]
    adjust(log, "1", "2026-03-01T11", model="other")
    spent = {
        item["config"]["budget_id"]: item["spent_usd"]
        for item in budgets(log.view, "t1", log_time=log.log_time)
    }
    assert spent == {"all": "10", "m": "0"}
    assert told(adjust(log, "-0.000000001", "2026-03-02T11")) == [("budget.recovered", 100)]
