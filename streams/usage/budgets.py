"""What a budget's figure means: which of its alerts are due, and what is noted of them."""

from functools import partial

from streams.core.fold import Effect, Entry, Reader, View
from streams.core.time import HOUR
from streams.usage.alerts import CORRECTED, CROSSED, EXCEEDED, FORECAST, RECOVERED, send_alert
from streams.usage.forecast import is_exceeded
from streams.usage.rows import (
    CONFIG_KEY,
    NO_CONFIG,
    BudgetRow,
    ConfigRow,
    SpendRow,
    budget_key,
)

DEFAULT = "default"
_DAY = 1


def default_budget(row: BudgetRow | None, config: ConfigRow, since: int | None) -> BudgetRow:
    """Make the budget of a tenant that has set none; its revision rises with the configuration."""
    if row is not None:
        since = row.counted_since
    return BudgetRow(
        limit=config.default_budget,
        period=_DAY,
        timezone="UTC",
        thresholds=(50, 80, 100),
        forecast=True,
        scope=(),
        revision=1 if row is None else row.revision + (row.limit != config.default_budget),
        generation=1,
        counted_since=since,
        implicit=True,
    )


def present(reader: Reader, tenant: str, budget_id: str) -> BudgetRow | None:
    """A budget as it is now, perhaps deleted; the default one needs no row."""
    row = reader.get(BudgetRow, budget_key(tenant, budget_id))
    if budget_id == DEFAULT and (row is None or row.implicit):
        config = reader.get(ConfigRow, CONFIG_KEY) or NO_CONFIG
        return default_budget(row, config, since=None)
    return row


def evaluate(
    view: View,
    entry: Entry,
    outputs: list[Effect],
    budget_id: str,
    budget: BudgetRow,
    row: SpendRow,
    *,
    late: bool,
    moved: bool = False,
) -> SpendRow:
    """Send what a period's figure means under the budget as it is now; give the row with it noted.

    First what was fired and holds no more, then what holds and was not fired: thresholds ascending,
    exceeded, the forecast. Each alert goes out once under a revision, since its id would be the
    same. So what holds again after it was taken back, or the other way round, is told by a
    correction; and so is a figure that moved after its alert, when the period was closed.

    Parameters
    ----------
    late : bool
        The period was closed already.
    moved : bool
        This event changed the figure of a closed period.
    """
    tell = partial(send_alert, view, entry, outputs, budget_id, budget, row, late=late)
    sent = len(outputs)
    if row.revision == budget.revision:
        fired, recovered, forecast = row.fired, row.recovered, row.forecast
        crossed, overrun = max(row.crossed, len(fired)), row.overrun or row.exceeded
    else:
        recovered = tuple(t for t in row.fired if row.spent < figure_of(budget, t))
        for threshold in recovered:
            tell(RECOVERED, threshold=threshold)
        fired, forecast, crossed, overrun = (), False, 0, False
    again = False
    holding = tuple(t for t in budget.thresholds if row.spent >= figure_of(budget, t))
    for threshold in fired[len(holding) :]:
        if threshold in recovered:
            again = True
        else:
            tell(RECOVERED, threshold=threshold)
            recovered = (*recovered, threshold)
    again |= len(fired) < min(len(holding), crossed)
    for threshold in holding[crossed:]:
        tell(CROSSED, threshold=threshold)
    exceeded = row.spent > budget.limit
    if exceeded and not overrun:
        tell(EXCEEDED)
    # Its end has no alert of its own; nor has its coming back.
    again |= overrun and exceeded != row.exceeded
    if not forecast and is_exceeded(budget, row, entry.log_time):
        tell(FORECAST)
        forecast = True
    hour = entry.log_time // HOUR
    corrected = row.corrected
    untold = again and len(outputs) == sent
    if hour > corrected and (untold or (moved and (row.alerted or bool(row.fired)))):
        tell(CORRECTED)
        corrected = hour
    return SpendRow(
        row.start,
        row.end,
        budget.revision,
        row.spent,
        row.calls,
        row.unpriced_calls,
        holding,
        exceeded,
        max(crossed, len(holding)),
        overrun or exceeded,
        recovered,
        forecast,
        corrected,
        row.alerted or len(outputs) > sent,
    )


def figure_of(budget: BudgetRow, threshold: int) -> int:
    """The smallest figure at which ``spent * 100 >= limit * threshold``.

    Examples
    --------
    >>> figure_of(BudgetRow(101, 1, "UTC", (50,), True, (), 1, 1, None), 50)
    51
    """
    return -(-budget.limit * threshold // 100)


def with_figures(row: SpendRow, spent: int, calls: int, unpriced_calls: int) -> SpendRow:
    """Give a row with other figures, and with the alerts that it notes."""
    # Half of what `msgspec.structs.replace` takes, once for each figure of a chunk.
    return SpendRow(
        row.start,
        row.end,
        row.revision,
        spent,
        calls,
        unpriced_calls,
        row.fired,
        row.exceeded,
        row.crossed,
        row.overrun,
        row.recovered,
        row.forecast,
        row.corrected,
        row.alerted,
    )
