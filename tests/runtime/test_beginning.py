"""What a partition begins from, and what is passed over."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka import TopicPartition

from streams.adapters.object_folder import FolderStore
from streams.core.errors import PartitionRed
from streams.core.log import VERSION
from streams.runtime import positions
from streams.runtime.beginning import Beginning, each_tenth
from streams.runtime.rebasing import Changelog
from streams.runtime.snapshots import Bin
from streams.runtime.view import open_database
from tests.snapshots.manifests import manifest

from .snapshot_bins import LAYOUT, Failing, Worker, write

NOW = 2_000_000_000_000_000
END = 50


class Place:
    """A partition's folder, and the store with its snapshots."""

    def __init__(self, folder: Path) -> None:
        self.store = FolderStore(folder / "bucket")
        self.worker = Worker(self.store, folder / "other", lambda: NOW)
        self.path = folder / "state"
        self.snapshots: Bin | None = Bin(self.store, LAYOUT)
        self.incarnation = manifest().incarnation
        self.first = 0
        self.made_anew = False

    async def begin(
        self, not_before: int = 0, distrusted: tuple[str, ...] = ()
    ) -> tuple[str, int | None]:
        """Where it begins, and at which offset of the changelog."""

        async def bounds(_: TopicPartition) -> tuple[int, int]:
            return self.first, END

        beginning = Beginning(
            cast(Any, SimpleNamespace(bounds=bounds)),
            Changelog(TopicPartition("changelog", 0), self.incarnation, made_anew=self.made_anew),
            self.path,
            self.snapshots,
            manifest().place,
            not_before,
            None,
            distrusted,
        )
        begun = await beginning.begin()
        self.began_from = begun.snapshot
        offset = positions.read_number(begun.db, positions.CHANGELOG_KEY)
        begun.db.close()
        return begun.source, offset

    async def snapshot(self, offset: int, **fields: Any) -> None:
        await self.worker.snapshot(offset, fold_version=VERSION, **fields)

    def local(self, offset: int, time: int = NOW) -> None:
        db = open_database(self.path)
        write(db, offset, 3)
        db.put(positions.INCARNATION_KEY, positions.number(self.incarnation))
        db.put(positions.CHANGELOG_TIME_KEY, positions.number(time))
        db.close()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "other").mkdir()
    return Place(tmp_path)


def aside(place: Place) -> int:
    return len(list(place.path.parent.glob("state.damaged-*")))


async def test_local_state_comes_first(place: Place) -> None:
    await place.snapshot(40)
    place.local(30)
    assert await place.begin() == ("local", 30)


async def test_without_local_state_the_newest_snapshot(place: Place) -> None:
    await place.snapshot(20)
    await place.snapshot(40)
    assert await place.begin() == ("s3", 40)
    assert await place.begin() == ("local", 40)


async def test_nothing_at_all(place: Place) -> None:
    assert await place.begin() == ("local", None)
    place.snapshots = None
    assert await place.begin() == ("local", None)


async def test_a_changelog_that_holds_less_than_there_is_is_red(place: Place) -> None:
    """Nothing is put aside or lost: a person decides."""
    hint = "`streams topics adopt changelog`"
    await place.snapshot(40)
    place.local(30)
    place.made_anew = True
    with pytest.raises(PartitionRed, match=rf"changelog/0: it was made anew.*{hint}"):
        await place.begin()
    place.made_anew, place.first = False, 3
    with pytest.raises(PartitionRed, match=rf"begins at 3 and has lost.*{hint}"):
        await place.begin()
    place.first = 0
    place.local(END + 1)
    with pytest.raises(PartitionRed, match=rf"is at 51 of it, and it ends at 50.*{hint}"):
        await place.begin()
    assert aside(place) == 0
    shutil.rmtree(place.path)
    await place.snapshot(END + 1)
    with pytest.raises(PartitionRed, match=rf"a snapshot is of 0-51, and it ends at 50.*{hint}"):
        await place.begin()


async def test_what_is_of_an_incarnation_before_is_passed_over(place: Place) -> None:
    """As in a cluster that was restored, whose changelogs were written whole."""
    await place.snapshot(END + 1)
    place.local(END + 1)
    place.incarnation += 1
    assert await place.begin() == ("local", None)
    assert aside(place) == 1


async def test_too_old_a_state_could_bring_removed_rows_back(place: Place) -> None:
    """One that has missed nothing is as good as new, however old."""
    place.local(END, time=5)
    assert await place.begin(not_before=6) == ("local", END)
    assert aside(place) == 0
    place.local(END - 1, time=6)
    assert await place.begin(not_before=6) == ("local", END - 1)
    place.local(END - 1, time=5)
    await place.snapshot(40, changelog_time=6)
    assert await place.begin(not_before=6) == ("s3", 40)
    assert aside(place) == 1


async def test_damaged_local_state_is_put_aside(place: Place) -> None:
    place.local(30)
    (place.path / "CURRENT").write_bytes(b"garbage\n")
    await place.snapshot(40)
    assert await place.begin() == ("s3", 40)
    assert aside(place) == 1


async def test_a_store_that_does_not_answer_leaves_the_changelog(place: Place) -> None:
    await place.snapshot(40)
    place.snapshots = Bin(Failing(place.store, 0), LAYOUT)
    assert await place.begin() == ("local", None)


async def test_a_snapshot_that_turned_out_to_be_damaged_is_passed_over(place: Place) -> None:
    await place.snapshot(20)
    await place.snapshot(40)
    assert await place.begin() == ("s3", 40)
    newest = place.began_from
    shutil.rmtree(place.path)
    assert await place.begin(distrusted=(newest,)) == ("s3", 20)
    assert place.began_from not in ("", newest)


async def test_damage_that_shows_in_the_first_rows_is_put_aside_too(place: Place) -> None:
    place.local(30)
    (table,) = place.path.glob("*.sst")
    data = bytearray(table.read_bytes())
    data[20:60] = bytes(40)
    table.write_bytes(data)
    assert await place.begin() == ("local", None)
    assert aside(place) == 1


def test_a_large_download_tells_how_far_it_is(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    small, large = each_tenth("log/1"), each_tenth("log/2")
    for done in range(0, 101, 3):
        small(done << 10, 100 << 10)
        large(done << 20, 100 << 20)
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 9
    assert said[0] == "log/2: 12 of 100 MB fetched"
