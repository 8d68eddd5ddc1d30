"""A digest is of the logical rows alone, whatever order and history they came in."""

from pathlib import Path

from msgspec import structs

from streams.core.rows import encode_row
from streams.memory.memory_row import MemoryRow100, with_clusters, with_cost, with_deletion
from streams.memory.rows import memory_key
from streams.runtime import positions
from streams.runtime.digest import Digest, digest
from streams.runtime.view import open_database

# Of kinds that no code knows: bytes are taken as they are.
ROWS = {b"!at\x00k": b"1", b"!bt\x00": b"2", b"!bt\x00x": b""}


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
        ROWS | {b"!c": b""},
        ROWS | {b"!at\x00k": b"2"},
        {key: value for key, value in ROWS.items() if key != b"!bt\x00x"},
        # The same bytes, cut elsewhere.
        ROWS | {b"!bt\x00": b"2!bt\x00x", b"!bt\x00x": b""},
        {b"!at\x00k1": b"", b"!bt\x00": b"2", b"!bt\x00x": b""},
    ]
    found = {digest_of(tmp_path / str(n), rows).hex for n, rows in enumerate([ROWS, *others])}
    assert len(found) == len(others) + 1


def test_a_row_counts_as_what_it_says_in_the_newest_schema(tmp_path: Path) -> None:
    texts: tuple[str, ...] = ("who", "s")
    oldest = MemoryRow100(
        *("it failed", 1, 2, *texts, 3, texts, texts, None, 5, True, 1),
        *(0, None, None, 0, 700, False, (), None),
    )
    between = with_deletion(with_cost(oldest))
    key = memory_key("t1", "m1")
    rows = [oldest, between, with_clusters(between)]
    values = [encode_row(row) for row in rows]
    found = {digest_of(tmp_path / str(n), {key: value}) for n, value in enumerate(values)}
    assert (len(set(values)), len(found)) == (3, 1)
    other = encode_row(structs.replace(oldest, revision=2))
    assert digest_of(tmp_path / "other", {key: other}) not in found
