"""What the API shows of usage, budgets, alerts and audit (bodies as CONTRACT.md section 5)."""

from typing import Any, TypeVar

import msgspec

from streams.core.errors import ApiError
from streams.core.fold import Reader
from streams.core.journal import AlertRow, AuditRow, newest_first, of_command
from streams.core.money import format_usd
from streams.core.rows import tenant_key
from streams.core.time import format_time
from streams.usage.budgets import present
from streams.usage.forecast import forecast
from streams.usage.holds import held
from streams.usage.periods import PERIODS, periods_at
from streams.usage.report import usage_report
from streams.usage.reservations import find, is_open
from streams.usage.rows import (
    NO_TENANT,
    BudgetRow,
    SpendRow,
    TenantRow,
    budget_key,
    spend_keys,
)
from streams.usage.service import refusal

__all__ = ("alerts", "audit", "budgets", "refusal", "reservation", "usage_report")

Page = tuple[list[msgspec.Raw], bytes | None]

R = TypeVar("R", AlertRow, AuditRow)


def budgets(reader: Reader, tenant: str, *, log_time: int) -> list[dict[str, Any]]:
    """List a tenant's budgets with their figures in the period that log time is in."""
    tenant_row = reader.get(TenantRow, tenant_key(TenantRow, tenant)) or NO_TENANT
    items = []
    for budget_id in tenant_row.budgets:
        budget = present(reader, tenant, budget_id)
        if budget is not None:
            items.append(_budget(reader, tenant, budget_id, budget, max(log_time, 0)))
    return items


def reservation(
    reader: Reader, tenant: str, reservation_id: str, *, log_time: int
) -> dict[str, Any]:
    """A reservation and what became of it.

    Raises
    ------
    ApiError
        404 where there is none: its budget was not there, or its answer is no longer kept.
    """
    row = find(reader, tenant, reservation_id, log_time)
    if row is None:
        detail = "no such reservation: its budget is not there, or it ended more than a day ago"
        raise ApiError(404, "not_found", detail)
    if row.settled is not None:
        state, left = "settled", row.left_settled
    else:
        state = "refused" if not row.granted else "open" if is_open(row, log_time) else "expired"
        left = row.left
    return {
        "reservation_id": reservation_id,
        "budget_id": row.budget_id,
        "state": state,
        "granted": row.granted,
        "amount_usd": format_usd(row.amount),
        "left_usd": format_usd(left),
        "reported_usd": format_usd(row.reported),
        "settled_usd": None if row.settled is None else format_usd(row.settled),
        "expires_at": format_time(row.due),
    }


def alerts(
    reader: Reader, tenant: str, *, limit: int, before: bytes | None = None, log_time: int = 0
) -> Page:
    """List the data of a tenant's alerts, newest first.

    Parameters
    ----------
    limit : int
        At most so many.
    before : bytes, optional
        Where an earlier page ended: its second value.
    log_time : int
        Hides what is older than 30 days at this time; 0 hides nothing.

    Returns
    -------
    items, next
        ``next`` is None at the end.

    Raises
    ------
    ApiError
        400 where ``before`` is not one that this tenant's list gave.
    """
    return _page(reader, AlertRow, tenant, limit, before, log_time)


def audit(
    reader: Reader,
    tenant: str,
    *,
    limit: int,
    before: bytes | None = None,
    cause: tuple[str, str] | None = None,
    log_time: int = 0,
) -> Page:
    """List the data of a tenant's audit records, newest first; see `alerts`.

    Parameters
    ----------
    cause : (source, id), optional
        Only the record of this command: one or none.
    """
    if cause is not None:
        row = of_command(reader, tenant, *cause)
        return [] if row is None else [msgspec.Raw(row.data)], None
    return _page(reader, AuditRow, tenant, limit, before, log_time)


def _page(
    reader: Reader, kind: type[R], tenant: str, limit: int, before: bytes | None, log_time: int
) -> Page:
    if before is not None and not before.startswith(tenant_key(kind, tenant)):
        raise ApiError(400, "bad_request", "the cursor is not one of this list")
    items: list[msgspec.Raw] = []
    last = None
    for key, row in newest_first(reader, kind, tenant, before=before, log_time=log_time):
        if len(items) == limit:
            return items, last
        items.append(msgspec.Raw(row.data))
        last = key
    return items, None


def _budget(
    reader: Reader, tenant: str, budget_id: str, budget: BudgetRow, log_time: int
) -> dict[str, Any]:
    period = periods_at(budget.timezone, log_time)[budget.period]
    key = spend_keys(budget_key(tenant, budget_id), budget.generation) + period.key
    spend = reader.get(SpendRow, key) or SpendRow(period.start, period.end, budget.revision)
    since, expected = budget.counted_since, forecast(budget, spend, log_time)
    return {
        "config": {
            "budget_id": budget_id,
            "limit_usd": format_usd(budget.limit),
            "period": PERIODS[budget.period],
            "timezone": budget.timezone,
            "thresholds": list(budget.thresholds),
            "forecast": budget.forecast,
            "scope": dict(budget.scope),
        },
        "revision": budget.revision,
        "counted_since": None if since is None else format_time(since),
        "spent_usd": format_usd(spend.spent),
        "held_usd": format_usd(held(reader, tenant, budget_id, log_time)),
        "forecast_usd": None if expected is None else format_usd(expected),
        "fired": list(spend.fired),
        "exceeded": spend.exceeded,
        "unpriced_calls": spend.unpriced_calls,
        "period_start": format_time(period.start),
        "period_end": format_time(period.end),
    }
