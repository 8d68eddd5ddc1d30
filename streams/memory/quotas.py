"""Folds of control's answers to quota.set: a tenant's memory is its own from here on."""

from typing import Any

from streams.core.fold import Effect, Entry, View
from streams.core.journal import Target, audit
from streams.core.log import QuotaGranted, QuotaRejected
from streams.memory.bytes import move_in, quota_of
from streams.memory.quota_alerts import check_quota
from streams.memory.rows import QuotaRow


def fold_quota_granted(view: View, entry: Entry, body: QuotaGranted) -> list[Effect]:
    """Set or replace a quota; one without an id is told again after this partition was rebuilt."""
    effects: list[Effect] = []
    tenant = entry.record.tenant
    before = quota_of(view, tenant)
    if before is None:
        now = QuotaRow(body.quota_mb, body.tier)
    elif (before.quota_mb, before.tier) == (body.quota_mb, body.tier):
        now = before
    else:
        # Only a real change arms the alerts again.
        now = QuotaRow(body.quota_mb, body.tier, before.revision + 1)
    move_in(view, entry, tenant, now)
    check_quota(view, entry, effects, tenant)
    if entry.record.id:
        details = {"quota_mb": body.quota_mb, "class": body.tier, "revision": now.revision}
        _audit(view, entry, effects, "quota.granted", details)
    return effects


def fold_quota_rejected(view: View, entry: Entry, body: QuotaRejected) -> list[Effect]:
    """Say that a quota was rejected; what the tenant had stays."""
    effects: list[Effect] = []
    details = {"quota_mb": body.quota_mb, "class": body.tier, "detail": body.detail}
    _audit(view, entry, effects, "quota.rejected", details, error=body.error)
    return effects


def _audit(
    view: View,
    entry: Entry,
    effects: list[Effect],
    action: str,
    details: dict[str, Any],
    error: str | None = None,
) -> None:
    target = Target("quota", entry.record.tenant)
    audit(view, entry, effects, action=action, target=target, details=details, error=error)
