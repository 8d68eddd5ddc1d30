"""Uploads: only what is missing goes up, and only what is whole is taken for a snapshot."""

import asyncio
import gc
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.adapters.object_folder import FolderStore
from streams.core.errors import Failed, ObjectStoreError
from streams.core.time import HOUR, SECOND
from streams.ports import ObjectStore
from streams.runtime import failpoints, positions, snapshots
from streams.runtime.snapshots import (
    Hashes,
    list_snapshots,
    read_manifest,
    take_checkpoint,
    together,
)
from streams.runtime.view import open_database
from streams.snapshots.garbage import SETTLE
from streams.snapshots.names import Place, Position
from tests.snapshots.manifests import PLACE

from .snapshot_bins import LAYOUT, Failing, Worker, write


def clock() -> int:
    return time.time_ns() // 1000


@pytest.fixture
def folder_worker(tmp_path: Path) -> Iterator[Worker]:
    worker = Worker(FolderStore(tmp_path / "objects"), tmp_path, clock)
    yield worker
    worker.db.close()


def objects(store: ObjectStore) -> list[str]:
    return [stored.name for stored in store.list(LAYOUT.objects)]


async def test_a_second_snapshot_uploads_only_what_is_new(
    object_store: ObjectStore, tmp_path: Path
) -> None:
    worker = Worker(object_store, tmp_path / "worker", clock)
    first = await worker.snapshot(100)
    before = objects(object_store)
    second = await worker.snapshot(200)
    worker.db.close()
    assert first.name == "agent-state/streams/tenant.log.v1-3/0-100.json"
    assert first.committed
    assert second.committed
    # A table and RocksDB's own MANIFEST each.
    assert (first.files, second.files, len(before)) == (2, 2, 2)
    assert len(objects(object_store)) == 4
    assert second.total_bytes > second.bytes
    one, two = await list_snapshots(worker.bin, PLACE)
    assert (one.position, two.position) == (Position(0, 100), Position(0, 200))
    named = [file.name for file in (await read_manifest(worker.bin, two)).files]
    assert sorted(name.rstrip("0123456789.st") for name in named) == [
        "",
        "",
        "CURRENT",
        "MANIFEST-",
    ]
    assert await list_snapshots(worker.bin, Place("streams", "other", 3)) == []


async def test_a_position_has_one_snapshot(folder_worker: Worker) -> None:
    await folder_worker.snapshot(100, code_version="first")
    again = await folder_worker.again(100, code_version="second")
    assert (again.committed, again.files, again.bytes) == (False, 0, 0)
    (listed,) = await list_snapshots(folder_worker.bin)
    assert (await read_manifest(folder_worker.bin, listed)).code_version == "first"


async def test_an_old_database_settles_before_its_first_snapshot(folder_worker: Worker) -> None:
    now = clock()
    folder_worker.now = lambda: now + 10 * HOUR
    first = await folder_worker.snapshot(100)
    assert (first.committed, folder_worker.slept) == (True, [SETTLE / SECOND])
    await folder_worker.snapshot(200)
    assert len(folder_worker.slept) == 2, "its new table is ten hours old by this clock, too"


async def test_what_comes_back_is_there_again_before_it_is_named(folder_worker: Worker) -> None:
    """A collector deletes what was uploaded while the upload settles."""
    store, now = folder_worker.bin.store, clock()
    folder_worker.now = lambda: now + 10 * HOUR
    write(folder_worker.db, 100)
    take_checkpoint(folder_worker.db, folder_worker.folder / "checkpoint")

    class Once(list[float]):
        def append(self, seconds: float) -> None:
            if not self:
                store.delete(objects(store)[:1])
            super().append(seconds)

    folder_worker.slept = Once()
    uploaded = await folder_worker.again(100)
    assert (uploaded.committed, uploaded.files) == (True, 3)
    assert len(objects(store)) == 2


async def test_who_takes_too_long_commits_nothing(folder_worker: Worker) -> None:
    times = iter([0, 0, 2 * HOUR])
    folder_worker.now = lambda: clock() + next(times)
    with pytest.raises(Failed, match="took more than 3600 s"):
        await folder_worker.snapshot(100)
    assert await list_snapshots(folder_worker.bin) == []
    folder_worker.now = clock
    again = await folder_worker.again(100)
    assert (again.committed, again.files) == (True, 0), "what was uploaded need not be again"


