"""Collections: what is kept can be restored after each, whatever dies or fails on the way."""

import time
from pathlib import Path

import pytest

from streams.adapters.object_folder import FolderStore
from streams.core.errors import ObjectMissing, ObjectStoreError
from streams.core.time import HOUR
from streams.ports import ObjectStore
from streams.runtime import collecting, failpoints
from streams.runtime.collecting import collect
from streams.runtime.restoring import verify
from streams.runtime.snapshots import Bin, list_snapshots
from streams.snapshots.garbage import DELETE_WITHIN

from .snapshot_bins import LAYOUT, Failing, Worker, Wrapped

OF_NEWEST = 3
"""The compacted table, a new one and RocksDB's MANIFEST."""


class Forgetful(Wrapped):
    """Finds no manifest, though it lists them."""

    def get(self, name: str) -> bytes:
        if name.endswith("400.json"):
            raise ObjectMissing(f"there is no {name}")
        return super().get(name)


def later() -> int:
    return time.time_ns() // 1000 + 10 * HOUR


async def filled(store: ObjectStore, folder: Path) -> Bin:
    """Four snapshots, all tables of the first three compacted away before the last."""
    worker = Worker(store, folder, lambda: time.time_ns() // 1000)
    for offset in (100, 200, 300):
        await worker.snapshot(offset)
    worker.db.compact_range(None, None)
    await worker.snapshot(400)
    worker.db.close()
    return worker.bin


def count(of: Bin) -> int:
    return len(list(of.store.list(LAYOUT.objects)))


async def all_whole(of: Bin, scratch: Path) -> list[int]:
    """Offsets of the snapshots there are, each of which can be restored."""
    listed = await list_snapshots(of)
    assert [await verify(of, one, scratch) for one in listed] == [None] * len(listed)
    return [one.position.offset for one in listed]


async def test_what_is_too_old_goes_and_what_only_it_named(
    object_store: ObjectStore, tmp_path: Path
) -> None:
    of = await filled(object_store, tmp_path / "worker")
    of.store.put(LAYOUT.object("ab" * 32), b"left behind")
    of.store.put(LAYOUT.objects + "note.txt", b"not ours")
    before = count(of)
    now = time.time_ns() // 1000
    assert (await collect(of, keep=1, keep_for=0, now=lambda: now)).manifests == ()
    assert count(of) == before, "it is all too young"
    done = await collect(of, keep=1, keep_for=0, now=later)
    assert [name.rpartition("/")[2] for name in done.manifests] == [
        "0-100.json",
        "0-200.json",
        "0-300.json",
    ]
    assert (done.objects, done.unreadable) == (before - count(of), ())
    assert done.bytes > len(b"left behind")
    assert await all_whole(of, tmp_path) == [400]
    again = await collect(of, keep=1, keep_for=0, now=later)
    assert (again.manifests, again.objects) == ((), 0)
    assert of.store.get(LAYOUT.objects + "note.txt") == b"not ours"


async def test_a_manifest_that_is_listed_but_not_found_keeps_its_objects(tmp_path: Path) -> None:
    store = Forgetful(FolderStore(tmp_path / "objects"))
    of = await filled(store, tmp_path / "worker")
    before = count(of)
    done = await collect(of, keep=1, keep_for=0, now=later)
    assert len(done.manifests) == 3
    assert [name.rpartition("/")[2] for name in done.unreadable] == ["0-400.json"]
    assert (done.objects, count(of)) == (0, before)


async def test_other_partitions_and_groups_keep_theirs(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "objects")
    of = await filled(store, tmp_path / "one")
    other = Worker(store, tmp_path / "two", lambda: time.time_ns() // 1000)
    await other.snapshot(50, group="second")
    await other.snapshot(60, partition=4)
    other.db.close()
    await collect(of, keep=2, keep_for=0, now=later)
    assert sorted(await all_whole(of, tmp_path)) == [50, 60, 300, 400]


async def test_nothing_is_deleted_while_a_manifest_cant_be_read(tmp_path: Path) -> None:
    of = await filled(FolderStore(tmp_path / "objects"), tmp_path / "worker")
    newest = (await list_snapshots(of))[-1]
    whole = of.store.get(newest.name)
    of.store.put(newest.name, whole[:-9])
    before = count(of)
    done = await collect(of, keep=1, keep_for=0, now=later)
    assert (len(done.manifests), done.objects, done.unreadable) == (3, 0, (newest.name,))
    assert count(of) == before
    of.store.put(newest.name, whole)
    assert (await collect(of, keep=1, keep_for=0, now=later)).objects > 0


async def test_a_collector_that_was_frozen_deletes_nothing_more(tmp_path: Path) -> None:
    of = await filled(FolderStore(tmp_path / "objects"), tmp_path / "worker")
    start, looks = later(), iter(range(9))
    before = count(of)
    done = await collect(
        of, keep=1, keep_for=0, now=lambda: start + next(looks) * (DELETE_WITHIN // 2 + 1)
    )
    assert (len(done.manifests), done.objects, count(of)) == (3, 0, before)


class Killed(BaseException):
    pass


@pytest.mark.parametrize("point", [p for p in failpoints.SNAPSHOT_NAMES if p.startswith("collect")])
async def test_who_is_killed_leaves_whole_snapshots(
    point: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = await filled(FolderStore(tmp_path / "objects"), tmp_path / "worker")

    def die(name: str) -> None:
        if name == point:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(collecting, "reach", die)
        with pytest.raises(Killed):
            await collect(of, keep=1, keep_for=0, now=later)
    assert 400 in await all_whole(of, tmp_path)
    await collect(of, keep=1, keep_for=0, now=later)
    assert await all_whole(of, tmp_path) == [400]
    assert count(of) == OF_NEWEST


async def test_whatever_request_fails_what_is_listed_is_whole(tmp_path: Path) -> None:
    of = await filled(FolderStore(tmp_path / "objects"), tmp_path / "worker")
    failed = 0
    while True:
        try:
            await collect(Bin(Failing(of.store, failed), LAYOUT), keep=1, keep_for=0, now=later)
        except ObjectStoreError:
            failed += 1
            assert 400 in await all_whole(of, tmp_path)
        else:
            break
    assert failed >= 3
    assert count(of) == OF_NEWEST
