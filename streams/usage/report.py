"""The usage report: buckets of a kind of period, whole or split by one scope key."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from streams.core.errors import ApiError
from streams.core.fold import Reader
from streams.core.rows import sortable, tenant_key
from streams.core.time import format_time
from streams.usage.periods import CODES, INDEX, Period
from streams.usage.prices import own_prices
from streams.usage.rows import NO_TENANT, ExtraRow, PeriodRow, TenantRow, UsageRow
from streams.usage.scope import INDEX as SCOPE_INDEX
from streams.usage.scope import Scope
from streams.usage.stored import not_counted
from streams.usage.sums import Sums, rows_in

MAX_UNPRICED = 100
"""Models that a report lists as unpriced."""

Bounds = PeriodRow | Period
Stored = dict[int, tuple[Period, dict[Scope, int]]]
"""Start of a period to the period, and byte-microseconds by scope."""


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
        Up to when what is stored in memory counts.

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
    known = reader.get(TenantRow, tenant_key(TenantRow, tenant)) or NO_TENANT
    index = INDEX[period]
    stored = _stored(reader, tenant, known, index, log_time)
    buckets: list[dict[str, Any]] = []
    total = Sums()
    unpriced: Counter[tuple[str, str]] = Counter()
    for bounds in _periods(reader, tenant, CODES[index], start, end, stored):
        groups: dict[str, Sums] = {}
        for scope, row in _rows(reader, tenant, index, bounds, stored):
            value = "" if group_by is None else scope[SCOPE_INDEX[group_by]]
            groups.setdefault(value, Sums()).add(row)
            if isinstance(row, UsageRow) and row.unpriced_calls:
                unpriced[scope[:2]] += row.unpriced_calls
        for value in sorted(groups):
            total.add_all(groups[value])
            buckets.append(
                {
                    "start": format_time(bounds.start),
                    "end": format_time(bounds.end),
                    "group": None if group_by is None else {group_by: value},
                    **groups[value].shown(),
                }
            )
    return {
        "tenant": tenant,
        "timezone": known.timezone,
        "period": period,
        "buckets": buckets,
        "total": total.shown(),
        "unpriced": _unpriced(unpriced),
        "prices": own_prices(reader, tenant),
    }


def _stored(reader: Reader, tenant: str, row: TenantRow, index: int, log_time: int) -> Stored:
    """What is stored in memory and not counted yet, by the period's start."""
    found: Stored = {}
    for periods, scope, area in not_counted(reader, tenant, row, log_time):
        period = periods[index]
        _, areas = found.setdefault(period.start, (period, {}))
        areas[scope] = areas.get(scope, 0) + area
    return found


def _periods(
    reader: Reader, tenant: str, code: bytes, start: int | None, end: int | None, stored: Stored
) -> list[Bounds]:
    """Bounds of the periods to report: those that are kept, and those that ticks will open."""
    found: dict[int, Bounds] = {row.start: row for row in _opened(reader, tenant, code, start, end)}
    for period, _ in stored.values():
        if (start is None or period.end > start) and (end is None or period.start < end):
            found.setdefault(period.start, period)
    return [found[at] for at in sorted(found)]


def _rows(
    reader: Reader, tenant: str, index: int, bounds: Bounds, stored: Stored
) -> Iterator[tuple[Scope, UsageRow | ExtraRow]]:
    yield from rows_in(reader, tenant, CODES[index] + sortable(bounds.start))
    _, areas = stored.get(bounds.start, (None, {}))
    for scope, area in areas.items():
        yield scope, ExtraRow(byte_micros=area)


def _unpriced(calls: "Counter[tuple[str, str]]") -> list[dict[str, Any]]:
    """Models without a price, those with the most calls first."""
    models = sorted(calls.items(), key=lambda item: (-item[1], item[0]))
    return [
        {"provider": provider, "model": model, "calls": count}
        for (provider, model), count in models[:MAX_UNPRICED]
    ]


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
