"""What a fold sees through its buffer is what a plain dict would hold."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rocksdict import Rdict, WriteBatch

from streams.core.errors import PartitionRed, StoreDamaged, StoreLost
from streams.core.fold import View
from streams.core.rows import Row, encode_row
from streams.runtime import view as module
from streams.runtime.digest import digest
from streams.runtime.view import (
    BufferedView,
    DatabaseReader,
    SnapshotRows,
    after,
    open_database,
    write,
)


class Note(Row, frozen=True, array_like=True):
    kind: ClassVar[bytes] = b"n/"

    number: int


class Text(Row, frozen=True, array_like=True):
    kind: ClassVar[bytes] = b"n/"

    text: str


@contextmanager
def database() -> Iterator[Rdict]:
    with tempfile.TemporaryDirectory() as folder:
        db = open_database(Path(folder) / "db")
        try:
            yield db
        finally:
            db.close()


def damaged(folder: Path) -> Rdict:
    """A database with one wrong byte in the middle of its only table."""
    db = open_database(folder)
    for number in range(5_000):
        db.put(b"n/%06d" % number, encode_row(Note(number)))
    db.flush()
    db.close()
    (table,) = folder.glob("*.sst")
    data = bytearray(table.read_bytes())
    data[len(data) // 3] ^= 0xFF
    table.write_bytes(data)
    return open_database(folder)


def test_damage_is_no_end_of_the_rows(tmp_path: Path) -> None:
    """RocksDB opens such a table, and its iterators just end there."""
    db = damaged(tmp_path / "db")
    reader = DatabaseReader(db)
    with pytest.raises(StoreDamaged):
        list(reader.scan(Note, b"n/"))
    assert reader.damage is not None
    with pytest.raises(StoreDamaged):
        digest(db.iter())
    reader = DatabaseReader(db)
    snapshot, found = SnapshotRows(db), 0
    for number in range(5_000):
        try:
            reader.get(Note, b"n/%06d" % number)
        except StoreDamaged:
            found += 1
            with pytest.raises(StoreDamaged):
                snapshot.get(Note, b"n/%06d" % number)
    assert 0 < found < 5_000
    assert reader.damage is not None
    snapshot.close()
    db.close()


KEYS = st.lists(st.sampled_from([b"\x00", b"a", b"b", b"\xfe", b"\xff"]), max_size=4).map(
    lambda parts: b"n/" + b"".join(parts)
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), KEYS, st.integers(0, 99)),
        st.tuples(st.just("delete"), KEYS, st.just(0)),
        st.tuples(st.just("get"), KEYS, st.just(0)),
        st.tuples(st.just("scan"), KEYS, st.integers(0, 3)),
        st.tuples(st.just("commit"), st.just(b""), st.just(0)),
        st.tuples(st.just("lose"), st.just(b""), st.just(0)),
    ),
    max_size=40,
)


def expected(
    rows: dict[bytes, int], prefix: bytes, *, reverse: bool, start: bytes | None
) -> list[tuple[bytes, int]]:
    keys = sorted((key for key in rows if key.startswith(prefix)), reverse=reverse)
    if start is not None:
        keys = [key for key in keys if (key <= start if reverse else key >= start)]
    return [(key, rows[key]) for key in keys]


@settings(max_examples=25, deadline=None)
@given(
    steps=STEPS,
    starts=st.lists(KEYS, min_size=1, max_size=5),
    clean=st.sampled_from([0, 9]),
    few=st.sampled_from([0, 2, 64]),
)
def test_the_buffer_is_a_dict(
    steps: list[tuple[str, bytes, int]], starts: list[bytes], clean: int, few: int
) -> None:
    before = module.MAX_CLEAN_ROWS, module.FEW_NEW
    module.MAX_CLEAN_ROWS, module.FEW_NEW = clean, few
    try:
        with database() as db:
            db.put(b"m/neighbour", encode_row(Note(1)))
            db.put(b"o/neighbour", encode_row(Note(2)))
            _run(db, steps, starts)
    finally:
        module.MAX_CLEAN_ROWS, module.FEW_NEW = before


def _run(db: Rdict, steps: list[tuple[str, bytes, int]], starts: list[bytes]) -> None:
    view, reader = BufferedView(db), DatabaseReader(db)
    rows: dict[bytes, int] = {}
    durable: dict[bytes, int] = {}
    for at, (step, key, number) in enumerate(steps):
        if step == "put":
            view.put(key, Note(number))
            rows[key] = number
        elif step == "delete":
            view.delete(key)
            rows.pop(key, None)
        elif step == "get":
            row = view.get(Note, key)
            assert (None if row is None else row.number) == rows.get(key)
        elif step == "commit":
            batch = WriteBatch(raw_mode=True)
            write(batch, view.encoded())
            db.write(batch)
            view.committed()
            durable = dict(rows)
        elif step == "lose":
            # A store that is lost takes its buffer with it.
            view, rows = BufferedView(db), dict(durable)
        else:
            start = key + starts[at % len(starts)][2:] if number & 1 else None
            reverse = bool(number & 2)
            for source, held in ((view, rows), (reader, durable)):
                found = source.scan(Note, key, reverse=reverse, start=start)
                shown = [(k, row.number) for k, row in found]
                assert shown == expected(held, key, reverse=reverse, start=start)
    assert {key: row.number for key, row in reader.scan(Note, b"n/")} == durable


@given(prefix=st.binary(max_size=4), key=st.binary(max_size=6))
def test_after_is_the_first_key_beyond_a_prefix(prefix: bytes, key: bytes) -> None:
    end = after(prefix)
    if key.startswith(prefix):
        assert end is None or key < end
    elif key > prefix:
        assert end is not None
        assert key >= end


def test_a_large_row_is_not_kept() -> None:
    with database() as db:
        view = BufferedView(db)
        for key, text in ((b"n/small", "x" * 4_000), (b"n/large", "x" * 5_000)):
            view.put(key, Text(text))
        batch = WriteBatch(raw_mode=True)
        write(batch, view.encoded())
        db.write(batch)
        view.committed()
        assert view.get(Text, b"n/large") == Text("x" * 5_000)
        view.put(b"n/large", Text("y" * 5_000))
        view.encoded()
        view.committed()
        # What is kept is not asked of the database.
        db.put(b"n/small", encode_row(Text("other")))
        assert view.get(Text, b"n/small") == Text("x" * 4_000)
        assert view.get(Text, b"n/large") == Text("x" * 5_000)


def test_a_damaged_or_newer_row_is_red_not_wrong() -> None:
    with database() as db:
        for value in (b"\x01\xc1", bytes((Note.version + 1,)) + encode_row(Note(1))[1:]):
            db.put(b"n/a", value)
            with pytest.raises(PartitionRed, match="Note"):
                DatabaseReader(db).get(Note, b"n/a")


def test_a_snapshot_stays_as_it_was() -> None:
    with database() as db:
        db[b"n/a"] = encode_row(Note(1))
        rows = SnapshotRows(db)
        db[b"n/a"], db[b"n/b"] = encode_row(Note(2)), encode_row(Note(3))
        assert rows.get(Note, b"n/a") == Note(1)
        assert rows.get(Note, b"n/b") is None
        rows.close()
        with pytest.raises(AttributeError):
            rows.get(Note, b"n/a")
    with pytest.raises(StoreLost):
        SnapshotRows(db)


class More:
    """Adds to a row when it is settled."""

    def __init__(self, key: bytes, number: int) -> None:
        self.key, self.number = key, number

    def settle(self, view: View) -> None:
        row = view.get(Note, self.key) or Note(0)
        view.put(self.key, Note(row.number + self.number))


def test_what_is_deferred_is_taken_with_the_rows_and_once() -> None:
    with database() as db:
        view = BufferedView(db)
        view.put(b"n/a", Note(1))
        view.deferred[1], view.deferred[2] = More(b"n/a", 10), More(b"n/b", 100)
        assert view.get(Note, b"n/a") == Note(1)
        assert dict(view.encoded()) == {
            b"n/a": encode_row(Note(11)),
            b"n/b": encode_row(Note(100)),
        }
        view.committed()
        assert view.encoded() == []
        assert view.get(Note, b"n/a") == Note(11)
