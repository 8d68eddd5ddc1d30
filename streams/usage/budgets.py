"""Budgets: an event adds its cost to the period of each budget that it falls under."""

from functools import partial

from streams.core.fold import Effect, Entry, View
from streams.usage.alerts import CROSSED, EXCEEDED, RECOVERED, send_alert
from streams.usage.counters import Metered
from streams.usage.periods import Period, periods_at
from streams.usage.rows import (
    BudgetRow,
    ConfigRow,
    SpendRow,
    TenantRow,
    budget_key,
    spend_keys,
)
from streams.usage.scope import matches

DEFAULT = "default"
_DAY = 1


def spend(
    view: View,
    entry: Entry,
    tenant: TenantRow,
    config: ConfigRow,
    call: Metered,
    outputs: list[Effect],
) -> None:
    """Add a call's cost to all budgets of its tenant and send the alerts that follow."""
    record = entry.record
    name, time = record.tenant, record.time
    closed = entry.log_time - config.grace
    for budget_id in tenant.budgets:
        key = budget_key(name, budget_id)
        budget = view.get(BudgetRow, key)
        if budget is None or (budget.implicit and budget.limit != config.default_budget):
            budget = default_budget(budget, config, since=time)
            view.put(key, budget)
        if budget.scope and not matches(budget.scope, call.scope):
            continue
        period = periods_at(budget.timezone, time)[budget.period]
        spend_key = spend_keys(key, budget.generation) + period.key
        row = _add(view.get(SpendRow, spend_key), budget, period, call)
        if _changes(budget, row):
            late = period.end < closed
            row = settle(view, entry, outputs, budget_id, budget, row, late=late)
        view.put(spend_key, row)


def default_budget(row: BudgetRow | None, config: ConfigRow, since: int | None) -> BudgetRow:
    """Make the budget of a tenant that has set none; its revision rises with the configuration."""
    if row is not None:
        since = row.counted_since
    return BudgetRow(
        limit=config.default_budget,
        period=_DAY,
        timezone="UTC",
        thresholds=(50, 80, 100),
        forecast=True,
        scope=(),
        revision=1 if row is None else row.revision + (row.limit != config.default_budget),
        generation=1,
        counted_since=since,
        implicit=True,
    )


def settle(
    view: View,
    entry: Entry,
    outputs: list[Effect],
    budget_id: str,
    budget: BudgetRow,
    row: SpendRow,
    *,
    late: bool,
) -> SpendRow:
    """Send what a period's figure means under the budget as it is now; give the row with it noted.

    First what was fired under an earlier revision and holds no more, then what holds and was not
    fired under this one: thresholds ascending, then exceeded.
    """
    fired, exceeded = row.fired, row.exceeded
    tell = partial(send_alert, view, entry, outputs, budget_id, budget, row, late=late)
    if row.revision != budget.revision:
        for threshold in fired:
            if not _reached(row.spent, budget.limit, threshold):
                tell(RECOVERED, threshold=threshold)
        fired, exceeded = (), False
    for threshold in budget.thresholds[len(fired) :]:
        if not _reached(row.spent, budget.limit, threshold):
            break
        tell(CROSSED, threshold=threshold)
        fired = (*fired, threshold)
    if not exceeded and row.spent > budget.limit:
        tell(EXCEEDED)
        exceeded = True
    return SpendRow(
        row.start,
        row.end,
        budget.revision,
        row.spent,
        row.calls,
        row.unpriced_calls,
        fired,
        exceeded,
    )


def _add(row: SpendRow | None, budget: BudgetRow, period: Period, call: Metered) -> SpendRow:
    if row is None:
        row = SpendRow(period.start, period.end, budget.revision)
    return SpendRow(
        row.start,
        row.end,
        row.revision,
        row.spent + call.reported + call.computed,
        row.calls + 1,
        row.unpriced_calls + call.unpriced,
        row.fired,
        row.exceeded,
    )


def _changes(budget: BudgetRow, row: SpendRow) -> bool:
    """Whether anything is to be sent. Thresholds ascend, so those fired are the first ones."""
    if row.revision != budget.revision or (not row.exceeded and row.spent > budget.limit):
        return True
    fired = len(row.fired)
    thresholds = budget.thresholds
    return fired < len(thresholds) and _reached(row.spent, budget.limit, thresholds[fired])


def _reached(spent: int, limit: int, threshold: int) -> bool:
    return spent * 100 >= limit * threshold