class Killed(BaseException):
    pass


@pytest.mark.parametrize("point", [p for p in failpoints.SNAPSHOT_NAMES if p.startswith("snap")])
async def test_who_is_killed_leaves_no_half_a_snapshot(
    point: str, folder_worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await folder_worker.snapshot(100)

    def die(name: str) -> None:
        if name == point:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(snapshots, "reach", die)
        with pytest.raises(Killed):
            await folder_worker.snapshot(200)
    listed = await list_snapshots(folder_worker.bin)
    committed = point == "snapshot.committed"
    assert [one.position.offset for one in listed] == ([100, 200] if committed else [100])
    again = await folder_worker.snapshot(200)
    assert again.committed is not committed
    store = folder_worker.bin.store
    for one in await list_snapshots(folder_worker.bin):
        named = (await read_manifest(folder_worker.bin, one)).objects
        assert {LAYOUT.object(file.sha256) for file in named} <= set(objects(store))


async def test_whatever_request_fails_nothing_is_committed(
    folder_worker: Worker, tmp_path: Path
) -> None:
    await folder_worker.snapshot(100)
    write(folder_worker.db, 200)
    take_checkpoint(folder_worker.db, folder_worker.folder / "checkpoint")
    sound, requests = folder_worker.bin, 0
    while True:
        folder_worker.bin = snapshots.Bin(Failing(sound.store, requests), LAYOUT)
        try:
            done = await folder_worker.again(200)
        except ObjectStoreError:
            assert len(await list_snapshots(sound)) == 1
            requests += 1
        else:
            break
    assert done.committed
    assert requests >= 5


async def test_work_that_never_began_is_dropped_without_a_word() -> None:
    begun = []
    full = asyncio.Event()

    async def work(number: int) -> None:
        begun.append(number)
        if len(begun) == 2:
            full.set()
        await asyncio.Event().wait()

    waiting = asyncio.ensure_future(together(2, work, range(5)))
    await full.wait()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        waiting.cancel()
        await asyncio.wait([waiting])
        del waiting
        gc.collect()
    assert begun == [0, 1]
    assert [str(warning.message) for warning in warned] == []


async def test_a_damaged_newest_manifest_stops_nobody(folder_worker: Worker) -> None:
    first = await folder_worker.snapshot(100)
    folder_worker.bin.store.put(first.name, b"{")
    assert (await folder_worker.snapshot(200)).committed


def test_a_checkpoint_is_one_moment_of_a_database_that_goes_on(tmp_path: Path) -> None:
    db = open_database(tmp_path / "live")
    write(db, 1)
    stop, written = threading.Event(), [1]

    def fold() -> None:
        while not stop.is_set():
            written[0] += 1
            write(db, written[0])

    folding = threading.Thread(target=fold)
    folding.start()
    try:
        for n in range(3):
            take_checkpoint(db, tmp_path / f"checkpoint-{n}")
    finally:
        stop.set()
        folding.join()
        db.close()
    offsets = []
    for n in range(3):
        copy = open_database(tmp_path / f"checkpoint-{n}")
        offset = positions.read_number(copy, positions.CHANGELOG_KEY)
        found = {copy.get(b"!m%06d" % n) for n in range(300)}
        copy.close()
        assert offset is not None
        assert found == {b"%d" % offset}
        offsets.append(offset)
    assert offsets == sorted(offsets)


def test_a_table_is_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    real = snapshots._sha256
    monkeypatch.setattr(snapshots, "_sha256", lambda path: read.append(path.name) or real(path))
    db, hashes = open_database(tmp_path / "live"), Hashes()
    for offset in (1, 2):
        write(db, offset)
        take_checkpoint(db, tmp_path / "checkpoint")
        described = hashes.describe(tmp_path / "checkpoint")
    db.close()
    tables = [name for name in read if name.endswith(".sst")]
    assert len(tables) == len(set(tables)) == 2
    assert [local.file.text for local in described if local.file.name == "CURRENT"] != [""]
