"""A tenant's bytes come and go, and nothing is left of none."""

from usage.memory_view import MemoryView

from streams.core.held import SLOT, HeldRow, stored, tenant_and_project
from streams.core.rows import tenant_key
from streams.core.time import HOUR
from streams.memory.bytes import add_bytes, move_bytes, used_bytes
from streams.memory.rows import BytesRow

NOON = 12 * HOUR
END = NOON + 3 * HOUR
REST = END - NOON - HOUR - SLOT


def test_bytes_are_counted_for_each_tenant() -> None:
    view = MemoryView(stored=True)
    assert used_bytes(view, "t1") == 0
    add_bytes(view, "t1", 5, NOON)
    add_bytes(view, "t2", 1, NOON)
    add_bytes(view, "t1", -2, NOON)
    assert (used_bytes(view, "t1"), used_bytes(view, "t2")) == (3, 1)


def test_a_tenant_that_takes_nothing_has_no_row() -> None:
    view = MemoryView(stored=True)
    add_bytes(view, "t1", 0, NOON)
    assert view.changes == 0
    add_bytes(view, "t1", 7, NOON)
    add_bytes(view, "t1", -7, NOON)
    assert view.get(BytesRow, tenant_key(BytesRow, "t1")) is None
    assert not list(view.scan(BytesRow, BytesRow.kind))


def test_bytes_are_held_by_the_project_that_has_them() -> None:
    view = MemoryView(stored=True)
    add_bytes(view, "t1", 7, NOON, "a")
    move_bytes(view, "t1", 7, NOON + HOUR, "a", "b")
    move_bytes(view, "t1", 7, NOON + HOUR, "b", "b")
    held = {
        tenant_and_project(key): [(p.end - p.start, p.used, p.more) for p in stored(row, END)]
        for key, row in view.scan(HeldRow, HeldRow.kind)
    }
    assert held == {
        ("t1", "a"): [(SLOT, 0, 7 * SLOT), (HOUR - SLOT, 7, 0), (SLOT, 7, -7 * SLOT), (REST, 0, 0)],
        ("t1", "b"): [(SLOT, 0, 7 * SLOT), (REST, 7, 0)],
    }
    assert used_bytes(view, "t1") == 7
