"""Usage counters: an event adds to one row of its hour, day, week and month each.

Sums commute, so they are gathered first and added to the four rows when the fold's changes are
taken: those rows were most of what an event cost.
"""

import msgspec

from streams.core.fold import Effect, Entry, View
from streams.core.journal import Target, audit
from streams.core.rows import tenant_key
from streams.core.time import format_time
from streams.usage.opened import opened_periods
from streams.usage.periods import CODES, PERIODS, Four, Period
from streams.usage.rows import (
    ConfigRow,
    ExtraRow,
    PeriodRow,
    StatementRow,
    TenantRow,
    UsageRow,
    statement_key,
)
from streams.usage.scope import Scope, pack

MONTH = CODES[3]
_EMBEDDED = ExtraRow(embeddings=1)


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


class Tally:
    """What the calls and runs of one scope add to the rows of their four periods."""

    __slots__ = (
        "cache_creation_tokens",
        "cache_read_tokens",
        "calls",
        "computed",
        "input_tokens",
        "keys",
        "late_events",
        "output_tokens",
        "reported",
        "runs",
        "unpriced_calls",
    )

    def __init__(self, keys: tuple[bytes, ...]) -> None:
        self.keys = keys
        self.calls = self.input_tokens = self.output_tokens = 0
        self.cache_read_tokens = self.cache_creation_tokens = 0
        self.reported = self.computed = self.unpriced_calls = self.runs = 0
        self.late_events = [0] * len(keys)

    def settle(self, view: View) -> None:
        """Add everything to the rows."""
        in_time = self._row(0)
        for key, late_events in zip(self.keys, self.late_events, strict=True):
            more = self._row(late_events) if late_events else in_time
            row = view.get(UsageRow, key)
            view.put(key, more if row is None else row.plus(more))

    def _row(self, late_events: int) -> UsageRow:
        return UsageRow(
            self.calls,
            self.input_tokens,
            self.output_tokens,
            self.cache_read_tokens,
            self.cache_creation_tokens,
            self.reported,
            self.computed,
            self.unpriced_calls,
            late_events,
            self.runs,
        )


def count_call(
    view: View,
    entry: Entry,
    tenant: TenantRow,
    config: ConfigRow,
    call: Metered,
    outputs: list[Effect],
) -> None:
    """Add a call to the usage of its four periods."""
    periods = opened_periods(view, entry.record.tenant, tenant, entry.record.time)
    tally = _tally(view, entry.record.tenant, tenant, call.scope, periods)
    tally.calls += 1
    tally.input_tokens += call.input_tokens
    tally.output_tokens += call.output_tokens
    tally.cache_read_tokens += call.cache_read_tokens
    tally.cache_creation_tokens += call.cache_creation_tokens
    tally.reported += call.reported
    tally.computed += call.computed
    tally.unpriced_calls += call.unpriced
    _count_late(view, entry, config, tally, periods, outputs)


def count_run(
    view: View,
    entry: Entry,
    tenant: TenantRow,
    config: ConfigRow,
    scope: Scope,
    outputs: list[Effect],
    *,
    with_call: bool,
) -> None:
    """Count a run in the usage of the four periods of its first event.

    Parameters
    ----------
    with_call : bool
        The event's call was counted: if it is late, that was noted.
    """
    periods = opened_periods(view, entry.record.tenant, tenant, entry.record.time)
    tally = _tally(view, entry.record.tenant, tenant, scope, periods)
    tally.runs += 1
    if not with_call:
        _count_late(view, entry, config, tally, periods, outputs)


def count_embedding(
    view: View,
    entry: Entry,
    tenant: TenantRow,
    config: ConfigRow,
    scope: Scope,
    outputs: list[Effect],
    *,
    with_call: bool,
) -> None:
    """Count that a message's content was embedded; see `count_run`."""
    name = entry.record.tenant
    periods = opened_periods(view, name, tenant, entry.record.time)
    add_extra(view, name, tenant, scope, periods, _EMBEDDED)
    if not with_call and entry.log_time - config.grace > periods.first_end:
        tally = _tally(view, name, tenant, scope, periods)
        _count_late(view, entry, config, tally, periods, outputs)


def add_extra(
    view: View, name: str, tenant: TenantRow, scope: Scope, periods: Four, more: ExtraRow
) -> None:
    """Add to the sums beside those of calls."""
    prefix, packed = tenant_key(ExtraRow, name), pack(scope)
    for period in periods:
        key = prefix + period.key + packed
        row = view.get(ExtraRow, key)
        if row is None:
            _open(view, name, tenant, period)
        view.put(key, more if row is None else row.plus(more))


def _tally(view: View, name: str, tenant: TenantRow, scope: Scope, periods: Four) -> Tally:
    """Find or begin the tally of a scope, with its periods opened."""
    place = (name, periods.key, scope)
    tally = view.deferred.get(place)
    if tally is None:
        prefix, packed = tenant_key(UsageRow, name), pack(scope)
        tally = Tally(tuple([prefix + period.key + packed for period in periods]))
        for period, key in zip(periods, tally.keys, strict=True):
            if view.get(UsageRow, key) is None:
                _open(view, name, tenant, period)
        view.deferred[place] = tally
    return tally  # type: ignore[return-value]


def _open(view: View, tenant: str, row: TenantRow, period: Period) -> None:
    """Keep the bounds of a period, unless they are kept."""
    key = tenant_key(PeriodRow, tenant, period.key)
    if view.get(PeriodRow, key) is None:
        view.put(key, PeriodRow(period.start, period.end, row.timezone))
        if period.key.startswith(MONTH):
            view.put(statement_key(tenant, period.key, period.end), StatementRow(period.end))


def _put_off_statement(view: View, entry: Entry, period: Period) -> None:
    """Give a month of which late events come the same grace again, unless its sums are being added.

    What is loaded long afterwards would else be stated with its first event alone.
    """
    tenant = entry.record.tenant
    key = statement_key(tenant, period.key, period.end)
    row = view.get(StatementRow, key)
    if row is not None and row.at is None:
        view.delete(key)
        due = statement_key(tenant, period.key, entry.log_time)
        view.put(due, StatementRow(entry.log_time))


def _count_late(
    view: View,
    entry: Entry,
    config: ConfigRow,
    tally: Tally,
    periods: Four,
    outputs: list[Effect],
) -> None:
    closed = entry.log_time - config.grace
    if closed <= periods.first_end:
        return
    for index, period in enumerate(periods):
        if period.end < closed:
            tally.late_events[index] += 1
            _note_late(view, entry, index, period, outputs)


def _note_late(view: View, entry: Entry, index: int, period: Period, outputs: list[Effect]) -> None:
    """Leave one event.late per tenant and period."""
    key = tenant_key(PeriodRow, entry.record.tenant, period.key)
    row = view.get(PeriodRow, key)
    if row is None or row.late_noted:
        return
    view.put(key, PeriodRow(row.start, row.end, row.timezone, True))
    if period.key.startswith(MONTH):
        _put_off_statement(view, entry, period)
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
