"""The alerts of a budget: what they say and how grave they are."""

import msgspec

from streams.core.fold import Effect, Entry, View
from streams.core.ids import derived_id
from streams.core.journal import Cause, alert
from streams.core.money import format_usd
from streams.core.time import HOUR, format_time
from streams.usage.forecast import forecast
from streams.usage.rows import BudgetRow, SpendRow

CROSSED = "budget.threshold.crossed"
EXCEEDED = "budget.exceeded"
FORECAST = "budget.forecast.exceeded"
RECOVERED = "budget.recovered"
CORRECTED = "budget.corrected"


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


def send_alert(
    view: View,
    entry: Entry,
    outputs: list[Effect],
    budget_id: str,
    budget: BudgetRow,
    row: SpendRow,
    alert_type: str,
    *,
    threshold: int | None = None,
    late: bool,
) -> None:
    """Send one alert about a budget's figure in one period.

    Parameters
    ----------
    budget, row
        The budget and the figure of the period that the alert is about.
    alert_type : str
        ``CROSSED``, ``EXCEEDED``, ``FORECAST``, ``RECOVERED`` or ``CORRECTED``.
    threshold : int, optional
        Percent of the limit that was crossed, or recovered.
    late : bool
        The period was closed already.
    """
    tenant = entry.record.tenant
    start = format_time(row.start)
    expected = forecast(budget, row, entry.log_time)
    which = "" if threshold is None else str(threshold)
    if alert_type == CORRECTED:
        which = format_time(entry.log_time // HOUR * HOUR)
    alert_id = derived_id(tenant, budget_id, start, alert_type, which, str(budget.revision))
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
        forecast_usd=None if expected is None else format_usd(expected),
        unpriced_calls=row.unpriced_calls,
        late=late,
        severity=_severity(alert_type, threshold or 0),
        cause=Cause(entry.record.source, entry.record.id),
        at=format_time(entry.timestamp),
    )
    alert(view, entry, outputs, alert_id=alert_id, subject=budget_id, data=data)


def _severity(alert_type: str, threshold: int) -> str:
    if alert_type == EXCEEDED or (alert_type == CROSSED and threshold >= 100):
        return "critical"
    if alert_type == FORECAST or (alert_type == CROSSED and threshold >= 80):
        return "warning"
    return "info"
