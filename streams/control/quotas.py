"""quota.set: granted or rejected here alone, and answered in the tenant's log."""

from itertools import islice

from msgspec import structs

from streams.control.rows import (
    CONTROL_KEY,
    AllocationRow,
    ControlRow,
    SeenAtRow,
    SeenRow,
    WaitingRow,
    allocation_key,
    control_of,
    seen_at_key,
    seen_key,
    waiting_key,
)
from streams.control.shares import TENANT_LOG, rebalance
from streams.core.fold import Effect, Entry, Fact, View
from streams.core.ids import event_hash, partition_of
from streams.core.log import QuotaGranted, QuotaRejected, QuotaSet
from streams.core.sweep import drop_old
from streams.core.time import HOUR

AT_ONCE = 100
"""Decisions of one record, once all partitions have spoken; the rest follow with ticks."""


def fold_quota_set(view: View, entry: Entry, body: QuotaSet) -> list[Effect]:
    """Decide, or keep for when all partitions have spoken."""
    effects: list[Effect] = []
    control = view.get(ControlRow, CONTROL_KEY)
    record = entry.record
    if control is None or not _first(view, entry, control):
        return effects
    asked = WaitingRow(record.tenant, record.source, record.id, body.quota_mb, body.tier)
    if control.complete and not control.waiting:
        decide(view, effects, asked)
    else:
        view.put(waiting_key(control.waiting), asked)
        view.put(CONTROL_KEY, structs.replace(control, waiting=control.waiting + 1))
    return effects


def decide_waiting(view: View, effects: list[Effect]) -> None:
    """Decide what came before all partitions had spoken, in its order."""
    control = view.get(ControlRow, CONTROL_KEY)
    if control is None or not control.complete or not control.waiting:
        return
    found = list(islice(view.scan(WaitingRow, WaitingRow.kind), AT_ONCE))
    for key, row in found:
        view.delete(key)
        decide(view, effects, row)
    if len(found) < AT_ONCE:
        control = control_of(view)
        view.put(CONTROL_KEY, structs.replace(control, waiting=0))


def decide(view: View, effects: list[Effect], asked: WaitingRow) -> None:
    """Grant a quota if the sum of all stays below the total without the reserve."""
    control = control_of(view)
    tenant, wanted = asked.tenant, asked.quota_mb
    key = allocation_key(tenant)
    before = view.get(AllocationRow, key)
    had = 0 if before is None else before.quota_mb
    allocated = control.allocated_mb - had + wanted
    answer: QuotaGranted | QuotaRejected
    # One that was lowered is granted although the total was lowered too.
    if allocated > control.allocatable_mb and wanted > had:
        detail = f"Cannot allocate {wanted}MB for tenant {tenant}"
        answer = QuotaRejected(wanted, asked.tier, "ResourceError", detail)
    else:
        answer = QuotaGranted(wanted, asked.tier)
        view.put(key, AllocationRow(wanted, asked.tier))
        view.put(CONTROL_KEY, structs.replace(control, allocated_mb=allocated))
    partition = partition_of(tenant, control.partitions)
    effects.append(Fact(TENANT_LOG, partition, tenant, answer, asked.source, asked.id))
    rebalance(view, effects)


def _first(view: View, entry: Entry, control: ControlRow) -> bool:
    """Whether a command is new within the window of deduplication; note it if so."""
    record = entry.record
    since = entry.log_time - control.dedupe_hours * HOUR
    oldest = seen_at_key(since, b"")
    for old in drop_old(
        view, SeenAtRow, SeenAtRow.kind, entry.log_time, lambda key, _: key < oldest
    ):
        seen = view.get(SeenRow, seen_key(old.identity))
        if seen is not None and seen.at <= since:
            view.delete(seen_key(old.identity))
    identity = event_hash(record.tenant, record.source, record.id)
    seen = view.get(SeenRow, seen_key(identity))
    if seen is not None and seen.at > since:
        return False
    view.put(seen_key(identity), SeenRow(entry.log_time))
    view.put(seen_at_key(entry.log_time, identity), SeenAtRow(identity))
    return True
