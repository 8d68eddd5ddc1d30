"""Which usage periods an event belongs to, when the tenant's zone may have changed.

An opened period keeps its bounds. An event falls into the opened period that holds it, else it
opens one in the tenant's present zone, cut so that it overlaps none that is open.

When the zone changes, the tenant's row notes for each kind the latest period opened until then, its
fence. An event inside the fence or after it needs no look-up; only an earlier one does.
"""

from streams.core.fold import Reader
from streams.core.rows import sortable, tenant_key
from streams.usage.periods import CODES, Four, Period, period, periods_at
from streams.usage.rows import PeriodRow, TenantRow

_NONE_OPENED = (-(1 << 62), -(1 << 62))


def opened_periods(reader: Reader, tenant: str, row: TenantRow, time: int) -> Four:
    """Hour, day, week and month of an event of this tenant."""
    natural = periods_at(row.timezone, time)
    if not row.fences:
        return natural
    return Four(
        _cut(reader, tenant, index, natural[index], fence, time)
        for index, fence in enumerate(row.fences)
    )


def fences(reader: Reader, tenant: str) -> tuple[tuple[int, int], ...]:
    """Latest opened period of each kind."""
    found = []
    for code in CODES:
        last = next(reader.scan(PeriodRow, tenant_key(PeriodRow, tenant, code), reverse=True), None)
        found.append(_NONE_OPENED if last is None else (last[1].start, last[1].end))
    return tuple(found)


def _cut(
    reader: Reader, tenant: str, index: int, natural: Period, fence: tuple[int, int], time: int
) -> Period:
    fence_start, fence_end = fence
    if natural.start >= fence_end:
        return natural
    if time >= fence_end:
        return period(index, fence_end, natural.end)
    if time >= fence_start:
        return period(index, fence_start, fence_end)
    prefix = tenant_key(PeriodRow, tenant, CODES[index])
    here = prefix + sortable(time)
    start, end = natural.start, natural.end
    before = next(reader.scan(PeriodRow, prefix, reverse=True, start=here), None)
    if before is not None:
        if time < before[1].end:
            return period(index, before[1].start, before[1].end)
        start = max(start, before[1].end)
    after = next(reader.scan(PeriodRow, prefix, start=here), None)
    if after is not None:
        end = min(end, after[1].start)
    return period(index, start, end)
