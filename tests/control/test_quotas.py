"""quota.set is decided once: the sum of all never passes the total without the reserve."""

import pytest

from streams.core.ids import partition_of
from streams.core.log import QuotaGranted, QuotaRejected
from streams.core.time import DAY
from streams.memory.rows import QuotaRow

from .shop import MIB, Shop


def answers(shop: Shop, tenant: str) -> list[tuple[int, bool]]:
    """What control answered to a tenant: MB, and whether granted."""
    log = shop.partitions[partition_of(tenant, len(shop.partitions))].log
    return [
        (record.body.quota_mb, isinstance(record.body, QuotaGranted))
        for record in log
        if record.tenant == tenant and isinstance(record.body, QuotaGranted | QuotaRejected)
    ]


@pytest.fixture
def shop() -> Shop:
    """100 MB in all: 10 are the reserve, 90 can be allocated."""
    shop = Shop(total_mb=100)
    shop.quiet()
    return shop


def test_the_sum_stays_below_the_total_without_the_reserve(shop: Shop) -> None:
    for number, (tenant, quota_mb) in enumerate([("a", 50), ("b", 41), ("b", 40), ("c", 1)]):
        shop.quota(tenant, quota_mb, f"e{number}")
    shop.quiet()
    assert answers(shop, "a") == [(50, True)]
    assert answers(shop, "b") == [(41, False), (40, True)]
    assert answers(shop, "c") == [(1, False)]
    assert shop.quotas() == {"a": 50, "b": 40}


def test_a_rejection_says_what_the_contract_says(shop: Shop) -> None:
    shop.quota("big", 91, "e1")
    shop.quiet()
    log = shop.partitions[partition_of("big", 3)].log
    record = next(r for r in log if isinstance(r.body, QuotaRejected))
    assert isinstance(record.body, QuotaRejected)
    assert (record.source, record.id) == ("/test", "e1")
    assert record.body.error == "ResourceError"
    assert record.body.detail == "Cannot allocate 91MB for tenant big"


def test_a_quota_is_replaced_not_added(shop: Shop) -> None:
    for number, quota_mb in enumerate([90, 10, 90, 91, 0]):
        shop.quota("a", quota_mb, f"e{number}")
    shop.quiet()
    granted = [(90, True), (10, True), (90, True), (91, False), (0, True)]
    assert answers(shop, "a") == granted
    assert shop.quotas() == {"a": 0}


def test_what_comes_again_is_decided_once(shop: Shop) -> None:
    shop.quota("a", 10, "first")
    shop.quota("a", 20, "second")
    shop.quota("a", 10, "first")
    shop.quiet()
    assert answers(shop, "a") == [(10, True), (20, True)]
    shop.now += DAY
    shop.quota("a", 10, "first")
    shop.quiet()
    assert answers(shop, "a") == [(10, True), (20, True), (10, True)]


def test_nothing_is_decided_before_all_partitions_have_spoken() -> None:
    shop = Shop(total_mb=100)
    for number in range(250):
        shop.quota(f"t{number:03}", 1, f"e{number}")
    shop.control.read()
    assert shop.quotas() == {}
    shop.partitions[0].read()
    shop.partitions[1].read()
    shop.control.read()
    assert shop.quotas() == {}
    shop.quiet()
    assert shop.quotas() == {f"t{number:03}": 1 for number in range(90)}, "in the order they came"
    assert sum(len(answers(shop, f"t{number:03}")) for number in range(250)) == 250


def test_a_lowered_total_takes_no_quota_away_but_gives_no_more(shop: Shop) -> None:
    shop.quota("a", 80, "e1")
    shop.quiet()
    shop.configure(50)
    shop.quota("a", 81, "e2")
    shop.quota("a", 70, "e3")
    shop.quota("b", 1, "e4")
    shop.quiet()
    assert answers(shop, "a") == [(80, True), (81, False), (70, True)]
    assert answers(shop, "b") == [(1, False)]
    assert shop.row.pool == 0


def test_control_made_anew_learns_the_quotas_from_the_partitions(shop: Shop) -> None:
    for number in range(60):
        shop.quota(f"t{number}", 1, f"e{number}", "critical")
    shop.quiet()
    before = shop.quotas()
    shop.control.begin()
    shop.configure(100)
    shop.quota("late", 31, "late")
    shop.control.read()
    assert shop.quotas() == {}
    shop.quiet()
    assert shop.quotas() == before
    assert answers(shop, "late") == [(31, False)]
    assert shop.row.allocated_mb == 60
    assert shop.row.pool == 30 * MIB


def test_a_partition_made_anew_is_told_its_tenants_quotas_again(shop: Shop) -> None:
    for number in range(60):
        shop.quota(f"t{number}", 1, f"e{number}", "critical")
    shop.quiet()
    reader = shop.partitions[1]
    before = dict(reader.view.scan(QuotaRow, QuotaRow.kind))
    assert len(before) > 5
    reader.begin()
    shop.configure(100)
    shop.quiet()
    found = dict(reader.view.scan(QuotaRow, QuotaRow.kind))
    assert found == before
