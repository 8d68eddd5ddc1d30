"""Leases: what all partitions think they hold never comes to more than there is."""

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from msgspec import structs

from streams.control.rows import CONTROL_KEY, ControlRow
from streams.core.ids import partition_of
from streams.core.log import LeaseGiven
from streams.core.time import SECOND
from streams.memory.rows import LEASE_KEY, LeaseRow

from .shop import MIB, Reader, Shop

MINUTE = 60 * SECOND


def use(reader: Reader, pool: int, reserve: int = 0) -> None:
    """As if tenants without a quota took so many bytes."""
    lease = reader.view.get(LeaseRow, LEASE_KEY)
    assert lease is not None
    reader.view.put(LEASE_KEY, structs.replace(lease, pool_used=pool, reserve_used=reserve))


def given(reader: Reader) -> list[LeaseGiven]:
    return [record.body for record in reader.log if isinstance(record.body, LeaseGiven)]


def held_pool(shop: Shop) -> list[int]:
    return [lease.pool for lease in shop.leases() if lease is not None]


def test_at_first_each_has_an_even_share_and_then_a_stock_of_the_reserve() -> None:
    shop = Shop(partitions=3, total_mb=100)
    shop.tick()
    for reader in shop.partitions:
        reader.read()
    assert held_pool(shop) == [30 * MIB] * 3
    shop.quiet()
    assert held_pool(shop) == [30 * MIB] * 3
    leases = [lease for lease in shop.leases() if lease is not None]
    assert [lease.reserve for lease in leases] == [10 * MIB // 12] * 3
    assert [lease.reserve_total for lease in leases] == [10 * MIB] * 3


def test_who_runs_low_gets_what_lies_idle_elsewhere() -> None:
    shop = Shop(partitions=3, total_mb=100)
    shop.quiet()
    for _ in range(8):
        lease = shop.leases()[0]
        assert lease is not None
        use(shop.partitions[0], lease.pool - 1)
        shop.now += MINUTE
        shop.quiet()
    first, *others = held_pool(shop)
    assert first == 60 * MIB, "the others keep half an even share each"
    assert others == [15 * MIB, 15 * MIB]
    assert sum(held_pool(shop)) == shop.row.pool_leased == shop.row.pool


def test_a_quota_takes_from_all_and_recalls_what_is_in_use_too() -> None:
    shop = Shop(partitions=3, total_mb=100)
    shop.quiet()
    use(shop.partitions[2], 30 * MIB)
    shop.quota("a", 60, "e1")
    shop.quiet()
    assert sum(held_pool(shop)) == 30 * MIB
    shop.quota("b", 30, "e2")
    shop.quiet()
    assert held_pool(shop) == [0] * 3
    shop.quota("a", 0, "e3")
    shop.quota("b", 0, "e4")
    shop.now += MINUTE
    shop.quiet()
    assert sum(held_pool(shop)) >= 7 * MIB, "what is free is there for who asks"


def test_a_question_that_comes_twice_is_answered_once() -> None:
    shop = Shop(partitions=2, total_mb=100)
    shop.quiet()
    reader = shop.partitions[0]
    shop.quota("a", 50, "e1")
    shop.quiet()
    shop.quota("a", 0, "e2")
    use(reader, 20 * MIB)
    shop.tick()
    reader.read()
    # Nobody answers for a while: the same question goes out again.
    for _ in range(3):
        shop.now += MINUTE
        shop.tick()
        reader.read()
    before = len(given(reader))
    shop.quiet()
    numbers = [body.number for body in given(reader)[before:] if body.number]
    assert numbers
    assert numbers == sorted(set(numbers))


def test_higher_classes_always_find_some_of_the_reserve() -> None:
    shop = Shop(partitions=2, total_mb=100)
    shop.quiet()
    reader = shop.partitions[0]
    for _ in range(40):
        lease = shop.leases()[0]
        assert lease is not None
        use(reader, 0, lease.reserve)
        shop.now += MINUTE
        shop.quiet()
    assert 4 * MIB < shop.row.reserve_leased <= 5 * MIB, "half of it for the class standard"


def test_a_rebuilt_control_counts_what_partitions_hold() -> None:
    shop = Shop(partitions=3, total_mb=100)
    shop.quiet()
    use(shop.partitions[0], 30 * MIB - 1)
    shop.quiet()
    before = held_pool(shop)
    shop.control.begin()
    shop.configure(100)
    shop.quiet()
    assert held_pool(shop) == before
    assert [holder.pool for holder in shop.holders().values()] == before
    assert shop.row.pool_leased == sum(before)


def test_what_was_said_to_an_earlier_control_does_not_count() -> None:
    shop = Shop(partitions=2, total_mb=100)
    shop.control.read()
    shop.now += MINUTE
    shop.tick()
    shop.control.read()
    for reader in shop.partitions:
        reader.read(2)
    shop.control.read()
    assert shop.row.reserve_leased > 0
    shop.control.begin()
    shop.configure(100)
    shop.control.read()
    # The second inquiry of the earlier control is answered before what it gave is read.
    for reader in shop.partitions:
        reader.read(2)
    shop.control.read()
    shop.quiet()
    leases = [lease for lease in shop.leases() if lease is not None]
    assert [lease.reserve for lease in leases] == [row.reserve for row in shop.holders().values()]


def places(shop: Shop) -> list[int]:
    return [reader.at for reader in (shop.control, *shop.partitions)]


def lost_since(shop: Shop, then: list[int], *keeps: int) -> tuple[int, ...]:
    """How much each has read since, but none for those that keep it: 0 is control."""
    return tuple(
        0 if n in keeps else now - before
        for n, (now, before) in enumerate(zip(places(shop), then, strict=True))
    )


@pytest.mark.parametrize("keeps", [(), (0,), (1, 2), (0, 2)])
def test_restored_they_agree_on_quotas_again(keeps: tuple[int, ...]) -> None:
    """Whoever lost what: a quota that one side knows, both know."""
    shop = Shop(partitions=2, total_mb=100)
    shop.quiet()
    shop.quota("a", 10, "e1")
    shop.quota("b", 10, "e2")
    shop.quiet()
    then = places(shop)
    shop.quota("c", 20, "e3")
    shop.quota("d", 20, "e4")
    shop.quiet()
    assert {partition_of(tenant, 2) for tenant in "cd"} == {0, 1}
    shop.restore(lost_since(shop, then, *keeps))
    shop.quiet()
    known = {"a": 10, "b": 10} | {
        tenant: 20 for tenant in "cd" if {0, partition_of(tenant, 2) + 1} & {*keeps}
    }
    assert shop.quotas() == shop.granted() == known
    assert shop.row.allocated_mb == sum(known.values())


@pytest.mark.parametrize("keeps", [(), (0,), (1, 2), (1,), (0, 2)])
def test_restored_they_agree_on_leases_again(keeps: tuple[int, ...]) -> None:
    shop = Shop(partitions=2, total_mb=100)
    shop.quiet()
    then = places(shop)
    use(shop.partitions[0], 45 * MIB - 1)
    shop.now += MINUTE
    shop.quiet()
    assert held_pool(shop)[0] > 45 * MIB
    shop.restore(lost_since(shop, then, *keeps))
    assert not shop.row.complete, "nothing is given before all have spoken"
    shop.quiet()
    assert held_pool(shop) == [holder.pool for holder in shop.holders().values()]
    assert sum(held_pool(shop)) <= shop.row.pool


def test_what_was_being_said_when_all_was_lost_is_said_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The rest of an announcement of before is not the whole of one."""
    monkeypatch.setattr("streams.memory.leases.TOLD_AT_ONCE", 1)
    shop = Shop(partitions=2, total_mb=100)
    shop.quiet()
    for tenant in "abc":
        shop.quota(tenant, 10, f"e{tenant}")
    shop.quiet()
    shop.control.begin()
    shop.configure(100)
    shop.control.read()
    shop.partitions[0].read()
    lease = shop.leases()[0]
    assert lease is not None
    assert lease.announcing is not None, "some is told, some is not"
    shop.restore((0, 0, 0))
    shop.tick()
    shop.tick()
    # The rest of it is told before the inquiry is read.
    inquiry = shop.partitions[0].log.pop(shop.partitions[0].at)
    shop.partitions[0].read()
    shop.partitions[0].log.append(inquiry)
    shop.control.read()
    shop.quiet()
    assert shop.quotas() == shop.granted() == {"a": 10, "b": 10, "c": 10}


class Leases(RuleBasedStateMachine):
    """Anything may be read at any pace, begin anew, and be changed meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.shop = Shop(partitions=3, total_mb=60)
        self.number = 0
        self.lowered = False

    @rule(which=st.integers(0, 3), most=st.integers(1, 4))
    def read(self, which: int, most: int) -> None:
        readers = (self.shop.control, *self.shop.partitions)
        readers[which].read(most)

    @rule(tenant=st.sampled_from("abcdef"), quota_mb=st.integers(0, 40))
    def quota(self, tenant: str, quota_mb: int) -> None:
        self.number += 1
        self.shop.quota(tenant, quota_mb, f"e{self.number}")

    @rule(which=st.integers(0, 2), share=st.integers(0, 120), reserve=st.integers(0, 100))
    def use(self, which: int, share: int, reserve: int) -> None:
        lease = self.shop.leases()[which]
        if lease is not None:
            use(
                self.shop.partitions[which],
                lease.pool * share // 100,
                lease.reserve * reserve // 100,
            )

    @rule(seconds=st.integers(0, 40))
    def tick(self, seconds: int) -> None:
        self.shop.now += seconds * 1_000_000
        self.shop.tick()

    @rule(total_mb=st.sampled_from([1, 20, 60, 61, 100]))
    def configure(self, total_mb: int) -> None:
        self.lowered |= total_mb < self.shop.total_mb
        self.shop.configure(total_mb)

    @rule()
    def control_from_nothing(self) -> None:
        self.shop.control.begin()
        self.shop.configure(self.shop.total_mb)

    @rule(which=st.integers(0, 2))
    def partition_from_nothing(self, which: int) -> None:
        self.shop.partitions[which].begin()
        self.shop.configure(self.shop.total_mb)

    @rule(back=st.tuples(*[st.integers(0, 6)] * 4))
    def restore(self, back: tuple[int, ...]) -> None:
        # What control granted last, and no archive has, it may grant to somebody else.
        self.lowered |= back[0] > 0
        self.shop.restore(back)
        self.shop.configure(self.shop.total_mb)

    @invariant()
    def nobody_holds_what_control_does_not_count(self) -> None:
        holders = dict(self.shop.holders())
        for partition, lease in enumerate(self.shop.leases()):
            holder = holders.get(partition)
            if lease is not None and holder is not None and holder.epoch == lease.epoch:
                assert lease.pool <= holder.pool
                assert lease.reserve <= holder.reserve

    @invariant()
    def sums_are_sums(self) -> None:
        control = self.shop.control.view.get(ControlRow, CONTROL_KEY)
        if control is None:
            return
        holders = self.shop.holders().values()
        assert control.pool_leased == sum(holder.pool for holder in holders)
        assert control.reserve_leased == sum(holder.reserve for holder in holders)
        assert control.pool_recalled == sum(holder.recalled for holder in holders)
        assert control.allocated_mb == sum(self.shop.quotas().values())
        assert all(holder.recalled >= 0 for holder in holders)

    @invariant()
    def no_quota_is_over_allocated(self) -> None:
        control = self.shop.control.view.get(ControlRow, CONTROL_KEY)
        if control is not None and not self.lowered:
            assert control.allocated_mb <= control.allocatable_mb

    def teardown(self) -> None:
        self.shop.now += MINUTE
        self.shop.quiet()
        self.shop.quiet()
        control = self.shop.row
        assert control.complete
        leases = [lease for lease in self.shop.leases() if lease is not None]
        holders = self.shop.holders().values()
        assert [lease.pool for lease in leases] == [holder.pool for holder in holders]
        assert [lease.reserve for lease in leases] == [holder.reserve for holder in holders]
        assert control.pool_leased <= control.pool
        assert self.shop.granted() == self.shop.quotas()


Leases.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestLeases = Leases.TestCase
