"""Dropping: names that are too old go, and a partition can still be restored."""

import time
from pathlib import Path

from streams.adapters.object_folder import FolderStore
from streams.core.time import HOUR
from streams.runtime.dropping import drop_old
from streams.runtime.snapshots import Bin, list_snapshots
from streams.snapshots.manifest import encode
from streams.snapshots.names import Position, Segment
from streams.snapshots.segments import seal
from tests.snapshots.manifests import PLACE, manifest

from .snapshot_bins import LAYOUT


async def test_what_is_old_goes_once_it_is_meant(tmp_path: Path) -> None:
    bucket = Bin(FolderStore(tmp_path), LAYOUT)
    names = []
    for offset in (10, 20, 30):
        name = LAYOUT.manifest(PLACE, Position(0, offset))
        data = encode(manifest(changelog_offset=offset, source_offset=offset - 1))
        bucket.store.put_if_absent(name, data)
        names.append(name)
    segments = [Segment(PLACE, 0, first, first + 10) for first in (0, 10, 20, 30)]
    for segment in segments:
        bucket.store.put_if_absent(LAYOUT.segment(segment), seal(segment, [], "0.1"))
    later = time.time_ns() // 1000 + 100 * HOUR
    dry = await drop_old(bucket, PLACE.group, later - HOUR, now=later, dry_run=True)
    assert dry.snapshots == tuple(names[:2])
    assert dry.segments == tuple(map(LAYOUT.segment, segments[:3]))
    assert dry.needed == (names[2], LAYOUT.segment(segments[3]))
    assert len(list(bucket.store.list(""))) == 7
    assert await drop_old(bucket, PLACE.group, later - HOUR, now=later) == dry
    left = [one.name for one in bucket.store.list("")]
    assert sorted(left) == sorted(dry.needed)
    assert (await drop_old(bucket, PLACE.group, later - HOUR, now=later)).snapshots == ()
    assert [one.position.offset for one in await list_snapshots(bucket)] == [30]
    assert (await drop_old(bucket, PLACE.group, 0, now=later)).needed == ()
