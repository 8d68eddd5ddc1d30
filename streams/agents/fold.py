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
    StateDelete,
    StateSet,
    TenantSet,
    Tick,
)
from streams.core.rows import Row
from streams.memory import rows as memory
from streams.memory.state import expire, fold_state_delete, fold_state_set
from streams.usage import rows as usage
from streams.usage.budget_commands import fold_budget_delete, fold_budget_set
from streams.usage.metering import fold_message
from streams.usage.service import fold_config, fold_refusal
from streams.usage.tenant_commands import fold_tenant_set

ROWS: tuple[type[Row], ...] = (*journal.ROWS, *usage.ROWS, *memory.ROWS)
"""All row kinds that folds write; the digest covers them."""


def fold_tick(view: View, entry: Entry, body: Tick) -> list[Output]:
    """Log time has moved: what is due goes, a bounded part with each tick."""
    expire(view, entry.log_time)
    return []


FOLDS: dict[type, Callable[[View, Entry, Any], list[Output]]] = {
    Message: fold_message,
    BudgetSet: fold_budget_set,
    BudgetDelete: fold_budget_delete,
    TenantSet: fold_tenant_set,
    Refusal: fold_refusal,
    Tick: fold_tick,
    Config: fold_config,
    StateSet: fold_state_set,
    StateDelete: fold_state_delete,
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
