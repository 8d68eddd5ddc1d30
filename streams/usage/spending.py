"""Spend of budgets: gathered over a chunk, and looked at where it may mean something.

An event adds to one figure of each budget that it falls under. A figure knows the bounds within
which nothing is to be sent, as plain integers, so that the usual event costs two comparisons. It
becomes a row when the fold's changes are taken, or before a command asks (`settle_spending`), and
is kept for the next chunk. Leaving out an evaluation that sends nothing changes nothing: chunks of
any size give the same.
"""

from functools import lru_cache

import msgspec

from streams.core.fold import Effect, Entry, View
from streams.core.rows import tenant_key
from streams.usage.budgets import default_budget, evaluate, figure_of, with_figures
from streams.usage.counters import Metered
from streams.usage.forecast import OBSERVATIONS, begins, counted_from
from streams.usage.periods import periods_at
from streams.usage.rows import (
    BudgetRow,
    ConfigRow,
    SpendRow,
    TenantRow,
    budget_key,
    spend_keys,
)
from streams.usage.scope import Scope, matches

_FAR = 1 << 200
"""Beyond all times and figures."""


class _Figure:
    """What one budget counts in one period."""

    __slots__ = (
        "calls",
        "changed",
        "end",
        "high",
        "key",
        "low",
        "row",
        "spent",
        "start",
        "unpriced",
        "watch",
    )

    def __init__(self, key: bytes, row: SpendRow) -> None:
        self.key = key
        self.row = row
        """The alerts that it notes hold; its figures are as they were."""
        self.start, self.end = row.start, row.end
        self.spent, self.calls, self.unpriced = row.spent, row.calls, row.unpriced_calls
        self.changed = False
        """Since it was made a row."""
        self.low = self.high = 0
        """Nothing is to be sent where ``low <= spent < high`` before the log time ``watch``."""
        self.watch = 0

    def as_row(self) -> SpendRow:
        return with_figures(self.row, self.spent, self.calls, self.unpriced)

    def bound(self, budget: BudgetRow, log_time: int) -> None:
        """Find the bounds from the alerts that the row notes."""
        row = self.row
        self.watch = _FAR
        if row.revision != budget.revision:
            self.low = _FAR
            return
        fired = len(row.fired)
        limit, thresholds = budget.limit, budget.thresholds
        self.low = figure_of(budget, thresholds[fired - 1]) if fired else -_FAR
        self.high = figure_of(budget, thresholds[fired]) if fired < len(thresholds) else _FAR
        if row.exceeded:
            self.low = max(self.low, limit + 1)
        else:
            self.high = min(self.high, limit + 1)
        if not budget.forecast or row.forecast or log_time >= self.end:
            return
        since, start = counted_from(budget, row), begins(budget, row)
        if self.calls < OBSERVATIONS or log_time < start:
            self.watch = start
        else:
            # Log time only rises, and with it the spend at which the forecast is the limit.
            self.high = min(self.high, limit * (log_time - since) // (self.end - since) + 1)


_NO_FIGURE = _Figure(b"", SpendRow(0, 0, 0))


class _Line:
    """One budget of a tenant, with the figures that the chunk has touched, and the last one."""

    __slots__ = ("budget", "budget_id", "current", "figures", "key", "scope")

    def __init__(self, budget_id: str, key: bytes, budget: BudgetRow) -> None:
        self.budget_id = budget_id
        self.key = key
        self.budget = budget
        self.scope = budget.scope
        self.figures: dict[int, _Figure] = {}
        """By the start of their period."""
        self.current = _NO_FIGURE

    def at(self, view: View, time: int, log_time: int) -> _Figure:
        """Figure of the period that holds a time."""
        budget = self.budget
        period = periods_at(budget.timezone, time)[budget.period]
        figure = self.figures.get(period.start)
        if figure is None:
            key = spend_keys(self.key, budget.generation) + period.key
            row = view.get(SpendRow, key)
            figure = _Figure(key, row or SpendRow(period.start, period.end, budget.revision))
            figure.bound(budget, log_time)
            self.figures[period.start] = figure
        self.current = figure
        return figure


class _Spending:
    """The budgets of one tenant."""

    __slots__ = ("changed", "default_budget", "lines", "place")

    def __init__(self, place: bytes, lines: list[_Line], config: ConfigRow) -> None:
        self.place = place
        self.lines = lines
        self.default_budget = config.default_budget
        self.changed: list[_Figure] = []

    def settle(self, view: View) -> None:
        """Make rows of the figures that have changed; each line keeps one figure."""
        for figure in self.changed:
            view.put(figure.key, figure.as_row())
            figure.changed = False
        self.changed.clear()
        for line in self.lines:
            if len(line.figures) > 1:
                current = line.current
                line.figures = {current.start: current}

    def touch(self, view: View, figure: _Figure) -> None:
        """Note that a figure changes."""
        if not self.changed:
            view.deferred[self.place] = self
        self.changed.append(figure)
        figure.changed = True


class Counted(msgspec.Struct, frozen=True):
    """What of a call counts in one budget, where a reservation has told of the rest already."""

    budget_id: str
    cost: int


def spend(
    view: View,
    entry: Entry,
    tenant: TenantRow,
    config: ConfigRow,
    call: Metered,
    outputs: list[Effect],
    counted: Counted | None = None,
) -> None:
    """Add a call's cost to all budgets of its tenant and send the alerts that follow."""
    cost, time, more = call.reported + call.computed, entry.record.time, (1, call.unpriced)
    spending = _of(view, entry.record.tenant, tenant, config, time)
    lines = spending.lines
    if counted is not None:
        own = [line for line in lines if line.budget_id == counted.budget_id]
        _add(view, entry, config, spending, own, call.scope, time, counted.cost, more, outputs)
        lines = [line for line in lines if line.budget_id != counted.budget_id]
    _add(view, entry, config, spending, lines, call.scope, time, cost, more, outputs)


def charge(
    view: View,
    entry: Entry,
    tenant: TenantRow,
    config: ConfigRow,
    budget_id: str,
    amount: int,
    calls: int,
    outputs: list[Effect],
) -> None:
    """Add to one budget alone, at the record's event time, whatever its scope is."""
    time = entry.record.time
    spending = _of(view, entry.record.tenant, tenant, config, time)
    own = [line for line in spending.lines if line.budget_id == budget_id]
    _add(view, entry, config, spending, own, None, time, amount, (calls, 0), outputs)


def adjust(
    view: View,
    entry: Entry,
    tenant: TenantRow,
    config: ConfigRow,
    scope: Scope,
    time: int,
    amount: int,
    outputs: list[Effect],
) -> None:
    """Add a correction to all budgets of a tenant that it falls under; it is no observation.

    Parameters
    ----------
    scope : Scope
        Which budgets it falls under, as a call's does.
    time : int
        The event time in whose periods it counts, microseconds.
    amount : int
        Signed, nano-USD. A figure may go below zero: more was given back than is known of.
    """
    spending = _of(view, entry.record.tenant, tenant, config, time)
    _add(view, entry, config, spending, spending.lines, scope, time, amount, (0, 0), outputs)


def settle_spending(view: View, tenant: str) -> None:
    """Make rows of what a tenant has spent: called before a fold reads or changes its budgets."""
    place = _place(tenant)
    view.kept.pop(place, None)
    spending = view.deferred.pop(place, None)
    if spending is not None:
        spending.settle(view)


def _add(
    view: View,
    entry: Entry,
    config: ConfigRow,
    spending: _Spending,
    lines: list[_Line],
    scope: Scope | None,
    time: int,
    amount: int,
    more: tuple[int, int],
    outputs: list[Effect],
) -> None:
    """Add an amount, and calls and unpriced ones, to the lines of this scope (None: all)."""
    log_time = entry.log_time
    closed = log_time - config.grace
    calls, unpriced = more
    for line in lines:
        if line.scope and scope is not None and not matches(line.scope, scope):
            continue
        figure = line.current
        if not figure.start <= time < figure.end:
            figure = line.at(view, time, log_time)
        if not figure.changed:
            spending.touch(view, figure)
        spent = figure.spent = figure.spent + amount
        figure.calls += calls
        figure.unpriced += unpriced
        if not figure.low <= spent < figure.high or log_time >= figure.watch or figure.end < closed:
            late = figure.end < closed
            moved = late and amount != 0
            about = (line.budget_id, line.budget, figure.as_row())
            figure.row = evaluate(view, entry, outputs, *about, late=late, moved=moved)
            figure.bound(line.budget, log_time)


def _of(view: View, name: str, tenant: TenantRow, config: ConfigRow, time: int) -> _Spending:
    """Find a tenant's budgets as they were kept, or make them of the rows."""
    place = _place(name)
    found = view.kept.get(place)
    if isinstance(found, _Spending) and found.default_budget == config.default_budget:
        return found
    settle_spending(view, name)
    lines = []
    for budget_id in tenant.budgets:
        key = budget_key(name, budget_id)
        budget = view.get(BudgetRow, key)
        if budget is None or (budget.implicit and budget.limit != config.default_budget):
            budget = default_budget(budget, config, since=time)
            view.put(key, budget)
        lines.append(_Line(budget_id, key, budget))
    made = view.kept[place] = _Spending(place, lines, config)
    return made


@lru_cache(maxsize=8192)
def _place(tenant: str) -> bytes:
    return tenant_key(SpendRow, tenant)
