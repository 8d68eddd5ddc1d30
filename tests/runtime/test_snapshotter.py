"""Which partitions are snapshot when, and what a failure means."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from faust.types import TP

from streams.adapters.object_folder import FolderStore
from streams.core.errors import StoreDamaged, StoreLost
from streams.core.time import HOUR
from streams.runtime import positions
from streams.runtime.snapshots import Bin, list_snapshots, take_checkpoint
from streams.runtime.snapshotter import Snapshotter
from streams.runtime.view import DatabaseReader, open_database
from streams.settings import Settings
from streams.snapshots.names import Place

from .snapshot_bins import LAYOUT, write


class Store:
    """As much of a partition's store as a snapshot needs."""

    def __init__(self, folder: Path) -> None:
        self.db = open_database(folder)
        self.changes = 0
        self.changelog_offset = 0
        self.lost = False
        self.full = False
        self.reader = DatabaseReader(self.db)
        self.folder = folder

    def fold(self, offset: int) -> None:
        write(self.db, offset)
        self.db.put(positions.CHANGELOG_TIME_KEY, positions.number(7))
        self.changes += 1
        self.changelog_offset = offset

    def taken_over(self) -> None:
        """Another process has it now, which has not changed it yet."""
        self.changes = 0

    async def checkpoint(self, folder: Path) -> None:
        if self.lost:
            raise StoreLost("gone")
        if self.full:
            # As rocksdict says it.
            raise Exception("IO error: No space left on device")
        take_checkpoint(self.db, folder)


class World:
    """A worker with two partitions."""

    def __init__(self, folder: Path) -> None:
        self.now = 1_000 * HOUR
        self.stores = [Store(folder / str(number)) for number in range(2)]
        self.bin = Bin(FolderStore(folder / "bucket"), LAYOUT)
        owners: Any = [
            SimpleNamespace(
                tp=TP("log", n),
                name=f"log-{n}",
                place=Place("g", "log", n),
                changelog_incarnation=0,
                store=store,
            )
            for n, store in enumerate(self.stores)
        ]
        self._owners = owners
        self._folder = folder
        self.snapshotter = self.new_snapshotter()

    def new_snapshotter(self) -> Snapshotter:
        """As the next process has it."""
        settings = Settings(group="g", log_retention_hours=168)
        owners = cast(Any, self._owners)
        return Snapshotter(
            *(settings, self.bin, self._folder, lambda: owners, lambda: True, lambda: self.now)
        )

    async def taken(self, **how: bool) -> list[tuple[int, str | None]]:
        return [(each.partition, each.error) for each in await self.snapshotter.take(**how)]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def test_only_what_has_changed(world: World) -> None:
    assert await world.taken() == []
    world.stores[0].fold(5)
    assert await world.taken() == [(0, None)]
    assert await world.taken() == []
    world.stores[0].fold(6)
    world.stores[1].fold(7)
    assert await world.taken() == [(0, None), (1, None)]
    listed = await list_snapshots(world.bin)
    places = [(one.place.partition, one.position.offset) for one in listed]
    assert places == [(0, 5), (0, 6), (1, 7)]


async def test_all_of_them_when_asked(world: World) -> None:
    world.stores[0].fold(5)
    world.stores[1].fold(5)
    await world.taken()
    assert await world.taken(unchanged=True) == [(0, None), (1, None)]
    assert len(await list_snapshots(world.bin)) == 2, "of a position there is one"


async def test_none_grows_as_old_as_the_changelog_remembers(world: World) -> None:
    world.stores[0].fold(5)
    await world.taken()
    world.now += 41 * HOUR
    assert await world.taken() == []
    world.now += 2 * HOUR
    assert await world.taken() == [(0, None)]


async def test_what_nobody_has_a_snapshot_of_gets_one_though_it_does_not_change(
    world: World,
) -> None:
    """Its owner died before the first one; restored from the changelog it stays as it is."""
    world.stores[0].fold(5)
    world.stores[0].taken_over()
    assert await world.taken() == [(0, None)]
    assert await world.taken() == []


async def test_an_earlier_owners_snapshot_will_do_until_it_is_old(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.stores[0].fold(5)
    await world.taken()
    (found,) = await list_snapshots(world.bin)
    world.stores[0].taken_over()
    world.snapshotter = world.new_snapshotter()
    world.now = found.modified + HOUR
    assert await world.taken() == []
    world.now = found.modified + 43 * HOUR
    assert await world.taken() == [(0, None)]


async def test_a_failure_is_told_and_holds_up_no_other(world: World, tmp_path: Path) -> None:
    for store in world.stores:
        store.fold(5)
    world.stores[0].lost = True
    assert await world.taken() == [(0, "gone"), (1, None)]
    world.stores[0].lost = False
    world.stores[0].full = True
    assert await world.taken() == [(0, "IO error: No space left on device")]
    world.stores[0].full = False
    assert await world.taken() == [(0, None)]
    assert list((tmp_path / "checkpoints").iterdir()) == []


async def test_it_says_what_the_checkpoint_holds(world: World) -> None:
    world.stores[0].fold(5)
    (taken,) = await world.snapshotter.take()
    assert (taken.rows, len(taken.digest)) == (300, 64)
    assert taken.name == "agent-state/g/log-0/0-5.json"
    assert taken.bytes == pytest.approx(taken.total_bytes, abs=5_000)
    assert world.snapshotter.age_seconds(TP("log", 0)) == 0
    assert world.snapshotter.age_seconds(TP("log", 1)) is None


async def test_what_nobody_expects_does_not_end_it(
    tmp_path: Path, until: Callable[..., Awaitable[None]]
) -> None:
    asked: list[int] = []

    def owners() -> Any:
        asked.append(1)
        raise RuntimeError("nobody thought of that")

    into = Bin(FolderStore(tmp_path / "bucket"), LAYOUT)
    settings = Settings(snapshot_seconds=0.001)
    snapshotter = Snapshotter(settings, into, tmp_path, owners, lambda: True, lambda: 0)
    snapshotter.start()
    await until(lambda: len(asked) > 1)
    await snapshotter.stop()


async def test_a_damaged_table_is_told_to_the_owner(world: World) -> None:
    damaged = world.stores[0]
    damaged.fold(5)
    damaged.db.flush()
    (table,) = damaged.folder.glob("*.sst")
    data = bytearray(table.read_bytes())
    data[200] ^= 1
    table.write_bytes(data)
    ((_, error),) = await world.taken()
    assert "damaged" in str(error)
    assert isinstance(damaged.reader.damage, StoreDamaged)
