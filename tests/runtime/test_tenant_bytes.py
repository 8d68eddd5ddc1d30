"""The metric of what tenants' memory takes, whatever the number of ticks that a pass needs."""

from collections.abc import Iterator

import pytest
from usage.memory_view import MemoryView
from usage.writer import an_entry

from streams.memory.bytes import add_bytes
from streams.runtime import metrics, tenant_bytes
from streams.runtime.tenant_bytes import TenantBytes


@pytest.fixture(autouse=True)
def _nothing_shown() -> Iterator[None]:
    metrics.MEMORY_BYTES.clear()
    yield
    metrics.MEMORY_BYTES.clear()


def shown() -> dict[str, float]:
    (family,) = metrics.MEMORY_BYTES.collect()
    return {sample.labels["tenant"]: sample.value for sample in family.samples}


def partitions(**used: int) -> dict[int, MemoryView]:
    """Tenants in two partitions, by turns."""
    views = {2: MemoryView(stored=True), 5: MemoryView(stored=True)}
    for number, (tenant, size) in enumerate(used.items()):
        add_bytes(views[2 if number % 2 else 5], an_entry(), tenant, size)
    return views


@pytest.mark.parametrize(("at_once", "looks"), [(1, 5), (2, 3), (3, 2), (4, 2), (5, 1), (99, 1)])
def test_the_largest_are_shown_after_a_pass(
    monkeypatch: pytest.MonkeyPatch, at_once: int, looks: int
) -> None:
    monkeypatch.setattr(tenant_bytes, "AT_ONCE", at_once)
    monkeypatch.setattr(tenant_bytes, "TOP", 3)
    looking, views = TenantBytes(), partitions(a=5, b=50, c=7, d=1, e=6)
    for _ in range(looks):
        assert shown() == {}
        looking.look(views)
    assert shown() == {"b": 50, "c": 7, "e": 6}
    add_bytes(views[2], an_entry(), "d", 999)
    add_bytes(views[2], an_entry(), "b", -50)
    for _ in range(looks):
        looking.look(views)
    assert shown() == {"d": 1000, "c": 7, "e": 6}


def test_a_partition_that_goes_takes_its_tenants_along() -> None:
    looking, views = TenantBytes(), partitions(a=5, b=50)
    looking.look(views)
    assert shown() == {"a": 5, "b": 50}
    looking.look({5: views[5]})
    assert shown() == {"a": 5}
    looking.look({})
    assert shown() == {}
