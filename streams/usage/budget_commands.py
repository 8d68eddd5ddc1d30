"""Folds of budget.set and budget.delete."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import msgspec

from streams.core.errors import StreamsError
from streams.core.fold import Effect, Entry, View
from streams.core.journal import Target, audit
from streams.core.log import BudgetDelete, BudgetSet
from streams.core.money import format_usd
from streams.core.rows import tenant_key
from streams.core.time import format_time, zone_names
from streams.usage.alerts import RECOVERED, send_alert
from streams.usage.budgets import DEFAULT, evaluate, present
from streams.usage.periods import INDEX as PERIOD_INDEX
from streams.usage.periods import PERIODS
from streams.usage.rows import (
    CONFIG_KEY,
    NO_CONFIG,
    NO_TENANT,
    BudgetRow,
    ConfigRow,
    SpendRow,
    TenantRow,
    budget_key,
    spend_keys,
    spend_prefix,
    with_changes,
)
from streams.usage.scope import INDEX as SCOPE_INDEX
from streams.usage.spending import settle_spending

OF_A_BUDGET = 4
"""Changes of an event beside those of thresholds: exceeded, forecast, correction, the figure."""
MAX_ALERTS = 560
"""Sum of thresholds + 4 over a tenant's budgets: what one event may fire stays bounded."""
MAX_CHANGES = 400
"""Rows and alerts of one evaluation; periods beyond are evaluated when next touched."""
MAX_DROPPED = 100


class _RejectedError(StreamsError):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def fold_budget_set(view: View, entry: Entry, body: BudgetSet) -> list[Effect]:
    """Set or replace a budget; a real change raises its revision and is evaluated at once."""
    settle_spending(view, entry.record.tenant)
    outputs: list[Effect] = []
    target = Target("budget", body.budget_id)
    try:
        before, now = _set(view, entry, body)
    except _RejectedError as error:
        details = {"budget_id": body.budget_id, "detail": str(error)}
        audit(
            view,
            entry,
            outputs,
            action="budget.set",
            target=target,
            details=details,
            error=error.code,
        )
        return outputs
    audit(
        view,
        entry,
        outputs,
        action="budget.set",
        target=target,
        details=describe(body.budget_id, now),
    )
    if before is not None and now.revision != before.revision and not before.deleted:
        config = view.get(ConfigRow, CONFIG_KEY) or NO_CONFIG
        _evaluate(view, entry, config, body.budget_id, before, now, outputs)
    if before is not None and now.generation != before.generation:
        _drop_old(view, entry.record.tenant, body.budget_id, now)
    return outputs


def fold_budget_delete(view: View, entry: Entry, body: BudgetDelete) -> list[Effect]:
    """Remove a budget; what is left of it keeps the revision."""
    outputs: list[Effect] = []
    name = entry.record.tenant
    settle_spending(view, name)
    target = Target("budget", body.budget_id)
    before = present(view, name, body.budget_id)
    details: dict[str, Any] = {"budget_id": body.budget_id}
    error = None
    if before is None or before.deleted:
        error = "not_found"
    else:
        details["revision"] = before.revision
        view.put(budget_key(name, body.budget_id), _changed(before, implicit=False, deleted=True))
        tenant_row = tenant_key(TenantRow, name)
        tenant = view.get(TenantRow, tenant_row) or NO_TENANT
        left = tuple(b for b in tenant.budgets if b != body.budget_id)
        view.put(tenant_row, with_changes(tenant, budgets=left))
    audit(
        view, entry, outputs, action="budget.deleted", target=target, details=details, error=error
    )
    return outputs


def describe(budget_id: str, row: BudgetRow) -> dict[str, Any]:
    """A budget's configuration as JSON shows it."""
    return {
        "budget_id": budget_id,
        "limit_usd": format_usd(row.limit),
        "period": PERIODS[row.period],
        "timezone": row.timezone,
        "thresholds": list(row.thresholds),
        "forecast": row.forecast,
        "scope": dict(row.scope),
        "revision": row.revision,
        "counted_since": None if row.counted_since is None else format_time(row.counted_since),
    }


def _set(view: View, entry: Entry, body: BudgetSet) -> tuple[BudgetRow | None, BudgetRow]:
    record = entry.record
    _check_values(body)
    tenant_row = tenant_key(TenantRow, record.tenant)
    tenant = view.get(TenantRow, tenant_row) or NO_TENANT
    _check_number(view, record.tenant, tenant, body)
    before = present(view, record.tenant, body.budget_id)
    now = _next(before, _wanted(body, record.time))
    view.put(budget_key(record.tenant, body.budget_id), now)
    if body.budget_id not in tenant.budgets:
        others = _without_implicit_default(view, record.tenant, tenant.budgets)
        budgets = tuple(sorted((*others, body.budget_id)))
        view.put(tenant_row, with_changes(tenant, budgets=budgets))
    return before, now


