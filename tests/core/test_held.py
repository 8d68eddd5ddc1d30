"""Bytes held over time: any changes come to the same area as adding them up one by one."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from usage.memory_view import MemoryView

from streams.core.held import SLOT, HeldRow, counted, held_key, hold, stored, tenant_and_project

START = 1_000 * SLOT
times = st.lists(st.integers(0, 9 * SLOT), min_size=1, max_size=20).map(sorted)


@given(times, st.data())
def test_pieces_come_to_the_area_under_the_changes(
    moments: list[int], drawn: st.DataObject
) -> None:
    """However often what is past is counted, and with whatever changes inside a slot."""
    view = MemoryView(stored=True)
    key = held_key("t1", "a")
    changes = [(START + moment, drawn.draw(st.integers(-50, 100))) for moment in moments]
    area = 0
    for time, change in changes:
        hold(view, "t1", "a", change, time)
        row = view.get(HeldRow, key)
        assert row is not None
        if drawn.draw(st.booleans()):
            until = time // SLOT * SLOT
            area += sum(p.used * (p.end - p.start) + p.more for p in stored(row, until))
            left = counted(row, until)
            view.delete(key) if left is None else view.put(key, left)
    until = changes[-1][0] + drawn.draw(st.integers(0, 3 * SLOT))
    row = view.get(HeldRow, key)
    pieces = [] if row is None else list(stored(row, until))
    area += sum(p.used * (p.end - p.start) + p.more for p in pieces)
    assert area == sum(change * (until - time) for time, change in changes)
    for one, following in pairwise(pieces):
        assert one.end == following.start


def test_a_row_grows_with_slots_and_not_with_changes() -> None:
    view = MemoryView(stored=True)
    for moment in range(2 * SLOT, 4 * SLOT, SLOT // 100):
        hold(view, "t1", "a", 1, moment)
    row = view.get(HeldRow, held_key("t1", "a"))
    assert row is not None
    assert [step[:2] for step in row.steps] == [(2 * SLOT, 100), (3 * SLOT, 100)]


def test_a_row_of_which_nothing_is_left_is_none() -> None:
    assert counted(HeldRow(5, 0, ((0, -5, -SLOT),)), SLOT) is None
    assert counted(HeldRow(5, 0), SLOT) == HeldRow(5, SLOT)
    assert counted(HeldRow(0, 0, ((SLOT, 5, 1),)), SLOT) == HeldRow(0, SLOT, ((SLOT, 5, 1),))


def test_a_key_names_its_tenant_and_project() -> None:
    assert tenant_and_project(held_key("t1", "a\x1fb")) == ("t1", "a\x1fb")
