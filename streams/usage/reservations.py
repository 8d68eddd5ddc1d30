"""Reservations: money of a budget is held before it is spent, so that a limit holds.

All askers of a tenant are in its one log, whichever worker they asked, and the fold decides one
after the other: granted is what fits in spent + held + amount <= limit, in the period that log time
is in. What is held counts in whichever period it is still held.

Money is counted once however the two ways of telling it come. What goes through a reservation is
the larger of what was settled and of what usage events that name it (``reservation_id``) reported:
a settle adds what usage has not reported yet, and usage adds what no settle has said. So a proxy
that only settles loses nothing, and usage before or after a settle is not counted twice. Usage that
does not name its reservation is spend of its own.

A settle is the truth: above what was held it counts in full, and may exceed the limit. What is
never settled comes back at its time. The answer is kept for a day of log time after it.
"""

from streams.core.fold import Effect, Entry, Reader, View
from streams.core.log import BudgetReserve, BudgetSettle
from streams.core.rows import sortable, tenant_key
from streams.core.sweep import SweepRow
from streams.core.time import HOUR, SECOND
from streams.usage.budgets import present
from streams.usage.holds import held, hold, release, sweep
from streams.usage.periods import periods_at
from streams.usage.rows import (
    CONFIG_KEY,
    NO_CONFIG,
    NO_TENANT,
    BudgetRow,
    ConfigRow,
    ReservationDueRow,
    ReservationRow,
    SpendRow,
    TenantRow,
    budget_key,
    spend_keys,
)
from streams.usage.scope import Scope, matches
from streams.usage.spending import Counted, charge, settle_spending

KEPT = 24 * HOUR
"""How long after its due time a reservation's answer is kept, as long as an event's identity."""
AT_ONCE = 40
"""Reservations that one tick forgets."""
WITH_ONE = 2
"""Reservations that go with one that comes: more go than come."""
_SWEPT = SweepRow.kind + ReservationDueRow.kind


def fold_reserve(view: View, entry: Entry, body: BudgetReserve) -> list[Effect]:
    """Grant or refuse a reservation; one that was asked for before keeps its answer."""
    name, now = entry.record.tenant, entry.log_time
    forget(view, now, WITH_ONE)
    if find(view, name, body.reservation_id, now) is not None:
        return []
    budget = present(view, name, body.budget_id)
    if budget is None or budget.deleted:
        return []
    settle_spending(view, name)
    left = left_of(view, name, body.budget_id, budget, now)
    granted = body.amount <= left
    due = -(-(now + body.ttl_seconds * SECOND) // SECOND) * SECOND
    if granted:
        left -= body.amount
        hold(view, name, body.budget_id, due, body.amount, now)
    key = _key(name, body.reservation_id)
    held_now = body.amount if granted else 0
    view.put(key, ReservationRow(body.budget_id, body.amount, due, granted, left, held_now))
    view.put(_due_key(due + KEPT, key), ReservationDueRow())
    return []


def fold_settle(view: View, entry: Entry, body: BudgetSettle) -> list[Effect]:
    """End a reservation with what was spent; once, and not after it came back."""
    outputs: list[Effect] = []
    name, now = entry.record.tenant, entry.log_time
    row = find(view, name, body.reservation_id, now)
    if row is None or not is_open(row, now):
        return outputs
    release(view, name, row.budget_id, row.due, row.open)
    spent = max(0, body.amount - row.reported)
    if spent:
        tenant = view.get(TenantRow, tenant_key(TenantRow, name)) or NO_TENANT
        config = view.get(ConfigRow, CONFIG_KEY) or NO_CONFIG
        # Spend that no usage event has told of is an observation of its own.
        calls = 0 if row.reported else 1
        charge(view, entry, tenant, config, row.budget_id, spent, calls, outputs)
    settle_spending(view, name)
    budget = present(view, name, row.budget_id)
    left = 0
    if budget is not None and not budget.deleted:
        left = left_of(view, name, row.budget_id, budget, now)
    view.put(
        _key(name, body.reservation_id),
        ReservationRow(
            row.budget_id,
            row.amount,
            row.due,
            row.granted,
            row.left,
            0,
            row.reported,
            body.amount,
            left,
        ),
    )
    return outputs


def reported(
    view: View, entry: Entry, reservation_id: str, scope: Scope, cost: int
) -> Counted | None:
    """Note usage that names its reservation; it counts in its budget what a settle has not.

    What is held for it shrinks by its cost, so that it is not both held and spent.

    Returns
    -------
    Counted or None
        None where the reservation or its budget is not there, or usage of another scope.
    """
    name, now = entry.record.tenant, entry.log_time
    row = find(view, name, reservation_id, now)
    budget = None if row is None else present(view, name, row.budget_id)
    if row is None or not row.granted or budget is None or not matches(budget.scope, scope):
        return None
    settled = row.settled or 0
    more = max(settled, row.reported + cost) - max(settled, row.reported)
    still = row.open
    if is_open(row, now):
        still -= min(row.open, cost)
        release(view, name, row.budget_id, row.due, row.open - still)
    view.put(
        _key(name, reservation_id),
        ReservationRow(
            row.budget_id,
            row.amount,
            row.due,
            row.granted,
            row.left,
            still,
            row.reported + cost,
            row.settled,
            row.left_settled,
        ),
    )
    return Counted(row.budget_id, more)


def find(reader: Reader, tenant: str, reservation_id: str, log_time: int) -> ReservationRow | None:
    """A reservation that is not yet forgotten."""
    row = reader.get(ReservationRow, _key(tenant, reservation_id))
    return None if row is None or row.due + KEPT <= log_time else row


def is_open(row: ReservationRow, log_time: int) -> bool:
    """Whether it may be settled."""
    return row.granted and row.settled is None and log_time < row.due


def left_of(reader: Reader, tenant: str, budget_id: str, budget: BudgetRow, log_time: int) -> int:
    """What may still be reserved in the period that log time is in; below zero when exceeded."""
    period = periods_at(budget.timezone, max(log_time, 0))[budget.period]
    key = spend_keys(budget_key(tenant, budget_id), budget.generation) + period.key
    row = reader.get(SpendRow, key)
    spent = 0 if row is None else row.spent
    return budget.limit - spent - held(reader, tenant, budget_id, log_time)


def forget(view: View, log_time: int, at_most: int = AT_ONCE) -> None:
    """Drop reservations whose answers are no longer kept, the oldest first, at most so many."""
    swept = view.get(SweepRow, _SWEPT)
    start = None if swept is None else _due_key(swept.due, b"")
    end = _due_key(log_time + 1, b"")
    due: list[bytes] = []
    for key, _ in view.scan(ReservationDueRow, ReservationDueRow.kind, start=start):
        if key >= end or len(due) == at_most:
            break
        due.append(key)
    for key in due:
        view.delete(key)
        place = key[len(ReservationDueRow.kind) + 8 :]
        row = view.get(ReservationRow, place)
        if row is not None and row.due + KEPT <= log_time:
            view.delete(place)
            # Nobody may ever ask of its budget again: its part goes along.
            tenant = place[2:].partition(b"\x00")[0].decode()
            sweep(view, tenant, row.budget_id, log_time, at_most=2)
    if due:
        last = int.from_bytes(due[-1][2:10], "big") - (1 << 63)
        view.put(_SWEPT, SweepRow(last))


def _key(tenant: str, reservation_id: str) -> bytes:
    return tenant_key(ReservationRow, tenant, reservation_id.encode())


def _due_key(due: int, key: bytes) -> bytes:
    return ReservationDueRow.kind + sortable(due) + key
