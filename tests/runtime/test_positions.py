"""Fences let each origin through once, and fingerprints tell two records apart."""

from pathlib import Path
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from streams.core.log import DEFAULT_CONFIG, Origin
from streams.runtime import positions
from streams.runtime.positions import Fences, Source, decode_fence, fingerprint, origin_row_key
from streams.runtime.view import open_database

ORIGINS = st.builds(
    Origin,
    topic=st.sampled_from(["a", "a.b"]),
    incarnation=st.integers(0, 1),
    partition=st.integers(0, 1),
    offset=st.integers(0, 5),
    n=st.integers(0, 2),
)


@given(chunks=st.lists(st.lists(ORIGINS, max_size=8), max_size=6))
def test_only_what_is_above_the_highest_passes(chunks: list[list[Origin]]) -> None:
    stored: dict[bytes, tuple[int, int]] = {}
    highest: dict[tuple[str, int, int], tuple[int, int]] = {}
    for chunk in chunks:
        fences = Fences(dict(stored))
        touched = set()
        for origin in chunk:
            place = (origin.topic, origin.incarnation, origin.partition)
            here = (origin.offset, origin.n)
            above = here > highest.get(place, (-1, -1))
            assert fences.passes(origin) is above
            if above:
                highest[place] = here
                touched.add(origin_row_key(*place))
        rows = fences.rows()
        assert [key for key, _ in rows] == sorted(touched)
        stored |= {key: decode_fence(value) for key, value in rows if value is not None}
    assert stored == {origin_row_key(*place): here for place, here in highest.items()}


class Record(NamedTuple):
    timestamp: int
    value: bytes | None


def test_a_fingerprint_tells_records_apart() -> None:
    records = [Record(1, b"a"), Record(2, b"a"), Record(1, b"b"), Record(1, None), Record(11, b"a")]
    assert len({fingerprint(record) for record in records}) == len(records)


def test_positions_are_no_logical_rows() -> None:
    own = (
        positions.SOURCE_KEY,
        positions.CONFIG_KEY,
        positions.CHANGELOG_KEY,
        positions.DEDUPE_POSITION_KEY,
        positions.DEDUPE_PREFIX + b"\xff" * 24,
        origin_row_key("\U0010ffff", 2**60, 2**30),
    )
    assert all(key < positions.LOGICAL_START for key in own)


def test_an_empty_store_knows_nothing_and_says_what_was_put(tmp_path: Path) -> None:
    db = open_database(tmp_path / "db")
    assert positions.read_source(db) is None
    assert positions.read_config(db) is None
    assert positions.read_number(db, positions.CHANGELOG_KEY) is None
    source = Source(1, 2**40, "x", 2**50)
    db.put(positions.SOURCE_KEY, positions.encode(source))
    db.put(positions.CONFIG_KEY, positions.encode(DEFAULT_CONFIG))
    db.put(positions.CHANGELOG_KEY, positions.number(7))
    assert positions.read_source(db) == source
    assert positions.read_config(db) == DEFAULT_CONFIG
    assert positions.read_number(db, positions.CHANGELOG_KEY) == 7
    db.close()
