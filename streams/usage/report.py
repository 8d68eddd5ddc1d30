"""The usage report: buckets of a kind of period, whole or split by one scope key."""

from collections.abc import Iterator
from typing import Any

from streams.core.errors import ApiError
from streams.core.fold import Reader
from streams.core.money import format_usd
from streams.core.rows import sortable, tenant_key
from streams.core.time import format_time
from streams.usage.periods import CODES, INDEX
from streams.usage.rows import NO_TENANT, NO_USAGE, PeriodRow, TenantRow, UsageRow
from streams.usage.scope import INDEX as SCOPE_INDEX
from streams.usage.scope import unpack


def usage_report(
    reader: Reader,
    tenant: str,
    *,
    period: str = "day",
    start: int | None = None,
    end: int | None = None,
    group_by: str | None = None,
    log_time: int = 0,
) -> dict[str, Any]:
    """Report a tenant's usage; one that is not known has used nothing.

    Parameters
    ----------
    reader : Reader
        Rows of the tenant's partition.
    tenant : str
    period : str
        hour, day, week or month.
    start, end : int, optional
        Periods that overlap ``[start, end)``, microseconds; all that are kept by default.
    group_by : str, optional
        One scope key: a bucket for each period and value.
    log_time : int
        Not needed yet.

    Returns
    -------
    dict
        The JSON body without ``as_of``.

    Raises
    ------
    ApiError
        422 where the period or the key is not one, or ``end`` is before ``start``.
    """
    if period not in INDEX:
        raise ApiError(422, "unprocessable", f"period must be one of {', '.join(INDEX)}")
    if group_by is not None and group_by not in SCOPE_INDEX:
        raise ApiError(422, "unprocessable", f"group_by must be one of {', '.join(SCOPE_INDEX)}")
    if start is not None and end is not None and end < start:
        raise ApiError(422, "unprocessable", "from must not be after to")
    buckets: list[dict[str, Any]] = []
    total = NO_USAGE
    for bounds, groups in _periods(reader, tenant, CODES[INDEX[period]], start, end, group_by):
        for value in sorted(groups):
            row = groups[value]
            total = total.plus(row)
            buckets.append(
                {
                    "start": format_time(bounds.start),
                    "end": format_time(bounds.end),
                    "group": None if group_by is None else {group_by: value},
                    **_sums(row),
                }
            )
    tenant_row = reader.get(TenantRow, tenant_key(TenantRow, tenant)) or NO_TENANT
    return {
        "tenant": tenant,
        "timezone": tenant_row.timezone,
        "period": period,
        "buckets": buckets,
        "total": _sums(total),
    }


def _periods(
    reader: Reader,
    tenant: str,
    code: bytes,
    start: int | None,
    end: int | None,
    group_by: str | None,
) -> Iterator[tuple[PeriodRow, dict[str, UsageRow]]]:
    """Yield each period with its sums by value (``""`` alone when not grouped)."""
    for bounds in _opened(reader, tenant, code, start, end):
        prefix = tenant_key(UsageRow, tenant, code + sortable(bounds.start))
        groups: dict[str, UsageRow] = {}
        for key, row in reader.scan(UsageRow, prefix):
            value = "" if group_by is None else unpack(key[len(prefix) :])[SCOPE_INDEX[group_by]]
            groups[value] = groups.get(value, NO_USAGE).plus(row)
        yield bounds, groups


def _opened(
    reader: Reader, tenant: str, code: bytes, start: int | None, end: int | None
) -> Iterator[PeriodRow]:
    prefix = tenant_key(PeriodRow, tenant, code)
    first = None
    if start is not None:
        first = prefix + sortable(start)
        before = next(reader.scan(PeriodRow, prefix, reverse=True, start=first), None)
        if before is not None and before[1].end > start:
            first = before[0]
    for _, row in reader.scan(PeriodRow, prefix, start=first):
        if end is not None and row.start >= end:
            return
        yield row


def _sums(row: UsageRow) -> dict[str, Any]:
    return {
        "calls": row.calls,
        "input_tokens": row.input_tokens,
        "output_tokens": row.output_tokens,
        "cache_read_tokens": row.cache_read_tokens,
        "cache_creation_tokens": row.cache_creation_tokens,
        "cost_usd": format_usd(row.reported + row.computed),
        "reported_usd": format_usd(row.reported),
        "computed_usd": format_usd(row.computed),
        "unpriced_calls": row.unpriced_calls,
        "late_events": row.late_events,
        "runs": row.runs,
    }
