"""What lies in RocksDB's tables, whatever the database shows of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from rocksdict import Rdict

from streams.runtime.tables import BadTable, read_table
from streams.runtime.view import open_database


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Rdict]:
    db = open_database(tmp_path / "db")
    yield db
    db.close()


def tables(db: Rdict) -> list[bytes]:
    return [path.read_bytes() for path in sorted(Path(db.path()).glob("*.sst"))]


def newest(db: Rdict) -> dict[bytes, bytes]:
    """Of each key what its newest row says."""
    rows = sorted((row for data in tables(db) for row in read_table(data)), key=lambda r: r.number)
    return {row.key: row.value for row in rows}


@pytest.mark.parametrize("count", [1, 16, 5_000])
def test_all_rows_are_read(db: Rdict, count: int) -> None:
    for n in range(count):
        db[b"m/tenant\0%06d" % n] = b"a text of some length, %d" % n * (n % 40)
    db.flush()
    assert newest(db) == dict(db.items())
    assert len(newest(db)) == count


def test_what_is_replaced_or_deleted_lies_there_until_tables_are_merged(db: Rdict) -> None:
    for n in range(500):
        db[b"%03d" % n] = b"before %d" % n
    db.flush()
    for n in range(500):
        if n % 2:
            del db[b"%03d" % n]
        else:
            db[b"%03d" % n] = b"after %d" % n
    db.flush()
    lying = {row.value for data in tables(db) for row in read_table(data)}
    assert {b"before 7", b"before 8", b"after 8"} <= lying
    db.compact_range(None, None)
    left = {row.value for data in tables(db) for row in read_table(data)}
    assert left == {b"after %d" % n for n in range(0, 500, 2)}


def test_what_is_no_table_is_told(db: Rdict) -> None:
    for n in range(2_000):
        db[b"%06d" % n] = b"text %d" % n
    db.flush()
    (data,) = tables(db)
    for wrong in (b"", b"x" * 100, data[:-1], data[:100] + data[-60:]):
        with pytest.raises(BadTable):
            list(read_table(wrong))
