"""Fading use: as the formula has it, in integers."""

from math import log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.time import HOUR, parse_time
from streams.memory.use import HALF_LIFE, ONE, used

NOW = parse_time("2026-03-02T12:00:00Z")


@given(
    st.lists(st.tuples(st.integers(0, 400 * HALF_LIFE), st.integers(1, 10_000)), min_size=1),
)
def test_it_is_the_logarithm_of_the_sum(uses: list[tuple[int, int]]) -> None:
    found = None
    for passed, count in sorted(uses):
        found = used(found, NOW + passed, count)
    last = max(passed for passed, _ in uses)
    total = sum(count * 2 ** ((passed - last) / HALF_LIFE) for passed, count in uses)
    assert found is not None
    assert found / ONE == pytest.approx((NOW + last) / HALF_LIFE + log2(total), abs=1e-5)


@pytest.mark.parametrize(
    ("more", "less"),
    [
        ([0, 0], [0]),
        ([24], [0]),
        ([0, 0, 0], [24]),
        ([25], [0, 0]),
        ([24, 0], [24]),
        ([9_000], [0] * 100),
    ],
)
def test_what_counts_more(more: list[int], less: list[int]) -> None:
    """Hours at which two memories were used."""
    values = []
    for hours in (more, less):
        value = None
        for hour in sorted(hours):
            value = used(value, NOW + hour * HOUR)
        values.append(value)
    assert values[0] > values[1]


def test_two_uses_are_one_a_half_life_later() -> None:
    assert used(used(None, NOW), NOW) == used(None, NOW, 2) == used(None, NOW + HALF_LIFE)


def test_a_millisecond_tells() -> None:
    assert used(None, NOW + 1_000) > used(None, NOW)
