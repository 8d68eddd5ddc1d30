"""Usage counters: an event adds to one row of its hour, day, week and month each."""

import msgspec
from msgspec.structs import astuple

from streams.core.fold import Entry, Output, View
from streams.core.journal import Target, audit
from streams.core.rows import tenant_key
from streams.core.time import format_time
from streams.usage.opened import opened_periods
from streams.usage.periods import PERIODS, Period
from streams.usage.rows import ConfigRow, PeriodRow, TenantRow, UsageRow
from streams.usage.scope import Scope, pack

_NOTHING = UsageRow()


class Metered(msgspec.Struct, frozen=True, gc=False):
    """One metered call: its scope, and what it adds to the counters. Money is nano-USD."""

    scope: Scope
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_creation_tokens: int
    reported: int
    computed: int
    """Zero where a cost was reported: cost = reported + computed."""
    unpriced: int
    """1 where the cost is neither reported nor known from a price."""


def count(
    view: View,
    entry: Entry,
    tenant: TenantRow,
    config: ConfigRow,
    call: Metered,
    outputs: list[Output],
) -> None:
    """Add a call to the usage rows of its four periods."""
    name = entry.record.tenant
    prefix = tenant_key(UsageRow, name)
    scope = pack(call.scope)
    closed = entry.log_time - config.grace
    # Four rows an event are most of the fold's time: looked up once, passed by position.
    _, read, written, cache_read, cache_creation, reported, computed, unpriced = astuple(call)
    get, put = view.get, view.put
    for index, period in enumerate(opened_periods(view, name, tenant, entry.record.time)):
        key = prefix + period.key + scope
        row = get(UsageRow, key)
        if row is None:
            row = _NOTHING
            open_period(view, name, tenant, period)
        late = period.end < closed
        put(
            key,
            UsageRow(
                row.calls + 1,
                row.input_tokens + read,
                row.output_tokens + written,
                row.cache_read_tokens + cache_read,
                row.cache_creation_tokens + cache_creation,
                row.reported + reported,
                row.computed + computed,
                row.unpriced_calls + unpriced,
                row.late_events + late,
                row.runs,
            ),
        )
        if late:
            note_late(view, entry, index, period, outputs)


def open_period(view: View, tenant: str, row: TenantRow, period: Period) -> None:
    """Keep the bounds of a period, unless they are kept."""
    key = tenant_key(PeriodRow, tenant, period.key)
    if view.get(PeriodRow, key) is None:
        view.put(key, PeriodRow(period.start, period.end, row.timezone))


def note_late(view: View, entry: Entry, index: int, period: Period, outputs: list[Output]) -> None:
    """Leave one event.late per tenant and period."""
    key = tenant_key(PeriodRow, entry.record.tenant, period.key)
    row = view.get(PeriodRow, key)
    if row is None or row.late_noted:
        return
    view.put(key, PeriodRow(row.start, row.end, row.timezone, True))
    start = format_time(row.start)
    audit(
        view,
        entry,
        outputs,
        action="event.late",
        target=Target("period", f"{PERIODS[index]}/{start}"),
        details={
            "period": PERIODS[index],
            "period_start": start,
            "period_end": format_time(row.end),
            "timezone": row.timezone,
        },
        command=False,
    )
