"""What is erased leaves the archive, and nothing else does."""

from pathlib import Path

import msgspec
import pytest

from streams.adapters.object_folder import FolderStore
from streams.runtime.archive import list_segments, read_archive
from streams.runtime.cleaning import Cleaned, clean
from streams.runtime.snapshots import Bin
from streams.snapshots.names import Place, Position, Segment
from streams.snapshots.segments import LogRecord, rewritten, seal

from .snapshot_bins import LAYOUT

PLACE = Place("g", "log", 0)


@pytest.fixture
def bucket(tmp_path: Path) -> Bin:
    return Bin(FolderStore(tmp_path / "bucket"), LAYOUT)


def put(into: Bin, first: int, end: int) -> Segment:
    """A segment whose records say what their offsets are."""
    segment = Segment(PLACE, 0, first, end)
    records = [LogRecord(offset, offset, b"t", b"text %d" % offset) for offset in range(first, end)]
    into.store.put_if_absent(into.layout.segment(segment), seal(segment, records, "0.1"))
    return segment


async def said(of: Bin) -> list[tuple[int, bytes | None]]:
    parts = [part async for part in read_archive(of, PLACE, Position(0, 0))]
    return [(record.offset, record.value) for part in parts for record in part.records]


async def generations(of: Bin) -> list[tuple[int, int, int]]:
    return [(each.first, each.end, each.generation) for each in await list_segments(of, PLACE)]


def forget(*offsets: int) -> "Forget":
    return Forget(offsets)


class Forget:
    """Of even offsets nothing is left, of odd ones the place."""

    def __init__(self, offsets: tuple[int, ...]) -> None:
        self._offsets = offsets

    def __call__(self, record: LogRecord) -> LogRecord | None:
        if record.offset not in self._offsets or record.value == b"":
            return record
        return None if record.offset % 2 == 0 else msgspec.structs.replace(record, value=b"")


async def test_only_what_holds_something_is_rewritten(bucket: Bin) -> None:
    for first in (0, 3, 6):
        put(bucket, first, first + 3)
    assert await clean(bucket, PLACE, forget(4, 5)) == Cleaned(3, 1)
    assert await said(bucket) == [
        *((0, b"text 0"), (1, b"text 1"), (2, b"text 2"), (3, b"text 3"), (5, b"")),
        *((6, b"text 6"), (7, b"text 7"), (8, b"text 8")),
    ]
    assert await generations(bucket) == [(0, 3, 0), (3, 6, 1), (6, 9, 0)]
    assert await clean(bucket, PLACE, forget(4, 5)) == Cleaned(3, 0), "it stays as it is"


async def test_all_that_overlap_are_cleaned(bucket: Bin) -> None:
    put(bucket, 0, 4)
    put(bucket, 2, 6)
    assert (await clean(bucket, PLACE, forget(2, 3))).rewritten == 2
    for name in [stored.name for stored in bucket.store.list("")]:
        segment = bucket.layout.read_segment(name)
        assert segment is not None
        assert segment.generation == 1
    assert await said(bucket) == [
        *((0, b"text 0"), (1, b"text 1"), (3, b""), (4, b"text 4"), (5, b"text 5"))
    ]


async def test_who_died_before_the_earlier_one_was_deleted_is_gone_on_for(bucket: Bin) -> None:
    segment = put(bucket, 0, 3)
    made = rewritten(segment, bucket.store.get(bucket.layout.segment(segment)), forget(1), "0.1")
    assert made is not None
    bucket.store.put_if_absent(bucket.layout.segment(made[0]), made[1])
    assert await clean(bucket, PLACE, forget(1)) == Cleaned(1, 0)
    assert await generations(bucket) == [(0, 3, 1)]


async def test_what_another_wrote_meanwhile_is_cleaned_too(
    bucket: Bin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frozen owner that knows of less may be quicker by a step."""
    segment = put(bucket, 0, 3)
    made = rewritten(segment, bucket.store.get(bucket.layout.segment(segment)), forget(0), "0.1")
    assert made is not None
    put_if_absent = bucket.store.put_if_absent

    def late(name: str, data: bytes) -> bool:
        monkeypatch.setattr(bucket.store, "put_if_absent", put_if_absent)
        put_if_absent(bucket.layout.segment(made[0]), made[1])
        return put_if_absent(name, data)

    monkeypatch.setattr(bucket.store, "put_if_absent", late)
    assert await clean(bucket, PLACE, forget(0, 1)) == Cleaned(1, 1)
    assert await generations(bucket) == [(0, 3, 2)]
    assert await said(bucket) == [(1, b""), (2, b"text 2")]


async def test_what_can_not_be_read_is_told_and_holds_up_no_other(bucket: Bin) -> None:
    segment = put(bucket, 0, 3)
    name = bucket.layout.segment(segment)
    bucket.store.put(name, bucket.store.get(name)[:-1])
    put(bucket, 3, 6)
    done = await clean(bucket, PLACE, forget(1, 4))
    assert (done.segments, done.rewritten, len(done.damaged)) == (2, 1, 1)
    assert done.damaged[0].startswith(name)
