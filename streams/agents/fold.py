"""The fold: a record of the log to row changes and outputs, by the type of its body."""

from collections.abc import Callable
from typing import Any

from streams.core import held, journal
from streams.core.fold import Bounded, DeadLetter, Effect, Entry, View, changes_left, settle
from streams.core.log import (
    Accessed,
    BudgetDelete,
    BudgetReserve,
    BudgetSet,
    BudgetSettle,
    Config,
    DatasetDeclared,
    ErasureReached,
    HoldRelease,
    HoldSet,
    JobDeclared,
    JobRun,
    LeaseGiven,
    LeaseInquiry,
    LeaseRecalled,
    MemoryConsolidate,
    MemoryErase,
    MemorySplit,
    Message,
    PriceSet,
    QuotaGranted,
    QuotaRejected,
    Refusal,
    RetentionSet,
    StateDelete,
    StateSet,
    TenantSet,
    Tick,
    UsageAdjust,
)
from streams.core.rows import Row
from streams.core.time import SECOND
from streams.jobs import folds as jobs
from streams.jobs import rows as jobs_rows
from streams.jobs.forget import forget_texts
from streams.jobs.merge import ran, state_of
from streams.jobs.rows import RunRow
from streams.memory import forget_rows, leases, limit
from streams.memory import rows as memory
from streams.memory.access import fold_accessed
from streams.memory.bytes import tier_of
from streams.memory.consolidation import consolidate, fold_consolidate
from streams.memory.dating import fold_retention_set
from streams.memory.erase import fold_memory_erase
from streams.memory.fences import fence_ids
from streams.memory.forgetting import forget_on_time
from streams.memory.hold_commands import fold_hold_release, fold_hold_set
from streams.memory.pressure_ticks import relieve
from streams.memory.quotas import fold_quota_granted, fold_quota_rejected
from streams.memory.receipts import fold_erasure_reached
from streams.memory.remember import remember
from streams.memory.split import fold_split
from streams.memory.state import expire, fold_state_delete, fold_state_set
from streams.usage import rows as usage
from streams.usage.adjust import fold_usage_adjust
from streams.usage.budget_commands import fold_budget_delete, fold_budget_set
from streams.usage.metering import fold_message, meter_run, place_of_run
from streams.usage.prices import fold_price_set
from streams.usage.reservations import fold_reserve, fold_settle, forget
from streams.usage.runs import Ran
from streams.usage.service import fold_config, fold_refusal, refused
from streams.usage.statements import send_statements
from streams.usage.stored import count_stored
from streams.usage.tenant_commands import fold_tenant_set

TURNS = 4
"""In one of so many seconds ticks begin with what goes last in the others."""
KEPT, KEPT_IN_TURN = 90, 300
"""Row changes that forgetting leaves for pressure, which comes after it."""
FOR_STATEMENTS = 250

ROWS: tuple[type[Row], ...] = (
    *journal.ROWS,
    *held.ROWS,
    *usage.ROWS,
    *memory.ROWS,
    *forget_rows.ROWS,
    *jobs_rows.ROWS,
)
"""All row kinds that folds write; the digest covers them."""


def _message(view: View, entry: Entry, body: Message) -> list[Effect]:
    """Meter a message, and remember what it says if it says anything."""
    outputs = fold_message(view, entry, body)
    if body.erased is not None and body.erased.memory_id:
        # A replay of what the archive has left: who comes late finds the id fenced.
        fence_ids(view, entry.record.tenant, (body.erased.memory_id,), entry.timestamp)
    if body.content is not None:
        remember(view, entry, body, outputs)
        leases.ask_if_low(view, entry, outputs, tier_of(view, entry.record.tenant))
        _note_refusal(view, entry, outputs)
    return outputs


def _state_set(view: View, entry: Entry, body: StateSet) -> list[Effect]:
    outputs = fold_state_set(view, entry, body)
    _note_refusal(view, entry, outputs)
    return outputs


