"""Runs of jobs in usage: each is counted once, in the periods of its first event."""

from msgspec.structs import replace

from streams.core.fold import Entry, Output, View
from streams.core.rows import tenant_key
from streams.usage.counters import note_late, open_period
from streams.usage.opened import opened_periods
from streams.usage.rows import ConfigRow, TenantRow, UsageRow
from streams.usage.scope import Scope, pack


def count_run(
    view: View,
    entry: Entry,
    tenant: TenantRow,
    config: ConfigRow,
    scope: Scope,
    outputs: list[Output],
    *,
    with_call: bool,
) -> None:
    """Count a run in the usage rows of its four periods.

    Parameters
    ----------
    with_call : bool
        The event's call was counted: if it is late, that was noted.
    """
    record = entry.record
    prefix = tenant_key(UsageRow, record.tenant)
    closed = entry.log_time - config.grace
    for index, period in enumerate(opened_periods(view, record.tenant, tenant, record.time)):
        key = prefix + period.key + pack(scope)
        row = view.get(UsageRow, key)
        if row is None:
            row = UsageRow()
            open_period(view, record.tenant, tenant, period)
        late = period.end < closed and not with_call
        view.put(key, replace(row, runs=row.runs + 1, late_events=row.late_events + late))
        if late:
            note_late(view, entry, index, period, outputs)
