"""The alerts about a tenant's memory: how full its quota is, and what was stored without room."""

import msgspec
from msgspec import structs

from streams.core.fold import Effect, Entry, View
from streams.core.ids import derived_id
from streams.core.journal import SERVICE, Cause, alert
from streams.core.rows import tenant_key
from streams.core.time import HOUR, format_time
from streams.memory.bytes import bytes_of, quota_of
from streams.memory.rows import BytesRow, QuotaRow

CROSSED = "quota.threshold.crossed"
OVERFLOW = "quota.critical.overflow"
THRESHOLDS = (80, 100)
"""Percent of the quota."""
_SUBJECT = "quota"


class QuotaAlert(msgspec.Struct, frozen=True, kw_only=True):
    """Data of an alert about a tenant's memory on budget.alerts.v1."""

    alert_id: str
    type: str
    tenant: str
    revision: int | None
    """Of the quota; null without one."""
    period_start: str | None
    threshold_percent: int | None
    used_bytes: int
    reserve_bytes: int
    quota_mb: int | None
    severity: str
    """warning | critical"""
    cause: Cause
    at: str


def check_quota(
    view: View, entry: Entry, outputs: list[Effect], tenant: str, *, full: bool = False
) -> None:
    """Send which thresholds of its quota a tenant has crossed, each once under one revision.

    ``full``: something was written that had no room, which was made or not; what is used stays
    below all of the quota then.
    """
    quota = quota_of(view, tenant)
    if quota is None or len(quota.fired) == len(THRESHOLDS):
        return
    whole = quota.quota_mb << 20
    used = bytes_of(view, tenant).used
    most = max(used, whole) if full else used
    reached = [
        percent
        for percent in THRESHOLDS
        if (used or full) and most * 100 >= whole * percent and percent not in quota.fired
    ]
    if reached:
        fired = (*quota.fired, *reached)
        view.put(tenant_key(QuotaRow, tenant), structs.replace(quota, fired=fired))
    for percent in reached:
        _send(view, entry, outputs, tenant, CROSSED, threshold=percent)


def tell_overflow(view: View, entry: Entry, outputs: list[Effect], tenant: str) -> None:
    """Send that a tenant has bytes without room which nothing may be removed for.

    The alert's period is the hour of log time: there is one an hour, whatever the number of writes.
    """
    hour = entry.log_time // HOUR * HOUR
    row = bytes_of(view, tenant)
    if row.overflowed != hour:
        view.put(tenant_key(BytesRow, tenant), structs.replace(row, overflowed=hour))
        _send(view, entry, outputs, tenant, OVERFLOW, start=format_time(hour))


def _send(
    view: View,
    entry: Entry,
    outputs: list[Effect],
    tenant: str,
    alert_type: str,
    *,
    threshold: int | None = None,
    start: str | None = None,
) -> None:
    quota, row = quota_of(view, tenant), bytes_of(view, tenant)
    revision = None if quota is None else quota.revision
    parts = ("" if part is None else str(part) for part in (threshold, revision))
    grave = alert_type == OVERFLOW or threshold == THRESHOLDS[-1]
    data = QuotaAlert(
        alert_id=derived_id(tenant, _SUBJECT, start or "", alert_type, *parts),
        type=alert_type,
        tenant=tenant,
        revision=revision,
        period_start=start,
        threshold_percent=threshold,
        used_bytes=row.used,
        reserve_bytes=row.reserved,
        quota_mb=None if quota is None else quota.quota_mb,
        severity="critical" if grave else "warning",
        cause=Cause(entry.record.source or SERVICE, entry.record.id),
        at=format_time(entry.timestamp),
    )
    alert(view, entry, outputs, alert_id=data.alert_id, subject=_SUBJECT, data=data)