def _without_implicit_default(view: View, tenant: str, budgets: tuple[str, ...]) -> tuple[str, ...]:
    """End the default budget: it is that of a tenant that has set none."""
    default = present(view, tenant, DEFAULT) if DEFAULT in budgets else None
    if default is None or not default.implicit:
        return budgets
    view.put(budget_key(tenant, DEFAULT), _changed(default, implicit=False, deleted=True))
    return tuple(b for b in budgets if b != DEFAULT)


def _check_values(body: BudgetSet) -> None:
    """Admit has checked these; a fold must not stop where its tables are older than admit's."""
    if body.timezone not in zone_names():
        raise _RejectedError("unknown_timezone", "no such IANA time zone")
    if body.period not in PERIOD_INDEX:
        raise _RejectedError("unknown_period", f"a period is one of {', '.join(PERIODS)}")
    if any(key not in SCOPE_INDEX for key in body.scope):
        raise _RejectedError("unknown_scope", f"scope keys are {', '.join(SCOPE_INDEX)}")


def _check_number(view: View, name: str, tenant: TenantRow, body: BudgetSet) -> None:
    weight = len(body.thresholds) + OF_A_BUDGET
    for budget_id in tenant.budgets:
        if budget_id != body.budget_id:
            row = view.get(BudgetRow, budget_key(name, budget_id))
            weight += OF_A_BUDGET + (3 if row is None else len(row.thresholds))
    if weight > MAX_ALERTS:
        raise _RejectedError(
            "too_many_budgets",
            f"a tenant's budgets may have {MAX_ALERTS} thresholds in all, "
            f"each budget counting {OF_A_BUDGET} more",
        )


def _wanted(body: BudgetSet, time: int) -> BudgetRow:
    return BudgetRow(
        limit=body.limit,
        period=PERIOD_INDEX[body.period],
        timezone=body.timezone,
        thresholds=tuple(sorted(dict.fromkeys(body.thresholds))),
        forecast=body.forecast,
        scope=tuple(sorted(body.scope.items())),
        revision=1,
        generation=1,
        counted_since=time,
    )


def _next(before: BudgetRow | None, wanted: BudgetRow) -> BudgetRow:
    if before is None:
        return wanted
    anew = (
        before.deleted
        or (before.period, before.timezone, before.scope)
        != (wanted.period, wanted.timezone, wanted.scope)
    )  # fmt: skip
    since = wanted.counted_since if anew or before.counted_since is None else before.counted_since
    real = anew or (before.limit, before.thresholds) != (wanted.limit, wanted.thresholds)
    return _changed(
        wanted,
        revision=before.revision + real,
        generation=before.generation + anew,
        counted_since=since,
    )


def _evaluate(
    view: View,
    entry: Entry,
    config: ConfigRow,
    budget_id: str,
    before: BudgetRow,
    now: BudgetRow,
    outputs: list[Effect],
) -> None:
    """Evaluate the open periods under the changed budget, oldest first."""
    prefix = spend_keys(budget_key(entry.record.tenant, budget_id), before.generation)
    rows = list(_open(view, prefix, entry.log_time - config.grace, len(now.thresholds)))
    for key, row in reversed(rows):
        if now.generation == before.generation:
            view.put(key, evaluate(view, entry, outputs, budget_id, now, row, late=False))
        elif row.fired:
            # Counting begins anew: what was fired in these periods holds no more.
            ended = _changed(now, timezone=before.timezone)
            emptied = SpendRow(row.start, row.end, row.revision)
            tell = partial(send_alert, view, entry, outputs, budget_id, ended, emptied, RECOVERED)
            for threshold in row.fired:
                tell(threshold=threshold, late=False)


def _open(
    view: View, prefix: bytes, closed: int, thresholds: int
) -> Iterator[tuple[bytes, SpendRow]]:
    changes = 0
    for key, row in view.scan(SpendRow, prefix, reverse=True):
        changes += len(row.fired) + thresholds + OF_A_BUDGET
        if row.end < closed or changes > MAX_CHANGES:
            return
        yield key, row


def _drop_old(view: View, tenant: str, budget_id: str, now: BudgetRow) -> None:
    """Remove rows of generations that no longer count, the oldest first, some at a time."""
    key = budget_key(tenant, budget_id)
    kept = spend_keys(key, now.generation)
    old: list[bytes] = []
    for old_key, _ in view.scan(SpendRow, spend_prefix(key)):
        if old_key >= kept or len(old) == MAX_DROPPED:
            break
        old.append(old_key)
    for old_key in old:
        view.delete(old_key)


def _changed(row: BudgetRow, **changes: Any) -> BudgetRow:
    return msgspec.structs.replace(row, **changes)
