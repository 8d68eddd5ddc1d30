"""Columns give every value back, and take few bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.templates.columns import (
    Column,
    Digits,
    Hexes,
    Ints,
    Parts,
    Picks,
    Same,
    Shapes,
    Steps,
    Words,
    columns_of,
    pack,
    rows_of,
    text_of,
    texts_of,
    unpack,
)
from streams.templates.template import Template
from templates.hostile import ANY, SETTINGS


@pytest.mark.parametrize(
    ("values", "kind", "most"),
    [
        (["ok"] * 100, Same, 10),
        ([str(n * n % 97) for n in range(100)], Ints, 110),
        ([str(10**12 + 17 * n) for n in range(100)], Steps, 30),
        ([f"{n * 7 % 1000:06}" for n in range(100)], Digits, 140),
        ([f"{n * 0x9E3779B97F4A7C15 % 2**64:016x}" for n in range(100)], Hexes, 820),
        (["root", "guest", "news"] * 30, Picks, 50),
        ([f"10.0.{n % 7}.{n}:50010" for n in range(100)], Parts, 180),
        ([f"rdd_{n}_7" if n % 3 else f"piece{n}" for n in range(100)], Shapes, 140),
        (["a", "bb", "", "\x00", "😀"], Words, 30),
        ([str(n * 2**57 - 2**63) for n in (0, 9, 127, 3)], Ints, 50),
        (["1" * 25, "2" * 25], Digits, 60),
    ],
)
def test_each_kind_of_values(values: list[str], kind: type[Column], most: int) -> None:
    columns = columns_of([(value,) for value in values])
    assert isinstance(columns[0], kind)
    packed = pack(columns)
    assert len(packed) <= most
    assert [row[0] for row in rows_of(unpack(packed), len(values))] == values


VALUE = st.one_of(
    ANY,
    st.integers().map(str),
    st.integers(0, 99).map("{:04}".format),
    st.binary(max_size=4).map(bytes.hex),
    st.ip_addresses(v=4).map(str),
    st.sampled_from(["-0", "00", "+1", "-", "A1", "a1", "٣", ""]),
)
COLUMN = st.one_of(
    st.just(st.integers().map(str)),
    st.just(st.integers(0, 99).map("{:04}".format)),
    st.just(st.binary(min_size=2, max_size=2).map(bytes.hex)),
    st.just(st.ip_addresses(v=4).map(str)),
    st.just(VALUE),
)
ROWS = st.lists(COLUMN, min_size=1, max_size=4).flatmap(
    lambda kinds: st.lists(st.tuples(*kinds), min_size=1, max_size=8)
)


@SETTINGS
@given(ROWS)
def test_rows_come_back(rows: list[tuple[str, ...]]) -> None:
    columns = unpack(pack(columns_of(rows)))
    assert rows_of(columns, len(rows)) == rows
    template = Template(("<",) * (len(rows[0]) + 1))
    texts = texts_of(template, columns, len(rows))
    assert texts == [text_of(template, columns, row) for row in range(len(rows))]


def test_no_variables() -> None:
    assert rows_of(columns_of([(), ()]), 2) == [(), ()]
    assert texts_of(Template(("a",)), (), 2) == ["a", "a"]
