"""A tenant's quota over the API."""

from usage.memory_view import MemoryView
from usage.writer import an_entry

from streams.core.log import QuotaGranted
from streams.memory.bytes import add_bytes
from streams.memory.quota_read import quota
from streams.memory.quotas import fold_quota_granted


def test_a_tenant_without_a_quota_has_what_it_uses() -> None:
    view = MemoryView(stored=True)
    add_bytes(view, an_entry(), "t1", 5)
    none = {"quota_mb": None, "used_bytes": 0, "reserve_bytes": 0, "class": "standard"}
    assert quota(view, "nobody") == none
    assert quota(view, "t1") == none | {"used_bytes": 5}


def test_a_quota_and_what_lies_in_the_reserve() -> None:
    view = MemoryView(stored=True)
    fold_quota_granted(view, an_entry(), QuotaGranted(1, "compliance"))
    add_bytes(view, an_entry(), "t1", (1 << 20) + 9, reserve=7)
    assert quota(view, "t1") == {
        "quota_mb": 1,
        "used_bytes": (1 << 20) + 9,
        "reserve_bytes": 7,
        "class": "compliance",
    }
