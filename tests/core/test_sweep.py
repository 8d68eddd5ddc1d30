"""Old rows go, oldest first, a few at a time, and never one that is not old."""

from typing import ClassVar
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st
from usage.memory_view import MemoryView

from streams.core import sweep
from streams.core.rows import Row, sortable
from streams.core.sweep import drop_old
from streams.core.time import HOUR

KEPT = 5 * HOUR
PREFIX = b"k/t1\x00"
NEIGHBOUR = b"k/t10\x00"


class Kept(Row, frozen=True, array_like=True):
    kind: ClassVar[bytes] = b"k/"

    at: int


@given(
    rows=st.lists(st.sampled_from((0, 0, 1, HOUR // 2, HOUR - 1, HOUR, 3 * HOUR, 20 * HOUR))),
    at_once=st.integers(1, 4),
)
def test_old_rows_go_a_few_at_a_time(rows: list[int], at_once: int) -> None:
    """Against a list: looked through once an hour, and at once again while there is more."""
    view = MemoryView(stored=True)
    view.put(NEIGHBOUR + sortable(0), Kept(0))
    held: list[int] = []
    now, look = 0, HOUR
    for number, passed in enumerate(rows):
        now += passed
        oldest = now - KEPT
        with patch.object(sweep, "AT_ONCE", at_once):
            gone = drop_old(view, Kept, PREFIX, now, lambda _, row: row.at < oldest)  # noqa: B023
        view.put(PREFIX + sortable(now) + sortable(number), Kept(now))
        due: list[int] = []
        if number and now >= look:
            due = [at for at in held if at < oldest][:at_once]
            look = now if len(due) == at_once else now + HOUR
        elif not number:
            look = now + HOUR
        assert [row.at for row in gone] == due
        held = [*held[len(due) :], now]
        assert [row.at for _, row in view.scan(Kept, PREFIX)] == held
    assert view.get(Kept, NEIGHBOUR + sortable(0)) == Kept(0)
