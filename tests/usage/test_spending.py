"""Figures that move both ways: recovered, told once, corrected; what was given back."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.fold import Effect, Entry, Output, settle
from streams.core.log import Origin, Record, Tick
from streams.core.money import NANO
from streams.core.time import HOUR
from streams.usage.alerts import CORRECTED, CROSSED, EXCEEDED, RECOVERED
from streams.usage.read import budgets
from streams.usage.rows import NO_CONFIG, NO_TENANT, ConfigRow, SpendRow, TenantRow
from streams.usage.spending import adjust, settle_spending
from usage.memory_view import MemoryView
from usage.model import Budget, Model
from usage.test_model import told as in_full
from usage.writer import Writer, at, data, refolded, told

NOWHERE = ("", "", "", "", "", "")


def give(log: Writer, amount: str, *, time: int | None = None) -> list[Output]:
    """Adjust as usage.adjust does: so much at a time (now)."""
    offset = len(log.entries) + 1_000
    place = Origin("tenant.commands.v1", 0, 0, offset)
    record = Record(1, "t1", place, "/test", f"g{offset}", log.now, Tick())
    log.log_time = max(log.log_time, log.now)
    entry = Entry(record, 3, offset, log.now, log.log_time)
    log.entries.append(entry)
    tenant = log.view.get(TenantRow, b"t/t1\x00") or NO_TENANT
    config = log.view.get(ConfigRow, b"c/") or NO_CONFIG
    found: list[Effect] = []
    moment = log.now if time is None else time
    adjust(log.view, entry, tenant, config, NOWHERE, moment, int(Decimal(amount) * NANO), found)
    settle(log.view)
    made = [output for output in found if isinstance(output, Output)]
    log.outputs += made
    return made


def test_a_figure_that_goes_down_recovers_each_threshold_once() -> None:
    log = Writer()
    assert told(log.call("101")) == [(CROSSED, 50), (CROSSED, 80), (CROSSED, 100), (EXCEEDED, None)]
    assert told(give(log, "-41")) == [(RECOVERED, 80), (RECOVERED, 100)]
    [item] = budgets(log.view, "t1", log_time=log.log_time)
    assert (item["fired"], item["exceeded"], item["spent_usd"]) == ([50], False, "60")


def test_what_holds_again_has_no_second_id_and_is_told_as_a_correction() -> None:
    log = Writer(now="2026-03-02T12")
    log.call("80")
    give(log, "-20")
    again = log.call("20")
    assert told(again) == [(CORRECTED, None)]
    assert data(again[0])["spent_usd"] == "80"
    # Once an hour of log time.
    assert told(give(log, "-20")) == told(log.call("20")) == []
    log.tick("2026-03-02T13")
    assert told(give(log, "-20")) == [(CORRECTED, None)]
    ids = [output.id for output in log.outputs]
    assert len(set(ids)) == len(ids)
    # A changed limit is another revision: all counts anew.
    assert told(log.budget("70")) == [(CROSSED, 50), (CROSSED, 80)]


def test_the_end_of_an_overrun_without_a_threshold_is_a_correction() -> None:
    log = Writer()
    log.budget("100", thresholds=[50])
    log.call("100.000000001")
    assert told(give(log, "-0.000000001")) == [(CORRECTED, None)]


def test_a_figure_may_be_below_zero() -> None:
    log = Writer()
    assert told(give(log, "-3.5")) == []
    [item] = budgets(log.view, "t1", log_time=log.log_time)
    assert (item["spent_usd"], item["forecast_usd"]) == ("-3.5", None)


def test_pitfall_10_a_closed_period_is_corrected_once_an_hour() -> None:
    """Pitfall 10: late events; the part of it that budgets have."""
    log = Writer(now="2026-03-02T12")
    log.call("60")
    day = log.now
    log.tick("2026-03-05T12:30")
    [first] = [o for o in log.call("1", time=day) if o.type == CORRECTED]
    assert (data(first)["late"], data(first)["spent_usd"]) == (True, "61")
    assert told(log.call("1", time=day)) == []
    assert told(log.call("0", time=day)) == []
    log.tick("2026-03-05T13")
    assert told(log.call("0", time=day)) == []
    [second] = give(log, "-2", time=day)
    assert second.type == CORRECTED
    # Nothing was told of this day, so there is nothing to correct.
    assert told(log.call("1", time=at("2026-03-01T12"))) == []


def test_pitfall_5_a_period_is_never_reset() -> None:
    """Pitfall 5: stale counter after reset. Each period has a row of its own."""
    log = Writer(now="2026-03-02T12")
    log.call("60")
    log.tick("2026-03-03T00:00")
    [item] = budgets(log.view, "t1", log_time=log.log_time)
    assert item["spent_usd"] == "0"
    log.call("1")
    log.call("2", time="2026-03-02T23:59")
    spent = [row.spent // NANO for _, row in log.view.scan(SpendRow, SpendRow.kind)]
    assert spent == [62, 1]


def test_pitfall_8_alerts_neither_storm_nor_go_missing() -> None:
    """Pitfall 8: alert storms or missing ones: a thousand calls over the limit, one of each."""
    log = Writer()
    for _ in range(1_000):
        log.call("0.2")
    expected = [(CROSSED, 50), (CROSSED, 80), (CROSSED, 100), (EXCEEDED, None)]
    assert told(log.outputs) == expected
    log.tick("2026-03-03T12")
    assert told(log.call("200")) == expected


@pytest.mark.parametrize("drop", [False, True])
def test_a_command_sees_what_the_chunk_has_spent(*, drop: bool) -> None:
    """The calls before it in the same chunk are not rows yet."""
    log = Writer()
    view, spent = MemoryView(stored=True), log.call("30") + log.call("30")
    spent += log.delete() if drop else log.budget("55", thresholds=[100])
    assert refolded(view, log.entries) == spent


def test_settling_what_is_not_there_does_nothing() -> None:
    view = MemoryView()
    settle_spending(view, "t1")
    assert view.rows == {}


steps = st.lists(
    st.tuples(
        st.sampled_from(("call", "give", "give", "limit")),
        st.sampled_from((0, 0, 1, 2, 60, 24 * 60)),
        st.sampled_from((0, 0, 30, 60, 24 * 60, 50 * 60)),
        st.sampled_from(("1", "5", "10", "-1", "-5", "-10", "0")),
    ),
    min_size=4,
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(steps, st.sampled_from(([50, 100], [50, 80, 100], [30])))
def test_any_ups_and_downs_come_to_what_the_naive_model_says(
    drawn: list[tuple[str, int, int, str]], thresholds: list[int]
) -> None:
    log, model = Writer(), Model(560)
    for number, (what, passed, ago, amount) in enumerate((("limit", 0, 0, "10"), *drawn)):
        log.now += passed * HOUR // 60
        model.now, model.log_time = log.now, max(log.log_time, log.now)
        model.cause = f"x{number}"
        time = log.now - ago * HOUR // 60
        if what == "limit":
            limit = amount.lstrip("-")
            log.budget(limit, thresholds=thresholds, event=model.cause)
            new = Budget(Decimal(limit), "day", "UTC", thresholds, {})
            model.set_budget("t1", "default", log.now, new, len(thresholds))
            continue
        budget = model.budgets["t1", "default"]
        if what == "call":
            amount = amount.lstrip("-")
            log.call(amount, time=time, event=model.cause)
            model.add("t1", "default", budget, time, Decimal(amount), 1)
        else:
            model.cause = f"g{len(log.entries) + 1_000}"
            give(log, amount, time=time)
            model.add("t1", "default", budget, time, Decimal(amount))
    found = [in_full(output) for output in log.outputs if output.type != "event.late"]
    assert found == model.told
    ids = [output.id for output in log.outputs]
    assert len(set(ids)) == len(ids)
    shown: list[dict[str, Any]] = budgets(log.view, "t1", log_time=log.log_time)
    assert [item["config"]["budget_id"] for item in shown] == ["default"]
