"""A tenant's bytes: where they lie, what of it is the pool's and the reserve's, nothing twice."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from usage.memory_view import MemoryView
from usage.writer import an_entry

from streams.core.held import SLOT, HeldRow, stored, tenant_and_project
from streams.core.rows import tenant_key
from streams.core.time import HOUR
from streams.memory.bytes import (
    add_bytes,
    bytes_of,
    move_bytes,
    move_in,
    pool_bytes,
    room,
    shed,
    used_bytes,
)
from streams.memory.leases import held
from streams.memory.rows import (
    CONFIG_KEY,
    LEASE_KEY,
    BytesRow,
    LeaseRow,
    MemoryConfigRow,
    PressureRow,
    QuotaRow,
)

MB = 1 << 20
ENTRY = an_entry(7)


def a_view(pool: int, reserve: int = 0) -> MemoryView:
    view = MemoryView(stored=True)
    view.put(LEASE_KEY, LeaseRow(0, pool, reserve))
    return view


def lies(view: MemoryView, tenant: str) -> tuple[int, int, int]:
    """Bytes in the tenant's room, in the reserve, and nowhere."""
    row = bytes_of(view, tenant)
    return row.used - row.reserved - row.over, row.reserved, row.over


def under_pressure(view: MemoryView) -> list[str]:
    return [key[2:-1].decode() for key, _ in view.scan(PressureRow, PressureRow.kind)]


NOON = ENTRY.log_time
END = NOON + 3 * HOUR
REST = END - NOON - HOUR - SLOT


def test_bytes_are_counted_for_each_tenant() -> None:
    view = MemoryView(stored=True)
    assert used_bytes(view, "t1") == 0
    add_bytes(view, ENTRY, "t1", 5)
    add_bytes(view, ENTRY, "t2", 1)
    add_bytes(view, ENTRY, "t1", -2)
    assert (used_bytes(view, "t1"), used_bytes(view, "t2")) == (3, 1)
    assert held(view, ENTRY).sharers == 2


def test_a_tenant_that_takes_nothing_has_no_row() -> None:
    view = MemoryView(stored=True)
    add_bytes(view, ENTRY, "t1", 0)
    assert view.changes == 0
    add_bytes(view, ENTRY, "t1", 7)
    add_bytes(view, ENTRY, "t1", -7)
    assert view.get(BytesRow, tenant_key(BytesRow, "t1")) is None
    assert {key[:2] for key in view.rows} == {LEASE_KEY, HeldRow.kind}
    assert (held(view, ENTRY).pool_used, held(view, ENTRY).sharers) == (0, 0)


def test_bytes_are_held_by_the_project_that_has_them() -> None:
    view = MemoryView(stored=True)
    add_bytes(view, ENTRY, "t1", 7, "a")
    move_bytes(view, "t1", 7, NOON + HOUR, "a", "b")
    move_bytes(view, "t1", 7, NOON + HOUR, "b", "b")
    found = {
        tenant_and_project(key): [(p.end - p.start, p.used, p.more) for p in stored(row, END)]
        for key, row in view.scan(HeldRow, HeldRow.kind)
    }
    assert found == {
        ("t1", "a"): [(SLOT, 0, 7 * SLOT), (HOUR - SLOT, 7, 0), (SLOT, 7, -7 * SLOT), (REST, 0, 0)],
        ("t1", "b"): [(SLOT, 0, 7 * SLOT), (REST, 7, 0)],
    }
    assert used_bytes(view, "t1") == 7


