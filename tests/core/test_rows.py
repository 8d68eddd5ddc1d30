"""Rows: the same bytes for the same row, any size of sum, and no newer row is misread."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.errors import PartitionRed
from streams.core.rows import (
    Row,
    Step,
    decode_row,
    encode_row,
    newest_form,
    sortable,
    tenant_key,
    version_of,
    written_version,
)


class Sum(Row, frozen=True, array_like=True):
    kind = b"x/"

    name: str
    total: int


class Newer(Sum, frozen=True, array_like=True):
    version = 2


class Noted(Row, frozen=True, array_like=True):
    """The sum's successor: of schema 3, with a note."""

    kind = b"x/"
    version = 3
    step = Step(Sum, lambda row: Noted(row.name, row.total), lambda row: Sum(row.name, row.total))

    name: str
    total: int
    note: str = ""


@given(st.text(), st.integers(-(1 << 200), 1 << 200))
def test_a_row_is_read_back_whatever_its_sum(name: str, total: int) -> None:
    row = Sum(name, total)
    assert decode_row(Sum, encode_row(row)) == row
    assert encode_row(decode_row(Sum, encode_row(row))) == encode_row(row)


@pytest.mark.parametrize("total", [1, 1 << 100])
def test_a_newer_row_stops_the_reader(total: int) -> None:
    with pytest.raises(PartitionRed, match="newer"):
        decode_row(Sum, encode_row(Newer("a", total)))


@given(st.text(), st.integers(-(1 << 200), 1 << 200))
def test_an_older_row_is_read_as_the_newest(name: str, total: int) -> None:
    old, new = encode_row(Sum(name, total)), encode_row(Noted(name, total))
    assert decode_row(Noted, old) == decode_row(Noted, new) == Noted(name, total)
    assert newest_form(Noted, old) == newest_form(Noted, new) == new


@pytest.mark.parametrize(("schema", "version"), [(1, 1), (2, 1), (3, 3), (4, 3)])
def test_a_row_is_written_in_the_newest_shape_that_the_state_has(schema: int, version: int) -> None:
    value = encode_row(Noted("a", 1 << 100), schema)
    assert version_of(value) == written_version(Noted, schema) == version
    assert decode_row(Noted, value) == Noted("a", 1 << 100)


def test_what_an_older_shape_can_not_say_is_not_lost_in_silence() -> None:
    assert decode_row(Noted, encode_row(Noted("a", 1, "mind"), 3)).note == "mind"
    with pytest.raises(PartitionRed, match="finalize first"):
        encode_row(Noted("a", 1, "mind"), 2)


def test_a_shape_that_nobody_writes_any_more_is_refused() -> None:
    with pytest.raises(PartitionRed, match="writes no Newer"):
        encode_row(Newer("a", 1), 1)
    assert written_version(Newer, 1) == 0


@pytest.mark.parametrize("version", [0, 2])
def test_a_version_that_never_was_stops_the_reader(version: int) -> None:
    with pytest.raises(PartitionRed, match=f"no version {version} ever was"):
        decode_row(Noted, bytes((version,)) + encode_row(Sum("a", 1))[1:])


def test_a_damaged_row_stops_the_reader() -> None:
    with pytest.raises(PartitionRed, match="can't be read"):
        decode_row(Sum, encode_row(Sum("a", 1))[:-1])


@given(st.integers(-(1 << 63), (1 << 63) - 1), st.integers(-(1 << 63), (1 << 63) - 1))
def test_numbers_sort_as_bytes(a: int, b: int) -> None:
    assert (sortable(a) < sortable(b)) == (a < b)


def test_no_tenant_lies_under_another_ones_prefix() -> None:
    assert not tenant_key(Sum, "t10", b"x").startswith(tenant_key(Sum, "t1"))