def _note_refusal(view: View, entry: Entry, effects: list[Effect]) -> None:
    """Remember what was refused, as of what admit refuses: who waits for it is told."""
    for effect in effects:
        if isinstance(effect, DeadLetter):
            refused(view, entry, effect.code)


def _tick(view: View, entry: Entry, body: Tick) -> list[Effect]:
    """Log time has moved: what is due goes, a bounded part with each tick."""
    # What earlier records of a chunk have put off is no change of this one.
    settle(view)
    view = Bounded(view)
    expire(view, entry)
    forget(view, entry.log_time)
    jobs.work(view, entry.log_time)
    effects = limit.fold_tick(view, entry, body)
    # What goes last may find no row left that the record may change: so it has turns.
    turn = entry.log_time // SECOND % TURNS == 0
    if turn:
        consolidate(view, entry, effects)
        send_statements(view, entry, effects, count_stored(view, entry.log_time))
    # Before anybody has to make room: what is due makes some.
    forget_on_time(view, entry, effects, forget_texts, KEPT_IN_TURN if turn else KEPT)
    relieve(view, entry, effects)
    leases.tick(view, entry, effects)
    if not turn:
        consolidate(view, entry, effects)
        if changes_left(view) >= FOR_STATEMENTS:
            send_statements(view, entry, effects, count_stored(view, entry.log_time))
    return effects


def _memory_erase(view: View, entry: Entry, body: MemoryErase) -> list[Effect]:
    return fold_memory_erase(view, entry, body, forget_texts)


def _config(view: View, entry: Entry, body: Config) -> list[Effect]:
    """Keep the settings that change results, each package its own."""
    fold_config(view, entry, body)
    jobs.fold_config(view, entry, body)
    return limit.fold_config(view, entry, body)


def _job_run(view: View, entry: Entry, body: JobRun) -> list[Effect]:
    before, now = jobs.fold_run(view, entry, body, place_of_run(entry, body))
    earlier = None if before is None else _ran(before)
    return meter_run(view, entry, body, now.counted, earlier, _ran(now))


def _ran(row: RunRow) -> Ran:
    return Ran(state_of(row), ran(row))


FOLDS: dict[type, Callable[[View, Entry, Any], list[Effect]]] = {
    Message: _message,
    BudgetSet: fold_budget_set,
    BudgetDelete: fold_budget_delete,
    BudgetReserve: fold_reserve,
    BudgetSettle: fold_settle,
    TenantSet: fold_tenant_set,
    PriceSet: fold_price_set,
    UsageAdjust: fold_usage_adjust,
    Refusal: fold_refusal,
    Tick: _tick,
    Config: _config,
    Accessed: fold_accessed,
    StateSet: _state_set,
    StateDelete: fold_state_delete,
    JobRun: _job_run,
    JobDeclared: jobs.fold_job,
    DatasetDeclared: jobs.fold_dataset,
    QuotaGranted: fold_quota_granted,
    QuotaRejected: fold_quota_rejected,
    LeaseGiven: leases.fold_given,
    LeaseRecalled: leases.fold_recalled,
    LeaseInquiry: leases.fold_inquiry,
    RetentionSet: fold_retention_set,
    HoldSet: fold_hold_set,
    HoldRelease: fold_hold_release,
    MemoryConsolidate: fold_consolidate,
    MemorySplit: fold_split,
    MemoryErase: _memory_erase,
    ErasureReached: fold_erasure_reached,
}


def fold(view: View, entry: Entry) -> list[Effect]:
    """Apply one record: a pure function of the rows and the record.

    Parameters
    ----------
    view : View
        Rows of the partition; changed in place.
    entry : Entry
        The record, its place in the log and the log's time.

    Returns
    -------
    list of Effect
        What goes out, in order.
    """
    body = entry.record.body
    return FOLDS[type(body)](view, entry, body)
