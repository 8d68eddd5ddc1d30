"""Restores: whatever is damaged or missing, the newest whole snapshot or none."""

import os
import time
from pathlib import Path

import pytest

from streams.adapters.object_folder import FolderStore
from streams.core.errors import ObjectStoreError
from streams.core.time import HOUR
from streams.ports import ObjectStore
from streams.runtime import restoring
from streams.runtime.restoring import restore, verify
from streams.runtime.snapshots import Bin, list_snapshots, read_manifest
from streams.snapshots.manifest import File, Wanted
from tests.snapshots.manifests import PLACE

from .snapshot_bins import LAYOUT, Failing, Worker, Wrapped, rows

WANTED = Wanted(place=PLACE, incarnation=0, end=1_000)


def clock() -> int:
    return time.time_ns() // 1000


async def filled(store: ObjectStore, folder: Path) -> Bin:
    """Three snapshots at 100, 200, 300; each chunk writes every row."""
    worker = Worker(store, folder, clock)
    for offset in (100, 200, 300):
        await worker.snapshot(offset, changelog_time=offset)
    worker.db.close()
    return worker.bin


@pytest.fixture
async def three(tmp_path: Path) -> Bin:
    return await filled(FolderStore(tmp_path / "objects"), tmp_path / "worker")


def path_of(of: Bin, file: File) -> Path:
    root = of.store.where.removeprefix("folder ")
    return Path(root, LAYOUT.object(file.sha256))


async def own_files(of: Bin) -> list[File]:
    """Of the newest snapshot, those that the one before has not: a table and a MANIFEST."""
    *_, before, newest = [await read_manifest(of, one) for one in await list_snapshots(of)]
    return [file for file in newest.objects if file not in before.objects]


def holds(folder: Path, offset: int) -> bool:
    return rows(folder)[b"!m000299"] == b"%d" % offset


async def test_the_newest_comes_back_whole(object_store: ObjectStore, tmp_path: Path) -> None:
    of = await filled(object_store, tmp_path / "worker")
    told: list[tuple[int, int]] = []
    done = await restore(of, WANTED, tmp_path / "new", progress=lambda *p: told.append(p))
    assert done is not None
    assert (done.manifest.changelog_offset, done.passed) == (300, ())
    assert done.bytes == told[-1][0] == told[-1][1] == sum(f.size for f in done.manifest.objects)
    assert [name for name in os.listdir(tmp_path) if name.startswith("new")] == ["new"]
    assert holds(tmp_path / "new", 300)
    for listed in await list_snapshots(of):
        assert await verify(of, listed, tmp_path) is None


@pytest.mark.parametrize("damage", ["flip", "cut", "gone", "longer"])
@pytest.mark.parametrize("what", [".sst", "MANIFEST"])
async def test_a_damaged_file_falls_back(
    what: str, damage: str, three: Bin, tmp_path: Path
) -> None:
    (file,) = [file for file in await own_files(three) if what in file.name]
    path = path_of(three, file)
    data = path.read_bytes()
    middle = len(data) // 2
    if damage == "flip":
        path.write_bytes(data[:middle] + bytes((data[middle] ^ 1,)) + data[middle + 1 :])
    elif damage == "cut":
        path.write_bytes(data[:middle])
    elif damage == "longer":
        path.write_bytes(data + b"x")
    else:
        path.unlink()
    done = await restore(three, WANTED, tmp_path / "new")
    assert done is not None
    assert done.manifest.changelog_offset == 200
    assert [passed.name.rpartition("/")[2] for passed in done.passed] == ["0-300.json"]
    assert holds(tmp_path / "new", 200)
    first, second, third = await list_snapshots(three)
    assert await verify(three, second, tmp_path) is None
    why = await verify(three, third, tmp_path)
    assert why is not None
    assert file.sha256 in why
    assert await verify(three, first, tmp_path) is None


@pytest.mark.parametrize("data", [b"", b"{", b"no json"])
async def test_a_damaged_manifest_falls_back(data: bytes, three: Bin, tmp_path: Path) -> None:
    newest = (await list_snapshots(three))[-1]
    three.store.put(newest.name, data)
    done = await restore(three, WANTED, tmp_path / "new")
    assert done is not None
    assert holds(tmp_path / "new", 200)


async def test_one_manifest_under_anothers_name_is_not_used(three: Bin, tmp_path: Path) -> None:
    first = (await list_snapshots(three))[0]
    three.store.put(LAYOUT.folder(PLACE) + "0-999.json", three.store.get(first.name))
    done = await restore(three, WANTED, tmp_path / "new")
    assert done is not None
    assert done.manifest.changelog_offset == 300


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Wanted(place=PLACE), 300),
        (Wanted(place=PLACE, incarnation=0, end=299), 200),
        (Wanted(place=PLACE, incarnation=1), None),
        (Wanted(place=PLACE, not_before=301), None),
        (Wanted(place=PLACE, fold_version=2), None),
    ],
)
async def test_only_what_is_wanted_is_taken(
    wanted: Wanted, found: int | None, three: Bin, tmp_path: Path
) -> None:
    done = await restore(three, wanted, tmp_path / "new")
    assert (done and done.manifest.changelog_offset) == found
    assert (tmp_path / "new").exists() == (found is not None)
    assert not (tmp_path / "new.files").exists()


async def test_a_store_that_fails_is_no_missing_snapshot(three: Bin, tmp_path: Path) -> None:
    """Whichever request fails: an error, never an older snapshot and never a folder."""
    requests = 0
    while True:
        try:
            done = await restore(
                Bin(Failing(three.store, requests), LAYOUT), WANTED, tmp_path / "new"
            )
        except ObjectStoreError:
            assert not (tmp_path / "new").exists()
            requests += 1
        else:
            break
    assert done is not None
    assert holds(tmp_path / "new", 300)
    assert requests >= 4


class Killed(BaseException):
    pass


@pytest.mark.parametrize("passes", [0, 1, 2])
async def test_a_restore_that_was_killed_goes_on(
    passes: int, three: Bin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [passes]

    def die(name: str) -> None:
        if name == "restore.fetched":
            if not left[0]:
                raise Killed
            left[0] -= 1

    with monkeypatch.context() as patch:
        patch.setattr(restoring, "reach", die)
        with pytest.raises(Killed):
            await restore(three, WANTED, tmp_path / "new")
    assert not (tmp_path / "new").exists()
    fetched: list[str] = []

    class Counting(Wrapped):
        def fetch(self, name: str, path: Path) -> None:
            fetched.append(name)
            super().fetch(name, path)

    done = await restore(Bin(Counting(three.store), LAYOUT), WANTED, tmp_path / "new")
    assert done is not None
    assert len(fetched) < len(done.manifest.objects)
    assert holds(tmp_path / "new", 300)


async def test_restored_files_are_old_ones(three: Bin, tmp_path: Path) -> None:
    """What was made long ago must not look as if it could be in no bucket (upload.py)."""
    await restore(three, WANTED, tmp_path / "new")
    assert {os.stat(path).st_mtime for path in (tmp_path / "new").iterdir()} == {0.0}


async def test_a_restored_database_needs_no_new_upload(three: Bin, tmp_path: Path) -> None:
    await restore(three, WANTED, tmp_path / "next" / "live")
    now = clock()
    worker = Worker(three.store, tmp_path / "next", lambda: now + HOUR)
    done = await worker.snapshot(400)
    worker.db.close()
    assert (done.committed, done.files, worker.slept) == (True, 2, [])
