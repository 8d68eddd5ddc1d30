"""Duplicates within the window of log time, against a plain dict of all that was applied."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from rocksdict import Rdict, WriteBatch

from streams.runtime import dedupe
from streams.runtime.dedupe import Dedupe, rekey, unpack
from streams.runtime.positions import DEDUPE_PREFIX
from streams.runtime.view import open_database, scan_raw

WINDOWS = (5, 12, 40)
IDENTITY = st.integers(0, 6).map(lambda n: bytes((n,)) * dedupe.HASH)
CHUNK = st.tuples(
    st.lists(st.tuples(IDENTITY, st.integers(0, 9)), max_size=6),
    # What becomes of the chunk, and what happens after it.
    st.sampled_from(["commit", "commit", "commit", "lose", "rebuild", "window"]),
)


@settings(max_examples=25, deadline=None)
@given(chunks=st.lists(CHUNK, max_size=15), window=st.sampled_from(WINDOWS))
def test_the_window_is_exact(
    chunks: list[tuple[list[tuple[bytes, int]], str]], window: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        db = open_database(Path(folder) / "db")
        try:
            _run(db, Path(folder), chunks, window)
        finally:
            db.close()


def _run(
    db: Rdict, folder: Path, chunks: list[tuple[list[tuple[bytes, int]], str]], window: int
) -> None:
    seen = Dedupe(db, window)
    applied: dict[bytes, int] = {}
    topic: list[bytes] = []
    log_time = 1
    for number, (events, then) in enumerate(chunks):
        now, mine = log_time, dict(applied)
        seen.load([identity for identity, _ in events], log_time)
        for identity, passes in events:
            now += passes
            new = identity not in mine or now - mine[identity] >= window
            assert seen.first(identity, now) is new
            if new:
                mine[identity] = now
        if then == "lose":
            seen = Dedupe(db, window)
            continue
        packed = seen.packed()
        assert (packed is None) == (mine == applied)
        if packed is not None:
            topic.append(packed)
            batch = WriteBatch(raw_mode=True)
            seen.write(batch, now)
            db.write(batch)
        seen.committed()
        applied, log_time = mine, now
        if then == "rebuild":
            db = open_database(folder / f"again-{number}")
            batch = WriteBatch(raw_mode=True)
            for record in topic:
                dedupe.put(batch, unpack(record), window)
            db.write(batch)
            seen = Dedupe(db, window)
        elif then == "window":
            old, window = window, WINDOWS[(WINDOWS.index(window) + 1) % len(WINDOWS)]
            if window > old:
                # What a shorter window has let go can't be known again.
                applied = {i: t for i, t in applied.items() if log_time - t < old}
                forget = {i for i in mine if i not in applied}
                topic = [b"".join(i + t.to_bytes(8, "big") for i, t in applied.items())]
                batch = WriteBatch(raw_mode=True)
                for key, _ in scan_raw(db, DEDUPE_PREFIX):
                    if key[-dedupe.HASH :] in forget:
                        batch.delete(key)
                db.write(batch)
            rekey(db, old, window)
            seen.window = window


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
