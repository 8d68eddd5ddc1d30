"""Chunks keep order and say truly after which offset they begin, however cut and joined."""

from collections.abc import Sequence
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from streams.runtime import chunks
from streams.runtime.chunks import MAX_RECORDS, Chunk, ChunkScheduler, Inbox


class Record(NamedTuple):
    offset: int
    value: bytes = b"abc"


def chunk(prev: int | None, offsets: Sequence[int]) -> Chunk:
    return Chunk(prev, [Record(offset) for offset in offsets])


def offsets(made: Chunk) -> list[int]:
    return [record.offset for record in made.records]


def test_a_long_fetch_is_cut_into_chunks_that_follow_each_other() -> None:
    whole = chunk(4, range(10, 10 + 2 * MAX_RECORDS + 5))
    parts = list(whole.split())
    assert [len(part.records) for part in parts] == [MAX_RECORDS, MAX_RECORDS, 5]
    assert [part.prev for part in parts] == [4, parts[0].last, parts[1].last]
    assert [o for part in parts for o in offsets(part)] == offsets(whole)
    # Where the first may not be relied on, none may.
    unknown = chunk(None, range(MAX_RECORDS + 1))
    assert [part.prev for part in unknown.split()] == [None, None]


def test_the_scheduler_yields_every_partitions_chunks() -> None:
    fetched = {"a": chunk(0, range(1, MAX_RECORDS + 2)), "b": chunk(None, [7])}
    found = [(tp, len(part.records)) for tp, part in ChunkScheduler().iterate(fetched)]
    assert found == [("a", MAX_RECORDS), ("a", 1), ("b", 1)]


RUNS = st.lists(
    st.tuples(
        # Follows the one before, begins somewhere else, is not known, or failed.
        st.sampled_from(["follows", "follows", "follows", "elsewhere", "unknown", "failed"]),
        st.integers(1, 4),
        st.integers(1, 3),
    ),
    max_size=30,
)


@given(runs=RUNS, take_after=st.sets(st.integers(0, 29)), limit=st.sampled_from([2, 4, 100]))
def test_the_inbox_joins_only_what_follows(
    runs: list[tuple[str, int, int]], take_after: set[int], limit: int
) -> None:
    given_chunks: list[Chunk] = []
    at = 0
    for kind, length, gap in runs:
        begin = at + gap
        if kind == "failed":
            given_chunks.append(Chunk(None, [], OSError()))
            continue
        prev = {"follows": at, "elsewhere": begin - 1 if gap > 1 else at + 100, "unknown": None}
        given_chunks.append(chunk(prev[kind], range(begin, begin + length)))
        at = begin + length - 1
    inbox, taken = Inbox(), []
    before, chunks.MAX_RECORDS = chunks.MAX_RECORDS, limit
    try:
        for number, one in enumerate(given_chunks):
            inbox.put(one)
            if number in take_after and (found := inbox.take()) is not None:
                taken.append(found)
        while (found := inbox.take()) is not None:
            taken.append(found)
    finally:
        chunks.MAX_RECORDS = before
    assert inbox.nbytes == 0
    assert not inbox.filled.is_set()
    # Nothing is lost, doubled or moved.
    assert [o for c in taken for o in offsets(c)] == [o for c in given_chunks for o in offsets(c)]
    assert [c.error is None for c in taken].count(False) == [r[0] for r in runs].count("failed")
    by_first = {c.records[0].offset: c for c in given_chunks if c.records}
    for one in taken:
        if one.error is not None:
            assert one.records == []
            continue
        assert one.prev == by_first[one.records[0].offset].prev
        assert one.nbytes == 3 * len(one.records)
        # Within a joined chunk each part says that it follows the record before it.
        last = None
        for offset in offsets(one):
            if last is not None and offset in by_first:
                assert by_first[offset].prev == last
            last = offset
        starts = [o for o in offsets(one) if o in by_first]
        assert len(starts) == 1 or len(one.records) <= limit


def test_clearing_forgets_all() -> None:
    inbox = Inbox()
    inbox.put(chunk(0, [1, 2]))
    assert inbox.filled.is_set()
    inbox.clear()
    assert (inbox.take(), inbox.nbytes, inbox.filled.is_set()) == (None, 0, False)
