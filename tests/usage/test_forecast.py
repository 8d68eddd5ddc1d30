"""When a forecast is above the limit: once, exactly, and never for what is over."""

from typing import Any

import pytest

from streams.usage.alerts import CROSSED, EXCEEDED, FORECAST
from usage.writer import Writer, data, told

DAY = "2026-03-02"


def log_of(limit: str, **fields: Any) -> Writer:
    """A budget that counts since long before the day."""
    log = Writer(now="2026-03-01")
    log.budget(limit, thresholds=[100], **fields)
    return log


def play(log: Writer, *calls: tuple[str, str]) -> list[tuple[str, int | None]]:
    """Calls of (time of the day, cost)."""
    found = []
    for time, cost in calls:
        log.tick(DAY + time)
        found += told(log.call(cost))
    return found


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        # A quarter of the day: four times as much to come, which may be the limit but not above.
        ([("T01", "5"), ("T02", "5"), ("T06", "15")], []),
        ([("T01", "5"), ("T02", "5"), ("T06", "15.000000001")], [(FORECAST, None)]),
        # Two calls are too few, and so is less than a tenth of the day (2:24).
        ([("T06", "20"), ("T06", "20")], []),
        ([("T01", "20"), ("T01", "20"), ("T02:23:59", "20")], []),
        ([("T01", "20"), ("T01", "20"), ("T02:24", "20")], [(FORECAST, None)]),
        # Time alone is no event; the next one is, also one that costs nothing.
        ([("T01", "4"), ("T01", "4"), ("T02", "4"), ("T02:24", "0")], [(FORECAST, None)]),
        # Once, though the rate falls and rises again.
        (
            [("T03", "9"), ("T03", "9"), ("T03", "9"), ("T12", "1"), ("T13", "60")],
            [(FORECAST, None)],
        ),
        # What is exceeded comes first.
        (
            [("T12", "1"), ("T12", "1"), ("T12", "99")],
            [(CROSSED, 100), (EXCEEDED, None), (FORECAST, None)],
        ),
    ],
)
def test_pitfall_9_a_forecast_is_of_its_own_period(
    calls: list[tuple[str, str]], expected: list[tuple[str, int | None]]
) -> None:
    """Pitfall 9: forecast ignores period."""
    assert play(log_of("100"), *calls) == expected


def test_each_alert_says_what_is_expected() -> None:
    log = log_of("100")
    play(log, ("T06", "10"), ("T06", "10"))
    [alert] = log.call("5.000000001")
    found = data(alert)
    assert (found["type"], found["severity"], found["threshold_percent"]) == (
        FORECAST,
        "warning",
        None,
    )
    assert (found["spent_usd"], found["forecast_usd"]) == ("25.000000001", "100.000000004")


def test_the_rate_is_that_of_the_part_which_is_counted() -> None:
    log = Writer(now=DAY + "T12")
    log.budget("100", thresholds=[100])
    # From noon on: a tenth of the day is over at 14:24, a fifth of the rest.
    assert play(log, ("T13", "10"), ("T13", "10"), ("T14:23:59", "0")) == []
    assert play(log, ("T14:24", "0.000000001")) == [(FORECAST, None)]


@pytest.mark.parametrize("now", ["2026-03-03", "2026-03-05"])
def test_what_is_over_has_no_forecast(now: str) -> None:
    log = log_of("100")
    log.tick(now)
    for _ in range(4):
        [*alerts] = log.call("20", time=DAY + "T03")
        assert alerts == [] or {o.type for o in alerts} == {"event.late"}


def test_who_wants_no_forecast_gets_none() -> None:
    log = log_of("100", forecast=False)
    assert play(log, ("T06", "30"), ("T06", "30"), ("T06", "30")) == []


def test_a_changed_budget_is_told_of_again() -> None:
    log = log_of("100")
    assert play(log, ("T06", "10"), ("T06", "10"), ("T06", "10")) == [(FORECAST, None)]
    first, again = log.outputs[-1], log.budget("110", thresholds=[100])[1:]
    assert told(again) == [(FORECAST, None)]
    assert data(again[0])["forecast_usd"] == "120"
    assert again[0].id != first.id
    assert told(log.budget("130", thresholds=[100])) == []
