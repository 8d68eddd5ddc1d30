"""What a partition holds of the memory that is shared out, and its talk with control about it.

A fold never waits for control: it decides with what it holds. Before control has answered for the
first time that is an even share of what there is without the reserve, which control counts as held.
"""

from itertools import islice

from msgspec import structs

from streams.core.fold import Effect, Entry, Fact, View
from streams.core.log import (
    LeaseAnnounced,
    LeaseAsked,
    LeaseGiven,
    LeaseInquiry,
    LeaseRecalled,
    LeaseReturned,
)
from streams.core.memory_shares import MIB, allocatable_mb, reserve_stock
from streams.core.rows import tenant_key
from streams.core.time import SECOND
from streams.memory.rows import (
    CONFIG_KEY,
    LEASE_KEY,
    NO_CONFIG,
    BytesRow,
    LeaseRow,
    MemoryConfigRow,
    QuotaRow,
    tenant_of,
)

CONTROL = "tenant.control.v1"
TOLD_AT_ONCE = 200
"""Quotas in one announcement."""
ASK_AGAIN = 30 * SECOND
"""Log time after which a question is asked again that found nothing, or nobody."""


def held(view: View, entry: Entry) -> LeaseRow:
    """Return what this partition holds; the first time, an even share."""
    row = view.get(LeaseRow, LEASE_KEY)
    if row is None:
        # What a version that knew no leases has stored is the pool's.
        stored = [
            each.used
            for key, each in view.scan(BytesRow, BytesRow.kind)
            if view.get(QuotaRow, tenant_key(QuotaRow, tenant_of(key))) is None
        ]
        row = LeaseRow(
            entry.offset,
            _even(view, None),
            pool_used=sum(stored),
            sharers=len(stored),
            announcing=QuotaRow.kind,
        )
        view.put(LEASE_KEY, row)
    return row


def _even(view: View, pool_total: int | None) -> int:
    """Bytes of an even share of the pool; it is all but the reserve before control has spoken."""
    config = view.get(MemoryConfigRow, CONFIG_KEY) or NO_CONFIG
    if pool_total is None:
        pool_total = allocatable_mb(config.total_memory_mb) * MIB
    return pool_total // config.partitions


def ask_if_low(view: View, entry: Entry, effects: list[Effect], tier: str = "standard") -> None:
    """Ask for more before what is held is used up.

    Parameters
    ----------
    tier : str
        Class of the tenant that used something.
    """
    row = held(view, entry)
    even = _even(view, row.pool_total)
    pool = even // 4 if row.pool - row.pool_used < even // 8 else 0
    stock = _stock(view, row)
    reserve = stock if row.reserve - row.reserve_used < stock // 2 else 0
    if not (pool or reserve) or row.announcing is not None:
        return
    if row.asked_at is not None and entry.log_time < row.asked_at + ASK_AGAIN:
        return
    # One that nobody answered keeps its number: should both arrive, the second changes nothing.
    number = row.asked + (row.answered == row.asked)
    view.put(LEASE_KEY, structs.replace(row, asked=number, asked_at=entry.log_time))
    effects.append(_tell(LeaseAsked(row.epoch, number, pool, reserve, tier)))


def fold_given(view: View, entry: Entry, body: LeaseGiven) -> list[Effect]:
    """Add what control gave."""
    row = held(view, entry)
    if body.epoch != row.epoch:
        return []
    answered = max(row.answered, body.number)
    # After an answer that gave nothing the next question waits.
    settled = body.pool > 0 or (body.reserve > 0 and answered == row.asked)
    view.put(
        LEASE_KEY,
        structs.replace(
            row,
            pool=row.pool + body.pool,
            reserve=row.reserve + body.reserve,
            pool_total=body.pool_total,
            reserve_total=body.reserve_total,
            answered=answered,
            asked_at=None if settled else row.asked_at,
        ),
    )
    return []


def fold_recalled(view: View, entry: Entry, body: LeaseRecalled) -> list[Effect]:
    """Give back what control wants: at once, and whatever lies in it; pressure does the rest."""
    row = held(view, entry)
    if body.epoch != row.epoch:
        return []
    back = min(row.pool, body.must)
    if body.keep is not None:
        needed = max(body.keep, row.pool_used + _even(view, body.pool_total) // 8)
        back = max(back, row.pool - needed)
    view.put(LEASE_KEY, structs.replace(row, pool=row.pool - back, pool_total=body.pool_total))
    if not (back or body.must):
        return []
    return [_tell(LeaseReturned(row.epoch, back, 0, body.must))]


def fold_inquiry(view: View, entry: Entry, body: LeaseInquiry) -> list[Effect]:
    """Control began from nothing: tell it what is held, from the first quota on."""
    effects: list[Effect] = []
    row = held(view, entry)
    view.put(LEASE_KEY, structs.replace(row, announcing=QuotaRow.kind, inquiry=body.number))
    announce(view, entry, effects)
    return effects


def tick(view: View, entry: Entry, effects: list[Effect]) -> None:
    """Go on with the talk: tell what is still to be told, ask again, give back what is too much."""
    row = held(view, entry)
    if row.announcing is not None:
        announce(view, entry, effects)
        return
    ask_if_low(view, entry, effects)
    row = held(view, entry)
    stock = _stock(view, row)
    back = row.reserve - row.reserve_used - 2 * stock
    if back > 0:
        view.put(LEASE_KEY, structs.replace(row, reserve=row.reserve - back))
        effects.append(_tell(LeaseReturned(row.epoch, 0, back, 0)))


def announce(view: View, entry: Entry, effects: list[Effect]) -> None:
    """Tell control what is held, and some of the quotas."""
    row = held(view, entry)
    found = list(islice(view.scan(QuotaRow, QuotaRow.kind, start=row.announcing), TOLD_AT_ONCE + 1))
    quotas = tuple(
        (tenant_of(key), quota.quota_mb, quota.tier) for key, quota in found[:TOLD_AT_ONCE]
    )
    more = found[TOLD_AT_ONCE][0] if len(found) > TOLD_AT_ONCE else None
    view.put(LEASE_KEY, structs.replace(row, announcing=more))
    last = more is None
    body = LeaseAnnounced(row.epoch, row.pool, row.reserve, quotas, last, row.inquiry)
    effects.append(_tell(body))


def _stock(view: View, row: LeaseRow) -> int:
    """Bytes of the reserve that lie at hand."""
    config = view.get(MemoryConfigRow, CONFIG_KEY) or NO_CONFIG
    return reserve_stock(row.reserve_total, config.partitions)


def _tell(body: LeaseAnnounced | LeaseAsked | LeaseReturned) -> Fact:
    return Fact(CONTROL, 0, "", body)
