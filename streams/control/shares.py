"""Leases: which partition may use how much of the pool and of the reserve.

Control counts bytes as given before it sends them, and as back only when it reads that they are:
what all partitions think they hold never comes to more than what control counts.
"""

from collections.abc import Iterator

from msgspec import structs

from streams.control.rows import (
    CONTROL_KEY,
    ControlRow,
    HolderRow,
    control_of,
    holder_key,
    holder_of,
)
from streams.core.fold import Effect, Fact, View
from streams.core.log import LeaseGiven, LeaseRecalled
from streams.core.time import SECOND

TENANT_LOG = "tenant.log.v1"
IDLE_EVERY = 10 * SECOND
"""Partitions are asked for what lies idle at most so often, log time."""
_OF_RESERVE = {"standard": 2, "critical": 3, "compliance": 4}
"""How many quarters of the reserve may be given for a class: the higher ones always find some."""


def holders(view: View, control: ControlRow) -> Iterator[tuple[int, HolderRow]]:
    """Yield the partitions that have spoken, in their order."""
    for partition in range(control.partitions):
        row = view.get(HolderRow, holder_key(partition))
        if row is not None:
            yield partition, row


def give(
    view: View,
    effects: list[Effect],
    partition: int,
    *,
    pool: int = 0,
    reserve: int = 0,
    number: int = 0,
) -> None:
    """Give bytes to a partition: counted first."""
    control, holder = control_of(view), holder_of(view, partition)
    view.put(
        CONTROL_KEY,
        structs.replace(
            control,
            pool_leased=control.pool_leased + pool,
            reserve_leased=control.reserve_leased + reserve,
        ),
    )
    holder = structs.replace(
        holder,
        pool=holder.pool + pool,
        reserve=holder.reserve + reserve,
        answered=max(holder.answered, number),
        wants=max(0, holder.wants - pool),
    )
    view.put(holder_key(partition), holder)
    body = LeaseGiven(holder.epoch, number, pool, reserve, control.pool, control.reserve)
    effects.append(_to(partition, body))


def take_back(view: View, partition: int, *, pool: int, reserve: int, must: int) -> None:
    """Count bytes that a partition has given back."""
    control, holder = control_of(view), holder_of(view, partition)
    settled = min(must, holder.recalled)
    view.put(
        CONTROL_KEY,
        structs.replace(
            control,
            pool_leased=control.pool_leased - pool,
            pool_recalled=control.pool_recalled - settled,
            reserve_leased=control.reserve_leased - reserve,
        ),
    )
    view.put(
        holder_key(partition),
        structs.replace(
            holder,
            pool=holder.pool - pool,
            reserve=holder.reserve - reserve,
            recalled=holder.recalled - settled,
        ),
    )


def put_holder(view: View, partition: int, now: HolderRow) -> None:
    """Take what a partition says it holds in the place of what it was thought to hold."""
    control = control_of(view)
    before = view.get(HolderRow, holder_key(partition)) or HolderRow(0, 0, 0)
    view.put(
        CONTROL_KEY,
        structs.replace(
            control,
            pool_leased=control.pool_leased - before.pool + now.pool,
            pool_recalled=control.pool_recalled - before.recalled,
            reserve_leased=control.reserve_leased - before.reserve + now.reserve,
        ),
    )
    view.put(holder_key(partition), now)


def answer(
    view: View,
    effects: list[Effect],
    partition: int,
    *,
    number: int,
    pool: int,
    reserve: int,
    tier: str,
    log_time: int,
) -> None:
    """Answer a partition's question with what there is."""
    control = control_of(view)
    quarters = _OF_RESERVE.get(tier, 2)
    free = max(0, control.pool - control.pool_leased)
    left = max(0, control.reserve * quarters // 4 - control.reserve_leased)
    given = min(pool, free)
    give(view, effects, partition, pool=given, reserve=min(reserve, left), number=number)
    if given < pool:
        holder = holder_of(view, partition)
        view.put(holder_key(partition), structs.replace(holder, wants=pool - given))
        _recall_idle(view, effects, partition, log_time)


def rebalance(view: View, effects: list[Effect]) -> None:
    """Recall what is leased beyond the pool, else give it to those who wait for it."""
    control = control_of(view)
    owed = control.pool_leased - control.pool_recalled - control.pool
    if owed > 0:
        _recall(view, effects, owed)
        return
    free = control.pool - control.pool_leased
    for partition, holder in list(holders(view, control)):
        more = min(holder.wants, free)
        if more > 0:
            give(view, effects, partition, pool=more)
            free -= more


def _recall(view: View, effects: list[Effect], owed: int) -> None:
    """Each partition owes as much of it as it holds of all."""
    control = control_of(view)
    held = control.pool_leased - control.pool_recalled
    left = owed
    for partition, holder in list(holders(view, control)):
        own = holder.pool - holder.recalled
        # Rounded up: what is left at the end is nothing.
        must = min(left, own, -(-owed * own // held))
        if must <= 0:
            continue
        left -= must
        view.put(holder_key(partition), structs.replace(holder, recalled=holder.recalled + must))
        effects.append(_to(partition, LeaseRecalled(holder.epoch, must, None, control.pool)))
    recalled = control.pool_recalled + owed - left
    view.put(CONTROL_KEY, structs.replace(control, pool_recalled=recalled))


def _recall_idle(view: View, effects: list[Effect], asking: int, log_time: int) -> None:
    control = control_of(view)
    since = control.idle_recalled_at
    if since is not None and log_time < since + IDLE_EVERY:
        return
    keep = control.pool // (2 * control.partitions)
    for partition, holder in holders(view, control):
        if partition != asking and holder.pool - holder.recalled > keep:
            effects.append(_to(partition, LeaseRecalled(holder.epoch, 0, keep, control.pool)))
    view.put(CONTROL_KEY, structs.replace(control, idle_recalled_at=log_time))


def _to(partition: int, body: LeaseGiven | LeaseRecalled) -> Fact:
    return Fact(TENANT_LOG, partition, "", body)
