"""The first row in which two states differ is named, with what both say."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from rocksdict import Rdict

from streams.core.rows import encode_row, tenant_key
from streams.memory.rows import CountRow
from streams.runtime.differences import Difference, first_difference
from streams.runtime.view import open_database


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Rdict, Rdict]]:
    databases = open_database(tmp_path / "live"), open_database(tmp_path / "other")
    yield databases
    for db in databases:
        db.close()


def put(db: Rdict, tenant: str, count: int) -> None:
    db.put(tenant_key(CountRow, tenant), encode_row(CountRow(count, 0)))


def test_the_first_row_is_named(two: tuple[Rdict, Rdict]) -> None:
    live, other = two
    for db in two:
        put(db, "t1", 3)
    assert first_difference(live.iter(), other.iter()) is None
    put(other, "t3", 1)
    put(live, "t2", 4)
    found = first_difference(live.iter(), other.iter())
    assert found == Difference("CountRow", "t2", "", {"working": 4, "long_term": 0}, None)
    put(other, "t2", 5)
    found = first_difference(live.iter(), other.iter())
    assert (
        str(found)
        == 'CountRow of t2: live {"working":4,"long_term":0}, the other {"working":5,"long_term":0}'
    )
    put(live, "t2", 5)
    found = first_difference(live.iter(), other.iter())
    assert str(found) == 'CountRow of t3: live has none, the other {"working":1,"long_term":0}'


def test_what_can_not_be_read_is_shown_as_it_is(two: tuple[Rdict, Rdict]) -> None:
    live, other = two
    key = tenant_key(CountRow, "t1", b"\x00k\xff")
    live.put(key, b"\x01\xc1")
    other.put(key, b"\xee")
    assert first_difference(live.iter(), other.iter()) == Difference(
        "CountRow", "t1", "\\x00k\\xff", "AcE=", "7g=="
    )
    live.put(b"\x00position", b"1")
    other.put(key, b"\x01\xc1")
    live.put(b"~?", b"")
    found = first_difference(live.iter(), other.iter())
    assert found == Difference("~?", "", "", "", None)
