"""Byte-hours: what projects keep in memory, over log time, counted into their periods by ticks.

A tick counts a bounded number of projects, each a bounded time further; what is not counted yet is
added when usage is read. So a report is exact at its log time, however far the ticks are.
"""

from collections.abc import Iterator
from itertools import islice

from streams.core.fold import Reader, View
from streams.core.held import SLOT, HeldRow, counted, stored, tenant_and_project
from streams.core.rows import tenant_key
from streams.core.time import HOUR
from streams.usage.counters import add_extra
from streams.usage.opened import opened_periods
from streams.usage.periods import Four
from streams.usage.rows import NO_TENANT, SWEPT_KEY, ExtraRow, SweptRow, TenantRow
from streams.usage.scope import Scope

AT_ONCE = 30
"""Projects that a tick counts."""
HOURS_AT_ONCE = 6
"""How much further a tick counts one: it is more than a tick behind only after a long rest."""
EVERY = HOUR


def count_stored(view: View, log_time: int) -> int:
    """Count what is stored further, a tick's part of it; up to where all is counted."""
    now = log_time // SLOT * SLOT
    swept = view.get(SweptRow, SWEPT_KEY)
    if swept is not None and swept.at is None and now < swept.until + EVERY:
        return swept.until
    start = None if swept is None else swept.at
    found = list(islice(view.scan(HeldRow, HeldRow.kind, start=start), AT_ONCE + 1))
    if start is None and not found:
        if swept is not None:
            view.delete(SWEPT_KEY)
        return now
    if swept is None:
        swept = SweptRow(min(row.since for _, row in found))
        view.put(SWEPT_KEY, swept)
    if start is None and now < swept.until + EVERY:
        return swept.until
    to = min(now, swept.until + HOURS_AT_ONCE * HOUR) if start is None else swept.to
    for key, row in found[:AT_ONCE]:
        _count(view, key, row, to)
    more = len(found) > AT_ONCE
    swept = SweptRow(swept.until, to, found[AT_ONCE][0]) if more else SweptRow(to)
    view.put(SWEPT_KEY, swept)
    return swept.until


def not_counted(
    reader: Reader, tenant: str, row: TenantRow, log_time: int
) -> Iterator[tuple[Four, Scope, int]]:
    """What a tenant's projects stored that no tick counted yet: periods, scope, byte-microseconds.

    Parameters
    ----------
    row : TenantRow
        The tenant's.
    log_time : int
        Up to when.
    """
    for key, held in reader.scan(HeldRow, tenant_key(HeldRow, tenant)):
        _, project = tenant_and_project(key)
        for periods, area in _by_period(reader, tenant, row, held, log_time):
            yield periods, scope_of(project), area


def scope_of(project: str) -> Scope:
    """What a project stores has no model, agent, job or cluster."""
    return ("", "", "", project, "", "")


def _count(view: View, key: bytes, row: HeldRow, to: int) -> None:
    if row.since >= to:
        return
    name, project = tenant_and_project(key)
    tenant = view.get(TenantRow, tenant_key(TenantRow, name)) or NO_TENANT
    for periods, area in _by_period(view, name, tenant, row, to):
        if area:
            add_extra(view, name, tenant, scope_of(project), periods, ExtraRow(byte_micros=area))
    left = counted(row, to)
    if left is None:
        view.delete(key)
    else:
        view.put(key, left)


def _by_period(
    reader: Reader, tenant: str, row: TenantRow, held: HeldRow, until: int
) -> Iterator[tuple[Four, int]]:
    """Byte-microseconds by hour (and the day, week and month that it is of)."""
    now: Four | None = None
    area = 0
    for piece in stored(held, until):
        at, more = piece.start, piece.more
        while at < piece.end:
            periods = opened_periods(reader, tenant, row, at)
            if now is not None and periods.key != now.key:
                yield now, area
                area = 0
            now = periods
            # What changes inside a slot is counted where it begins: no period ends in one.
            end = piece.end if more else min(piece.end, periods.first_end)
            area += piece.used * (end - at) + more
            at, more = end, 0
    if now is not None:
        yield now, area
