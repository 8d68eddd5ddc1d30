"""What a budget's period will come to if spending goes on at its rate so far."""

from streams.usage.rows import BudgetRow, SpendRow

OBSERVATIONS = 3
"""A forecast needs as many observations..."""
SHARE = 10
"""...and the period's tenth part to have passed."""


def forecast(budget: BudgetRow, row: SpendRow, log_time: int) -> int | None:
    """Spend of the whole period at the rate so far, nano-USD rounded down.

    The rate is that of the part of the period in which the budget has counted: what is spent,
    by the log's time that has passed of it, times its length.

    Returns
    -------
    int or None
        None where the budget wants none, there is too little to go by, or the period is over.

    Examples
    --------
    >>> daily = BudgetRow(100, 1, "UTC", (), True, (), 1, 1, None)
    >>> forecast(daily, SpendRow(0, 1000, 1, spent=30, calls=3), 250)
    120
    """
    if not budget.forecast or row.calls < OBSERVATIONS or not begins(budget, row) <= log_time:
        return None
    if log_time >= row.end:
        return None
    since = counted_from(budget, row)
    return row.spent * (row.end - since) // (log_time - since)


def is_exceeded(budget: BudgetRow, row: SpendRow, log_time: int) -> bool:
    """Whether the forecast is above the limit, exactly: what was rounded off counts."""
    since = counted_from(budget, row)
    exact = row.spent * (row.end - since) > budget.limit * (log_time - since)
    return exact and forecast(budget, row, log_time) is not None


def begins(budget: BudgetRow, row: SpendRow) -> int:
    """Log time from which a period has forecasts."""
    return counted_from(budget, row) - (row.start - row.end) // SHARE


def counted_from(budget: BudgetRow, row: SpendRow) -> int:
    """When the budget began to count in a period."""
    return max(row.start, row.start if budget.counted_since is None else budget.counted_since)
