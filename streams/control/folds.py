"""Folds of tenant.control.v1, by the type of a record's body."""

from collections.abc import Callable
from itertools import islice
from typing import Any

from msgspec import structs

from streams.control.quotas import decide_waiting, fold_quota_set
from streams.control.rows import (
    CONTROL_KEY,
    AllocationRow,
    ControlRow,
    HolderRow,
    allocation_key,
    control_of,
    holder_key,
    holder_of,
)
from streams.control.shares import (
    TENANT_LOG,
    answer,
    give,
    holders,
    put_holder,
    rebalance,
    take_back,
)
from streams.core.fold import Effect, Entry, Fact, View
from streams.core.ids import partition_of
from streams.core.log import (
    Config,
    LeaseAnnounced,
    LeaseAsked,
    LeaseInquiry,
    LeaseReturned,
    LogRestored,
    QuotaGranted,
    QuotaSet,
    Tick,
)
from streams.core.memory_shares import reserve_stock
from streams.core.time import SECOND

RESTATED_AT_ONCE = 200
INQUIRE_EVERY = 30 * SECOND
_OFFSET_BITS = 48


def fold_config(view: View, entry: Entry, body: Config) -> list[Effect]:
    """Keep what there is to share out; one that begins from nothing asks all partitions."""
    effects: list[Effect] = []
    control = view.get(ControlRow, CONTROL_KEY)
    if control is None:
        control = ControlRow(entry.offset, body.total_memory_mb, body.partitions, body.dedupe_hours)
        view.put(CONTROL_KEY, control)
        _inquire(view, entry, effects)
    else:
        now = structs.replace(
            control, total_mb=body.total_memory_mb, dedupe_hours=body.dedupe_hours
        )
        view.put(CONTROL_KEY, now)
        if control.complete:
            rebalance(view, effects)
    return effects


def fold_announced(view: View, entry: Entry, body: LeaseAnnounced) -> list[Effect]:
    """A partition says what it holds: once for each time that it, or control, began anew."""
    effects: list[Effect] = []
    control, partition = view.get(ControlRow, CONTROL_KEY), _partition(entry)
    if control is None or partition >= control.partitions:
        return effects
    before = view.get(HolderRow, holder_key(partition))
    if before is None and body.inquiry != control.epoch:
        # Said before control began anew: what was given since is not in it.
        return effects
    if before is None or before.epoch != body.epoch:
        put_holder(view, partition, HolderRow(body.epoch, body.pool, body.reserve, announced=False))
    elif before.announced:
        return effects
    _learn(view, body)
    if not body.last:
        return effects
    holder = holder_of(view, partition)
    view.put(holder_key(partition), structs.replace(holder, announced=True))
    control = control_of(view)
    if control.complete:
        _welcome(view, effects, partition)
        _begin_restating(view, partition)
        rebalance(view, effects)
    elif sum(row.announced for _, row in holders(view, control)) == control.partitions:
        view.put(CONTROL_KEY, structs.replace(control, complete=True))
        for each in range(control.partitions):
            _welcome(view, effects, each)
        rebalance(view, effects)
        decide_waiting(view, effects)
    return effects


def fold_asked(view: View, entry: Entry, body: LeaseAsked) -> list[Effect]:
    """Answer a partition; what comes a second time, or from one that is gone, changes nothing."""
    effects: list[Effect] = []
    control, partition = view.get(ControlRow, CONTROL_KEY), _partition(entry)
    holder = view.get(HolderRow, holder_key(partition))
    if control is None or not control.complete or holder is None:
        return effects
    if holder.epoch == body.epoch and body.number > holder.answered:
        answer(
            view,
            effects,
            partition,
            number=body.number,
            pool=body.pool,
            reserve=body.reserve,
            tier=body.tier,
            log_time=entry.log_time,
        )
    return effects


def fold_returned(view: View, entry: Entry, body: LeaseReturned) -> list[Effect]:
    """Count what a partition gave back, and give it to those who wait."""
    effects: list[Effect] = []
    partition = _partition(entry)
    holder = view.get(HolderRow, holder_key(partition))
    if holder is not None and holder.epoch == body.epoch:
        take_back(view, partition, pool=body.pool, reserve=body.reserve, must=body.must)
        rebalance(view, effects)
    return effects


