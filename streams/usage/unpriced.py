"""usage.unpriced: one alert per tenant, model and day when a call's cost is not known."""

import msgspec

from streams.core.fold import Effect, Entry, View
from streams.core.ids import derived_id
from streams.core.journal import Cause, alert
from streams.core.rows import sortable, tenant_key
from streams.core.sweep import drop_old
from streams.core.time import DAY, format_time
from streams.usage.rows import UnpricedRow
from streams.usage.scope import pack

UNPRICED = "usage.unpriced"


class UnpricedAlert(msgspec.Struct, frozen=True, kw_only=True):
    """Data of usage.unpriced on budget.alerts.v1. The day is that of log time, UTC."""

    alert_id: str
    type: str = UNPRICED
    tenant: str
    provider: str
    model: str
    period_start: str
    period_end: str
    severity: str = "warning"
    cause: Cause
    at: str


def report_unpriced(
    view: View, entry: Entry, provider: str, model: str, outputs: list[Effect]
) -> None:
    """Send the alert, unless it went out today."""
    tenant = entry.record.tenant
    day = entry.log_time // DAY * DAY
    prefix = tenant_key(UnpricedRow, tenant)
    today = prefix + sortable(day)
    key = today + pack((provider, model))
    if view.get(UnpricedRow, key) is not None:
        return
    drop_old(view, UnpricedRow, prefix, entry.log_time, lambda old, _: old < today)
    view.put(key, UnpricedRow(entry.offset))
    subject = f"{provider}/{model}"
    start = format_time(day)
    data = UnpricedAlert(
        alert_id=derived_id(tenant, subject, start, UNPRICED, "", ""),
        tenant=tenant,
        provider=provider,
        model=model,
        period_start=start,
        period_end=format_time(day + DAY),
        cause=Cause(entry.record.source, entry.record.id),
        at=format_time(entry.timestamp),
    )
    alert(view, entry, outputs, alert_id=data.alert_id, subject=subject, data=data)
