"""The fold: a record of the log to row changes and outputs, by the type of its body."""

from collections.abc import Callable
from typing import Any

from streams.core import journal
from streams.core.fold import Entry, Output, View
from streams.core.log import (
    BudgetDelete,
    BudgetSet,
    Config,
    Message,
    Refusal,
    TenantSet,
    Tick,
)
from streams.core.rows import Row
from streams.usage import rows as usage
from streams.usage.budget_commands import fold_budget_delete, fold_budget_set
from streams.usage.metering import fold_message
from streams.usage.service import fold_config, fold_refusal, fold_tick
from streams.usage.tenant_commands import fold_tenant_set

ROWS: tuple[type[Row], ...] = (*journal.ROWS, *usage.ROWS)
"""All row kinds that folds write; the digest covers them."""

FOLDS: dict[type, Callable[[View, Entry, Any], list[Output]]] = {
    Message: fold_message,
    BudgetSet: fold_budget_set,
    BudgetDelete: fold_budget_delete,
    TenantSet: fold_tenant_set,
    Refusal: fold_refusal,
    Tick: fold_tick,
    Config: fold_config,
}


def fold(view: View, entry: Entry) -> list[Output]:
    """Apply one record: a pure function of the rows and the record.

    Parameters
    ----------
    view : View
        Rows of the partition; changed in place.
    entry : Entry
        The record, its place in the log and the log's time.

    Returns
    -------
    list of Output
        What goes out, in order.
    """
    body = entry.record.body
    return FOLDS[type(body)](view, entry, body)
