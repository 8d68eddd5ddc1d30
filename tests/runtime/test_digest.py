"""A digest is of the logical rows alone, whatever order and history they came in."""

from pathlib import Path

from streams.runtime import positions
from streams.runtime.digest import Digest, digest
from streams.runtime.view import open_database

ROWS = {b"a/t\x00k": b"1", b"b/t\x00": b"2", b"b/t\x00x": b""}


def digest_of(folder: Path, rows: dict[bytes, bytes]) -> Digest:
    db = open_database(folder)
    for key, value in rows.items():
        db.put(key, value)
    found = digest(db.iter())
    db.close()
    return found


def test_order_and_positions_do_not_matter(tmp_path: Path) -> None:
    first = digest_of(tmp_path / "1", ROWS)
    turned = dict(reversed(ROWS.items()))
    own = {positions.SOURCE_KEY: b"s", positions.CHANGELOG_KEY: b"c", b"\x01d/x": b"d"}
    assert digest_of(tmp_path / "2", turned | own) == first
    assert first[1] == len(ROWS)


def test_everything_else_does(tmp_path: Path) -> None:
    others: list[dict[bytes, bytes]] = [
        {},
        ROWS | {b"c/": b""},
        ROWS | {b"a/t\x00k": b"2"},
        {key: value for key, value in ROWS.items() if key != b"b/t\x00x"},
        # The same bytes, cut elsewhere.
        ROWS | {b"b/t\x00": b"2b/t\x00x", b"b/t\x00x": b""},
        {b"a/t\x00k1": b"", b"b/t\x00": b"2", b"b/t\x00x": b""},
    ]
    found = {digest_of(tmp_path / str(n), rows).hex for n, rows in enumerate([ROWS, *others])}
    assert len(found) == len(others) + 1