def fold_restored(view: View, entry: Entry, body: LogRestored) -> list[Effect]:
    """Believe nothing of what partitions hold until they have said it; tell them all quotas."""
    effects: list[Effect] = []
    control = view.get(ControlRow, CONTROL_KEY)
    if control is None:
        return effects
    for partition in range(control.partitions):
        view.delete(holder_key(partition))
    now = structs.replace(
        control,
        # An answer to an earlier inquiry can't be one to this.
        epoch=(body.incarnation << _OFFSET_BITS) + entry.offset,
        complete=False,
        pool_leased=0,
        pool_recalled=0,
        reserve_leased=0,
        idle_recalled_at=None,
        restating=AllocationRow.kind,
        restated=tuple(range(control.partitions)),
    )
    view.put(CONTROL_KEY, now)
    _inquire(view, entry, effects)
    return effects


def fold_tick(view: View, entry: Entry, body: Tick) -> list[Effect]:
    """Go on with what was too much for one record."""
    effects: list[Effect] = []
    decide_waiting(view, effects)
    control = view.get(ControlRow, CONTROL_KEY)
    if control is not None and control.restating is not None:
        _restate(view, effects, control)
    if (
        control is not None
        and not control.complete
        and entry.log_time >= control.inquired_at + INQUIRE_EVERY
    ):
        _inquire(view, entry, effects)
    return effects


def _inquire(view: View, entry: Entry, effects: list[Effect]) -> None:
    """Ask the partitions that have not spoken what they hold."""
    control = control_of(view)
    for partition in range(control.partitions):
        if view.get(HolderRow, holder_key(partition)) is None:
            body = LeaseInquiry(control.epoch)
            effects.append(Fact(TENANT_LOG, partition, "", body))
    view.put(CONTROL_KEY, structs.replace(control, inquired_at=entry.log_time))


def _learn(view: View, body: LeaseAnnounced) -> None:
    """Take over quotas that control does not know: it began from nothing after they were set."""
    control = control_of(view)
    allocated = control.allocated_mb
    for tenant, quota_mb, tier in body.quotas:
        key = allocation_key(tenant)
        if view.get(AllocationRow, key) is None:
            view.put(key, AllocationRow(quota_mb, tier))
            allocated += quota_mb
    view.put(CONTROL_KEY, structs.replace(control, allocated_mb=allocated))


def _welcome(view: View, effects: list[Effect], partition: int) -> None:
    """Give a partition its stock of the reserve, as far as it has none."""
    control, holder = control_of(view), holder_of(view, partition)
    left = max(0, control.reserve - control.reserve_leased)
    stock = reserve_stock(control.reserve, control.partitions)
    give(view, effects, partition, reserve=min(left, max(0, stock - holder.reserve)))


def _begin_restating(view: View, partition: int) -> None:
    """A partition that began anew may have lost its tenants' quotas: they are told again."""
    control = control_of(view)
    restated = tuple(sorted({*control.restated, partition}))
    view.put(CONTROL_KEY, structs.replace(control, restating=AllocationRow.kind, restated=restated))


def _restate(view: View, effects: list[Effect], control: ControlRow) -> None:
    rows = view.scan(AllocationRow, AllocationRow.kind, start=control.restating)
    found = list(islice(rows, RESTATED_AT_ONCE + 1))
    for key, row in found[:RESTATED_AT_ONCE]:
        tenant = key[len(AllocationRow.kind) :].decode()
        partition = partition_of(tenant, control.partitions)
        if partition in control.restated:
            body = QuotaGranted(row.quota_mb, row.tier)
            effects.append(Fact(TENANT_LOG, partition, tenant, body))
    more = len(found) > RESTATED_AT_ONCE
    view.put(
        CONTROL_KEY,
        structs.replace(
            control,
            restating=found[RESTATED_AT_ONCE][0] if more else None,
            restated=control.restated if more else (),
        ),
    )


def _partition(entry: Entry) -> int:
    origin = entry.record.origin
    assert origin is not None
    return origin.partition


FOLDS: dict[type, Callable[[View, Entry, Any], list[Effect]]] = {
    Config: fold_config,
    QuotaSet: fold_quota_set,
    LeaseAnnounced: fold_announced,
    LeaseAsked: fold_asked,
    LeaseReturned: fold_returned,
    LogRestored: fold_restored,
    Tick: fold_tick,
}


def fold(view: View, entry: Entry) -> list[Effect]:
    """Apply one record of tenant.control.v1: a pure function of the rows and the record."""
    body = entry.record.body
    return FOLDS[type(body)](view, entry, body)
