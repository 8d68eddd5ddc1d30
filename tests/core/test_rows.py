"""Rows: the same bytes for the same row, any size of sum, and no newer row is misread."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.errors import PartitionRed
from streams.core.rows import Row, decode_row, encode_row, sortable, tenant_key


class Sum(Row, frozen=True, array_like=True):
    kind = b"x/"

    name: str
    total: int


class Newer(Sum, frozen=True, array_like=True):
    version = 2


@given(st.text(), st.integers(-(1 << 200), 1 << 200))
def test_a_row_is_read_back_whatever_its_sum(name: str, total: int) -> None:
    row = Sum(name, total)
    assert decode_row(Sum, encode_row(row)) == row
    assert encode_row(decode_row(Sum, encode_row(row))) == encode_row(row)


@pytest.mark.parametrize("total", [1, 1 << 100])
def test_a_newer_row_stops_the_reader(total: int) -> None:
    with pytest.raises(PartitionRed, match="newer"):
        decode_row(Sum, encode_row(Newer("a", total)))


def test_a_damaged_row_stops_the_reader() -> None:
    with pytest.raises(PartitionRed, match="can't be read"):
        decode_row(Sum, encode_row(Sum("a", 1))[:-1])


@given(st.integers(-(1 << 63), (1 << 63) - 1), st.integers(-(1 << 63), (1 << 63) - 1))
def test_numbers_sort_as_bytes(a: int, b: int) -> None:
    assert (sortable(a) < sortable(b)) == (a < b)


def test_no_tenant_lies_under_another_ones_prefix() -> None:
    assert not tenant_key(Sum, "t10", b"x").startswith(tenant_key(Sum, "t1"))
