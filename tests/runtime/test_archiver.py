"""What is archived when, and that one partition's failure holds up no other."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka.admin import NewTopic
from aiokafka.errors import LeaderNotAvailableError
from faust.types import TP
from msgspec import structs
from usage.memory_view import MemoryView

from streams.adapters.object_folder import FolderStore
from streams.runtime import archiver as module
from streams.runtime import clients
from streams.runtime.archive import archive, list_segments
from streams.runtime.archiver import Archiver
from streams.runtime.positions import Source
from streams.runtime.snapshots import Bin
from streams.settings import Settings

from .snapshot_bins import LAYOUT


class World:
    """A process that owns two partitions of a log on the real broker."""

    def __init__(self, settings: Settings, topic: str, folder: Path) -> None:
        self.kafka, self.topic = settings.kafka, topic
        self.bin = Bin(FolderStore(folder), LAYOUT)
        self.stores = [
            SimpleNamespace(source=Source(0, -1, "", 0), changes=0, reader=MemoryView())
            for _ in range(2)
        ]
        self.owners = [
            SimpleNamespace(tp=TP(topic, n), store=store, state="running")
            for n, store in enumerate(self.stores)
        ]
        self.archiver = Archiver(settings, self.bin, lambda: cast(Any, self.owners))

    async def fold(self, partition: int, count: int, changes: int = 1) -> None:
        producer = clients.plain_producer(self.kafka)
        await producer.start()
        for _ in range(count):
            await producer.send_and_wait(self.topic, b"v", b"k", partition)
        await producer.stop()
        store = self.stores[partition]
        offset = store.source.offset + count
        store.source, store.changes = structs.replace(store.source, offset=offset), changes

    async def archived(self) -> list[tuple[int, int, int]]:
        return [(s.place.partition, s.first, s.end) for s in await list_segments(self.bin)]


@pytest.fixture
async def world(settings: Settings, prefix: str, tmp_path: Path) -> World:
    async with clients.admin(settings.kafka) as admin:
        await admin.create_topics([NewTopic(f"{prefix}log", 2, 1)])
    return World(settings, f"{prefix}log", tmp_path)


async def test_only_what_has_changed(world: World) -> None:
    await world.fold(0, 2)
    await world.archiver.take()
    assert await world.archived() == [(0, 0, 2)]
    # Time alone changes no rows.
    await world.fold(0, 3)
    assert await world.archiver.take() == []
    await world.fold(0, 1, changes=2)
    await world.archiver.take()
    assert await world.archived() == [(0, 0, 2), (0, 2, 6)]
    await world.fold(0, 1, changes=2)
    await world.archiver.take(unchanged=True)
    assert (await world.archived())[-1] == (0, 6, 7)


async def test_a_new_owner_archives_what_the_last_one_has_left(world: World) -> None:
    await world.fold(1, 2)
    await world.archiver.take()
    await world.fold(1, 2)
    world.owners[1].store = SimpleNamespace(**vars(world.stores[1]))
    await world.archiver.take()
    assert await world.archived() == [(1, 0, 2), (1, 2, 4)]


async def test_who_does_not_run_is_not_archived(world: World) -> None:
    await world.fold(0, 2)
    world.owners[0].state = "red"
    await world.fold(1, 1)
    await world.archiver.take()
    assert await world.archived() == [(1, 0, 1)]


async def test_a_failure_holds_up_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def failing(of: Any, consumer: Any, folded: Any, **how: Any) -> Any:
        if folded.place.partition == 0:
            raise LeaderNotAvailableError
        return await archive(of, consumer, folded, **how)

    await world.fold(0, 1)
    await world.fold(1, 1)
    with monkeypatch.context() as patched:
        patched.setattr(module, "archive", failing)
        await world.archiver.take()
        assert await world.archived() == [(1, 0, 1)]
    await world.archiver.take()
    assert await world.archived() == [(0, 0, 1), (1, 0, 1)]
