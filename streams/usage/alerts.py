"""The alerts of a budget: what they say and how grave they are."""

import msgspec

from streams.core.fold import Entry, Output, View
from streams.core.ids import derived_id
from streams.core.money import format_usd
from streams.core.time import format_time
from streams.usage.journal import Cause, alert
from streams.usage.rows import BudgetRow, SpendRow

CROSSED = "budget.threshold.crossed"
EXCEEDED = "budget.exceeded"
RECOVERED = "budget.recovered"


class BudgetAlert(msgspec.Struct, frozen=True, kw_only=True):
    """Data of an alert about a budget on budget.alerts.v1."""

    alert_id: str
    type: str
    tenant: str
    budget_id: str
    revision: int
    period_start: str
    period_end: str
    timezone: str
    threshold_percent: int | None
    limit_usd: str
    spent_usd: str
    forecast_usd: str | None
    unpriced_calls: int
    late: bool
    severity: str
    """info | warning | critical"""
    cause: Cause
    at: str


def crossed(
    view: View,
    entry: Entry,
    outputs: list[Output],
    budget_id: str,
    budget: BudgetRow,
    row: SpendRow,
    *,
    threshold: int,
    late: bool,
) -> None:
    """A threshold of the limit is reached."""
    severity = "info" if threshold < 80 else "warning" if threshold < 100 else "critical"
    _send(view, entry, outputs, budget_id, budget, row, CROSSED, threshold, severity, late)


def exceeded(
    view: View,
    entry: Entry,
    outputs: list[Output],
    budget_id: str,
    budget: BudgetRow,
    row: SpendRow,
    *,
    late: bool,
) -> None:
    """More than the limit is spent."""
    _send(view, entry, outputs, budget_id, budget, row, EXCEEDED, None, "critical", late)


def recovered(
    view: View,
    entry: Entry,
    outputs: list[Output],
    budget_id: str,
    budget: BudgetRow,
    row: SpendRow,
    *,
    threshold: int,
    late: bool,
) -> None:
    """A threshold that was reported as crossed is not reached any more."""
    _send(view, entry, outputs, budget_id, budget, row, RECOVERED, threshold, "info", late)


def _send(
    view: View,
    entry: Entry,
    outputs: list[Output],
    budget_id: str,
    budget: BudgetRow,
    row: SpendRow,
    alert_type: str,
    threshold: int | None,
    severity: str,
    late: bool,
) -> None:
    tenant = entry.record.tenant
    start = format_time(row.start)
    percent = "" if threshold is None else str(threshold)
    alert_id = derived_id(tenant, budget_id, start, alert_type, percent, str(budget.revision))
    data = BudgetAlert(
        alert_id=alert_id,
        type=alert_type,
        tenant=tenant,
        budget_id=budget_id,
        revision=budget.revision,
        period_start=start,
        period_end=format_time(row.end),
        timezone=budget.timezone,
        threshold_percent=threshold,
        limit_usd=format_usd(budget.limit),
        spent_usd=format_usd(row.spent),
        forecast_usd=None,
        unpriced_calls=row.unpriced_calls,
        late=late,
        severity=severity,
        cause=Cause(entry.record.source, entry.record.id),
        at=format_time(entry.timestamp),
    )
    alert(view, entry, outputs, alert_id=alert_id, subject=budget_id, data=data)
