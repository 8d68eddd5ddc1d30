"""usage.statement: what a tenant used in a month of its zone, said once when the month is closed.

A month of a tenant is due from the moment that it is opened; a tick whose log time is past its end
and the grace adds up its rows, some at a time, and sends the totals. What comes later still counts
in the usage of the month (and is late), but the statement is not sent again.
"""

from itertools import islice

from msgspec import structs

from streams.core.fold import Effect, Entry, View, settle
from streams.core.ids import derived_id
from streams.core.journal import Target, audit
from streams.core.rows import tenant_key
from streams.core.time import format_time
from streams.usage.rows import (
    CONFIG_KEY,
    NO_CONFIG,
    ConfigRow,
    ExtraRow,
    PeriodRow,
    StatementRow,
    UsageRow,
    month_of_statement,
)
from streams.usage.sums import Sums

AT_ONCE = 20
"""Statements that a tick sends."""
ROWS_AT_ONCE = 2_000
"""Rows that a tick adds up for them."""
SOURCE = "/agent-streams"


def send_statements(view: View, entry: Entry, outputs: list[Effect], counted: int) -> None:
    """Send the statements that are due, the months that ended first.

    Parameters
    ----------
    counted : int
        Log time up to which byte-hours are counted: a month is not told of before.
    """
    config = view.get(ConfigRow, CONFIG_KEY) or NO_CONFIG
    closed = min(entry.log_time - config.grace, counted + 1)
    left = ROWS_AT_ONCE
    for key, row in list(islice(view.scan(StatementRow, StatementRow.kind), AT_ONCE)):
        if row.end >= closed or left == 0:
            return
        if left == ROWS_AT_ONCE:
            # This reads sums that records of the same chunk may have added to.
            settle(view)
        tenant, month = month_of_statement(key)
        sums, at, left = _added(view, tenant, month, row, left)
        if at is None:
            view.delete(key)
            _send(view, entry, outputs, tenant, month, sums)
        else:
            view.put(key, StatementRow(row.end, sums.usage, sums.extra, at))


def _added(
    view: View, tenant: str, month: bytes, row: StatementRow, left: int
) -> tuple[Sums, bytes | None, int]:
    """Add up more rows of a month: sums, where to go on (None: nowhere), rows left to the tick."""
    sums = Sums()
    sums.usage, sums.extra = row.usage, row.extra
    at = row.at
    kinds: tuple[type[UsageRow] | type[ExtraRow], ...] = (UsageRow, ExtraRow)
    for kind in kinds:
        prefix = tenant_key(kind, tenant, month)
        if at is not None and not at.startswith(prefix):
            continue
        for key, more in view.scan(kind, prefix, start=at):
            if left == 0:
                return sums, key, left
            sums.add(more)
            left -= 1
        at = None
    return sums, None, left


def _send(
    view: View, entry: Entry, outputs: list[Effect], tenant: str, month: bytes, sums: Sums
) -> None:
    period = view.get(PeriodRow, tenant_key(PeriodRow, tenant, month))
    assert period is not None
    start = format_time(period.start)
    # A tick is nobody's; this is what it says of one tenant.
    record = structs.replace(entry.record, tenant=tenant, source=SOURCE)
    audit(
        view,
        structs.replace(entry, record=record),
        outputs,
        action="usage.statement",
        target=Target("period", f"month/{start}"),
        details={
            "statement_id": derived_id(tenant, "usage.statement", "month", start),
            "period": "month",
            "period_start": start,
            "period_end": format_time(period.end),
            "timezone": period.timezone,
            **sums.shown(),
        },
        command=False,
    )
