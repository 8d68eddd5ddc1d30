"""Duplicates within the window of log time, against a plain dict of all that was applied."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from rocksdict import Rdict, WriteBatch

from streams.runtime import dedupe
from streams.runtime.dedupe import Dedupe, unpack
from streams.runtime.positions import DEDUPE_PREFIX, DEDUPE_SINCE_KEY, number
from streams.runtime.view import open_database, scan_raw

WINDOWS = (5, 12, 40)
IDENTITY = st.integers(0, 6).map(lambda n: bytes((n,)) * dedupe.HASH)
CHUNK = st.tuples(
    st.lists(st.tuples(IDENTITY, st.integers(0, 9)), max_size=6),
    # What becomes of the chunk, and what happens after it.
    st.sampled_from(["commit", "commit", "lose", "reopen", "rebuild", "window"]),
)


@settings(max_examples=25, deadline=None)
@given(chunks=st.lists(CHUNK, max_size=15), window=st.sampled_from(WINDOWS))
def test_the_window_is_exact(
    chunks: list[tuple[list[tuple[bytes, int]], str]], window: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _run(open_database(Path(folder) / "db"), Path(folder), chunks, window)


def _run(
    db: Rdict, folder: Path, chunks: list[tuple[list[tuple[bytes, int]], str]], window: int
) -> None:
    seen = Dedupe(db, window)
    applied: dict[bytes, int] = {}
    topic: list[bytes] = []
    log_time, since = 1, 0
    for turn, (events, then) in enumerate(chunks):
        now, mine = log_time, dict(applied)
        seen.load([identity for identity, _ in events], log_time)
        for identity, passes in events:
            now += passes
            known = identity in mine and mine[identity] >= since and now - mine[identity] < window
            assert seen.first(identity, now) is not known
            if not known:
                mine[identity] = now
        if then == "lose":
            seen = Dedupe(db, window)
            continue
        batch = WriteBatch(raw_mode=True)
        packed = seen.packed()
        assert (packed is None) == (mine == applied)
        if packed is not None:
            topic.append(packed)
            seen.write(batch, now)
        if then == "window":
            # What the window before has let go stays unknown, wherever its entries lie still.
            since = max(since, now - window + 1)
            assert seen.since(now) == since
            window = WINDOWS[(WINDOWS.index(window) + 1) % len(WINDOWS)]
            seen.change_window(batch, window, now)
        batch.put(DEDUPE_SINCE_KEY, number(since))
        db.write(batch)
        seen.committed()
        applied, log_time = mine, now
        if then == "rebuild":
            db.close()
            db = open_database(folder / f"again-{turn}")
            batch = WriteBatch(raw_mode=True)
            for record in topic:
                dedupe.put(batch, unpack(record), window)
            batch.put(DEDUPE_SINCE_KEY, number(since))
            db.write(batch)
        if then in ("rebuild", "reopen"):
            seen = Dedupe(db, window)
    db.close()


def test_what_is_past_the_window_takes_no_room(tmp_path: Path) -> None:
    db = open_database(tmp_path / "db")
    seen = Dedupe(db, 10)
    for log_time in range(0, 200, 5):
        identity = log_time.to_bytes(dedupe.HASH, "big")
        seen.load([identity], log_time)
        assert seen.first(identity, log_time)
        batch = WriteBatch(raw_mode=True)
        seen.write(batch, log_time)
        db.write(batch)
        seen.committed()
        kept = [int.from_bytes(value, "big") for _, value in scan_raw(db, DEDUPE_PREFIX)]
        assert len(kept) <= 4
        assert {max(0, log_time - 5), log_time} <= set(kept)
    db.close()


class Ranges:
    """A batch that only counts the ranges that are deleted."""

    count = 0

    def put(self, key: bytes, value: bytes) -> None:
        pass

    def delete_range(self, start: bytes, end: bytes) -> None:
        self.count += 1


def test_an_epoch_is_dropped_once_not_with_every_chunk(tmp_path: Path) -> None:
    """A thousand ranges in RocksDB's memtable made each read take half a millisecond."""
    db = open_database(tmp_path / "db")
    seen, batch, ranges = Dedupe(db, 10), Ranges(), []
    for log_time in range(20, 60):
        assert seen.first(log_time.to_bytes(dedupe.HASH, "big"), log_time)
        seen.write(batch, log_time)
        seen.committed()
        ranges.append(batch.count)
    assert ranges == [1] * 10 + [2] * 10 + [3] * 10 + [4] * 10
    db.close()
