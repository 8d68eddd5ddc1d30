"""A tenant's bytes come and go, and nothing is left of none."""

from usage.memory_view import MemoryView

from streams.core.rows import tenant_key
from streams.memory.bytes import add_bytes, used_bytes
from streams.memory.rows import BytesRow


def test_bytes_are_counted_for_each_tenant() -> None:
    view = MemoryView(stored=True)
    assert used_bytes(view, "t1") == 0
    add_bytes(view, "t1", 5)
    add_bytes(view, "t2", 1)
    add_bytes(view, "t1", -2)
    assert (used_bytes(view, "t1"), used_bytes(view, "t2")) == (3, 1)


def test_a_tenant_that_takes_nothing_has_no_row() -> None:
    view = MemoryView(stored=True)
    add_bytes(view, "t1", 0)
    assert view.changes == 0
    add_bytes(view, "t1", 7)
    add_bytes(view, "t1", -7)
    assert view.get(BytesRow, tenant_key(BytesRow, "t1")) is None
    assert not view.rows