def test_the_first_that_asks_gives_the_partition_an_even_share() -> None:
    view = MemoryView(stored=True)
    view.put(CONFIG_KEY, MemoryConfigRow(total_memory_mb=101, partitions=3))
    lease = held(view, ENTRY)
    assert (lease.epoch, lease.pool, lease.reserve) == (7, 91 * MB // 3, 0)
    assert held(view, an_entry(9)).epoch == 7


def test_what_was_stored_before_there_were_leases_is_the_pools() -> None:
    view = MemoryView(stored=True)
    for tenant, used in (("t1", 5), ("t2", 6), ("t3", 7)):
        view.put(tenant_key(BytesRow, tenant), BytesRow(used))
    view.put(tenant_key(QuotaRow, "t2"), QuotaRow(1))
    add_bytes(view, ENTRY, "t1", 1)
    lease = held(view, ENTRY)
    assert (lease.pool_used, lease.sharers) == (13, 2)


def test_tenants_without_a_quota_share_the_pool() -> None:
    view = a_view(100)
    add_bytes(view, ENTRY, "t1", 60)
    assert (room(view, ENTRY, "t1"), room(view, ENTRY, "t2")) == (100, 40)
    add_bytes(view, ENTRY, "t2", 50)
    assert lies(view, "t2") == (40, 0, 10)
    assert under_pressure(view) == ["t2"]
    assert (room(view, ENTRY, "t1"), held(view, ENTRY).pool_used) == (60, 100)
    add_bytes(view, ENTRY, "t1", -30)
    # It finds its place when its bytes change next.
    add_bytes(view, ENTRY, "t2", -1)
    assert lies(view, "t2") == (49, 0, 0)
    assert under_pressure(view) == []


def test_a_quota_is_the_tenants_own() -> None:
    view = a_view(100)
    add_bytes(view, ENTRY, "t1", 100)
    move_in(view, ENTRY, "t1", QuotaRow(1))
    assert (held(view, ENTRY).pool_used, held(view, ENTRY).sharers) == (0, 0)
    add_bytes(view, ENTRY, "t1", MB)
    assert (room(view, ENTRY, "t1"), room(view, ENTRY, "t2")) == (MB, 100)
    assert lies(view, "t1") == (MB, 0, 100)
    move_in(view, ENTRY, "t1", QuotaRow(2))
    assert lies(view, "t1") == (MB + 100, 0, 0)
    move_in(view, ENTRY, "t1", QuotaRow(0))
    assert lies(view, "t1") == (0, 0, MB + 100)
    assert under_pressure(view) == ["t1"]


def test_what_falls_leaves_the_reserve_before_the_room() -> None:
    view = a_view(10, 100)
    add_bytes(view, ENTRY, "t1", 30, reserve=15)
    assert lies(view, "t1") == (10, 15, 5)
    assert held(view, ENTRY).reserve_used == 15
    for change, expected in ((-4, (10, 15, 1)), (-4, (10, 12, 0)), (-13, (9, 0, 0))):
        add_bytes(view, ENTRY, "t1", change)
        assert lies(view, "t1") == expected
        assert held(view, ENTRY).reserve_used == expected[1]


def test_bytes_of_the_pool_are_taken_back() -> None:
    view = a_view(100)
    add_bytes(view, ENTRY, "t1", 80)
    shed(view, ENTRY, "t1", 30)
    assert (lies(view, "t1"), held(view, ENTRY).pool_used) == ((50, 0, 30), 50)
    assert under_pressure(view) == ["t1"]


steps = st.lists(
    st.tuples(
        st.sampled_from(("add", "add", "add", "reserve", "quota", "shed", "pool")),
        st.sampled_from(("t1", "t2", "t3")),
        st.integers(-2 * MB, 2 * MB),
    ),
    max_size=30,
)


@given(steps)
def test_nothing_is_counted_twice_or_not_at_all(steps: list[tuple[str, str, int]]) -> None:
    view = a_view(3 * MB, MB)
    used: dict[str, int] = {}
    for step, tenant, size in steps:
        others: dict[str, Any] = {t: bytes_of(view, t) for t in used if t != tenant}
        row = bytes_of(view, tenant)
        if step in ("add", "reserve"):
            change = max(size, -row.used)
            used[tenant] = row.used + change
            add_bytes(view, ENTRY, tenant, change, reserve=abs(size) // 2 * (step == "reserve"))
        elif step == "quota":
            move_in(view, ENTRY, tenant, QuotaRow(abs(size) >> 20))
        elif step == "pool":
            view.put(LEASE_KEY, structs.replace(held(view, ENTRY), pool=abs(size)))
        elif view.get(QuotaRow, tenant_key(QuotaRow, tenant)) is None and row.used:
            shed(view, ENTRY, tenant, min(abs(size), pool_bytes(row)))
        assert {t: bytes_of(view, t) for t in others} == others
        sharing = [
            bytes_of(view, t)
            for t in used
            if used[t] and view.get(QuotaRow, tenant_key(QuotaRow, t)) is None
        ]
        lease = held(view, ENTRY)
        assert {t: used_bytes(view, t) for t in used} == used
        assert lease.pool_used == sum(row.used - row.reserved - row.over for row in sharing)
        assert lease.sharers == len(sharing)
        assert lease.reserve_used == sum(bytes_of(view, t).reserved for t in used)
        for each in used:
            assert min(lies(view, each)) >= 0
            if bytes_of(view, each).over:
                assert each in under_pressure(view)
            quota = view.get(QuotaRow, tenant_key(QuotaRow, each))
            if quota is not None and sum(lies(view, each)[1:]):
                assert lies(view, each)[0] == quota.quota_mb << 20


@pytest.mark.parametrize("reserve", [0, 5])
def test_a_row_that_does_not_change_is_not_written(reserve: int) -> None:
    view = a_view(100)
    add_bytes(view, ENTRY, "t1", 5, least=b"b")
    changes = view.changes
    add_bytes(view, ENTRY, "t1", 0, least=b"c")
    assert view.changes == changes
    add_bytes(view, ENTRY, "t1", 0, least=b"a", reserve=reserve)
    assert bytes_of(view, "t1").least == b"a"
