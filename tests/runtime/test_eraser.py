"""What an erasure reaches beyond the rows: real database, broker and folder; the clock is ours."""

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from aiokafka.structs import TopicPartition
from faust.types import TP
from prometheus_client import REGISTRY

from streams import topology
from streams.adapters.object_folder import FolderStore
from streams.core import log as facts
from streams.core.errors import ObjectStoreError
from streams.core.log import (
    VERSION,
    Body,
    Content,
    HoldRelease,
    HoldSet,
    JobRun,
    MemoryErase,
    Message,
    Origin,
    Record,
    StateSet,
    Tick,
    Vector,
)
from streams.core.time import HOUR, SECOND
from streams.memory.receipts import open_receipts, receipts
from streams.memory.traces import Traces
from streams.ports import StoredObject
from streams.runtime import clients, content_topics, eraser
from streams.runtime.archive import list_segments, read_archive
from streams.runtime.archiver import Archiver
from streams.runtime.chunks import Chunk
from streams.runtime.erased_bucket import RETIRE_AFTER, ErasedBucket
from streams.runtime.erased_files import DROPPED, ErasedFiles
from streams.runtime.erased_topics import ErasedTopics
from streams.runtime.eraser import Eraser
from streams.runtime.fold_jobs import fold_job
from streams.runtime.snapshots import Bin, list_snapshots, read_manifest
from streams.runtime.snapshotter import Snapshotter
from streams.runtime.tables import read_table
from streams.runtime.verifying import Verifier
from streams.settings import Settings
from streams.snapshots.names import Place, Position

from .snapshot_bins import LAYOUT
from .stores import PARTITION, TENANT, asking, take_over

SECRET = b"the password is 4711"
VECTOR = b"\x07VECTOR\x07"


class World:
    """A worker that owns one partition, with a log, a bucket and an eraser of its own."""

    def __init__(self, settings: Settings, folder: Path, inquiry: clients.Inquiry) -> None:
        self.settings, self.folder, self.inquiry = settings, folder, inquiry
        self.tp = TP(topology.name(settings, topology.TENANT_LOG), PARTITION)
        self.bin = Bin(FolderStore(folder / "bucket"), LAYOUT)
        self.later = 0
        self.owner: Any = None
        self.said = 0

    def now(self) -> int:
        return time.time_ns() // 1000 + self.later

    async def open(self) -> None:
        name = f"{self.tp.topic}-{PARTITION}"
        store = await take_over(self.settings, self.folder / name, fold_job(self.settings))
        self.owner = SimpleNamespace(
            tp=self.tp,
            name=name,
            place=self.place,
            partition=PARTITION,
            state="running",
            store=store,
            changelog_incarnation=0,
        )
        owners = cast(Any, lambda: [self.owner])
        self.producer = clients.plain_producer(self.settings.kafka)
        await self.producer.start()
        archiver = Archiver(self.settings, self.bin, owners)
        files = ErasedFiles(self.settings, self.folder, self.now)
        self.snapshotter = Snapshotter(
            *(self.settings, self.bin, self.folder, owners, lambda: True, self.now),
            *(archiver, files.compact_again),
        )
        self.eraser = Eraser(
            self.settings,
            owners,
            self._append,
            self.now,
            files,
            ErasedTopics(self.settings, self.inquiry, archiver, self.now),
            ErasedBucket(self.bin, archiver, self.snapshotter, self.now),
        )

    async def close(self) -> None:
        await self.producer.stop()
        await self.owner.store.close()

    async def _append(self, partition: int, key: bytes, value: bytes) -> None:
        await self.producer.send_and_wait(self.tp.topic, value, key, partition)

    async def say(self, body: Body, event: str = "") -> None:
        """Append an event to the log, and fold what is there."""
        self.said += 1
        origin = Origin("in", 0, 0, self.said)
        record = Record(VERSION, TENANT, origin, "/s", event or f"e{self.said}", self.now(), body)
        await self._append(PARTITION, TENANT.encode(), facts.encode(record))
        await self.fold()

    async def remember(self, memory_id: str, text: bytes = b"x", subject: str = "") -> None:
        content = Content(
            *(text.decode(), 2, (), None, None, None, (), subject or None, memory_id, None, ()),
            Vector("m", 0.1, VECTOR if text == SECRET else b"other"),
        )
        await self.say(Message("a", "", "", "", None, content))

    async def fold(self) -> None:
        """Fold what the log holds."""
        store, tp = self.owner.store, TopicPartition(*self.tp)
        end = await self.inquiry.end(tp)
        async with clients.reader(self.settings.kafka) as consumer:
            first = store.offset + 1
            async for records in clients.read_to(consumer, tp, first, end):
                await store.apply(Chunk(records[0].offset - 1, list(records)))

    async def turn(self) -> dict[str, dict[str, str | None]]:
        """Let the eraser look, and return how far the latest receipt has come, by place."""
        self.eraser._rests.clear()
        await self.eraser.look()
        await self.fold()
        shown = msgspec.to_builtins(receipts(self.owner.store.reader, TENANT)[0][0])
        self.completed = shown["completed"]
        return {place["place"]: place for place in shown["places"]}

    def files(self) -> bytes:
        """All that lies in the database's tables, deleted or not, and its other files."""
        folder = self.folder / self.owner.name
        found = b""
        for path in folder.iterdir():
            if path.suffix == ".sst":
                found += b"".join(row.key + row.value for row in read_table(path.read_bytes()))
            elif path.is_file():
                found += path.read_bytes()
        return found

    async def look(self, *texts: bytes) -> dict[str, int]:
        """How much a verifier finds in each place."""
        verifier = Verifier(self.settings, self.folder, self.inquiry, self.bin)
        found = await verifier.look(self.owner, TENANT, [text.decode() for text in texts])
        assert all(look.error is None and look.looked >= look.found for look in found)
        return {look.place: look.found for look in found}

    async def archived(self) -> bytes:
        found = b""
        async for part in read_archive(self.bin, self.place, Position(0, 0)):
            found += b"".join(record.value or b"" for record in part.records)
        return found

    @property
    def place(self) -> Place:
        return Place(self.settings.group, *self.tp)


@pytest.fixture
async def world(installed: Settings, tmp_path: Path) -> AsyncIterator[World]:
    async with asking(installed.kafka) as inquiry:
        made = World(installed, tmp_path, inquiry)
        await made.open()
        yield made
        await made.close()


async def erased(world: World) -> None:
    """Two memories, in files, archive and a snapshot; one of them is erased."""
    await world.remember("m", SECRET, "customer-17")
    await world.remember("n", b"what stays")
    assert [taken.error for taken in await world.snapshotter.take(unchanged=True)] == [None]
    assert SECRET in await world.archived()
    assert SECRET in world.files()
    assert VECTOR in world.files()
    await world.say(MemoryErase("customer-17", (), "asked to"))


async def test_files_and_archive_are_written_anew_at_once(world: World) -> None:
    await erased(world)
    assert set((await world.look()).items()) >= {("local files", 2), ("archive", 1)}
    damaged = world.folder / f"{world.owner.name}.damaged-1"
    damaged.mkdir()
    places = await world.turn()
    assert places["local files"]["done"]
    assert SECRET not in world.files()
    assert VECTOR not in world.files()
    assert b"what stays" in world.files()
    assert not damaged.exists()
    assert (places["archive"]["done"], bool(places["archive"]["by"])) == (None, True)
    said = await world.archived()
    assert SECRET not in said
    assert VECTOR not in said
    assert b"what stays" in said
    assert {segment.generation for segment in await list_segments(world.bin)} >= {1}
    left = await world.look(SECRET)
    assert {name for name, found in left.items() if found} == {
        *("snapshots", "tenant.log.v1", "changelog", "memory.records.v1")
    }
    # A late copy is archived without what it says.
    await world.remember("m", SECRET, "customer-17")
    await world.remember("l", SECRET, "customer-18")
    await world.say(MemoryErase(None, ("l",), "too"))
    await world.turn()
    assert SECRET not in await world.archived()
    assert len(receipts(world.owner.store.reader, TENANT)[0]) == 2


@pytest.mark.deep
async def test_older_snapshots_go_when_no_upload_rests_on_them(world: World) -> None:
    await erased(world)
    await world.turn()
    assert len(await list_snapshots(world.bin)) == 2
    assert (await world.turn())["snapshots"]["by"]
    assert len(await list_snapshots(world.bin)) == 2
    world.later = RETIRE_AFTER + 60 * SECOND
    assert (await world.turn())["snapshots"]["done"] is None
    assert len(await list_snapshots(world.bin)) == 1
    # Their files go with a collection, hours later.
    ((before, _),) = marks(world, "snapshots")
    manifest = await read_manifest(world.bin, (await list_snapshots(world.bin))[0])
    kept = {LAYOUT.object(file.sha256) for file in manifest.objects}
    gone = [
        stored.name
        for stored in world.bin.store.list(LAYOUT.objects)
        if stored.name not in kept and stored.modified < before[2]
    ]
    assert gone
    world.bin.store.delete(gone)
    assert (await world.turn())["snapshots"]["done"]


@pytest.mark.deep
async def test_topics_are_reached_when_kafka_has_let_go(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await erased(world)
    places = await world.turn()
    log = "tenant.log.v1"
    assert (places[log]["done"], places["changelog"]["done"]) == (None, None)
    assert (places[log]["by"] or "") > (places["changelog"]["by"] or "")
    assert places["agent.messages.v1"]["done"], "nothing was ever sent there"
    changelog = TopicPartition(world.owner.store.job.changelog, PARTITION)
    traces = [Traces(world.owner.store.reader, TENANT)]
    end = await world.inquiry.end(changelog)
    since = content_topics.rows_since(traces)
    standing = await content_topics.standing_since(world.settings.kafka, changelog, 0, end, since)
    assert standing is not None
    # Read when it should be so, and again some hours later.
    world.later = 41 * HOUR
    monkeypatch.setattr(content_topics, "standing_since", later)
    assert (await world.turn())["changelog"]["done"] is None
    monkeypatch.undo()
    world.later = 43 * HOUR
    assert (await world.turn())["changelog"]["done"] is None
    # As compaction leaves it: what was erased later still stands there.
    monkeypatch.setattr(content_topics, "standing_since", later)
    assert (await world.turn())["changelog"]["done"] is None
    world.later = 51 * HOUR
    places = await world.turn()
    assert places["changelog"]["done"]
    assert places["memory.records.v1"]["done"]
    tp = TopicPartition(*world.tp)
    world.later = 167 * HOUR
    assert (await world.turn())[log]["done"] is None
    world.later = 169 * HOUR
    assert (await world.turn())[log]["done"]
    begin, end = await world.inquiry.bounds(tp)
    assert 0 < begin < end, "what was said later is there"
    places = await world.turn()
    assert {name for name, place in places.items() if not place["done"]} == {"snapshots"}
    assert world.completed is None


@pytest.mark.deep
async def test_texts_of_state_and_runs_are_looked_for_as_memories_are(world: World) -> None:
    await world.say(StateSet("a", "k", b'"for customer-17"', None, None))
    await world.say(JobRun("r", "ns", "job", "RUNNING", message="for customer-17"))
    await world.snapshotter.take(unchanged=True)
    await world.say(MemoryErase("customer-17", (), "asked to"))
    before = await world.look()
    assert (before["local files"], before["changelog"], before["tenant.log.v1"]) == (2, 2, 2)
    await world.turn()
    after = await world.look()
    assert (after["local files"], after["archive"], after["changelog"]) == (0, 0, 2)
    world.later = 43 * HOUR
    assert (await world.turn())["changelog"]["done"] is None
    # Compaction would keep the last of each key alone; what is set now does not wait for it.
    await world.say(StateSet("a", "k", b'"for customer-17 again"', None, None))
    await world.say(StateSet("a", "k", b"null", None, None))
    assert (await world.look())["changelog"] == 2


async def later(*_: Any) -> int:
    return 1 << 62


@pytest.mark.deep
async def test_what_is_not_reached_keeps_nothing_else_from_being_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await erased(world)

    async def away(*_: Any, **__: Any) -> Any:
        raise ObjectStoreError("the bucket is away")

    monkeypatch.setattr(world.eraser._bucket, "archive", away)
    monkeypatch.setattr(world.eraser._bucket, "snapshots", away)
    places = await world.turn()
    assert places["local files"]["done"]
    assert places["tenant.log.v1"]["by"]
    assert (places["archive"]["by"], places["snapshots"]["by"]) == (None, None)
    monkeypatch.undo()
    assert (await world.turn())["archive"]["by"]


@pytest.mark.deep
async def test_one_memory_on_hold_keeps_nothing_else_from_being_reached(world: World) -> None:
    await world.remember("h", b"held", "customer-17")
    await world.say(HoldSet(None, ("h",)))
    await erased(world)
    places = await world.turn()
    assert places["local files"]["done"]
    assert SECRET not in world.files()
    await world.say(HoldRelease(None, ("h",)))
    await world.say(Tick())
    assert (await world.turn())["local files"]["done"]
    assert b"held" not in world.files()


@pytest.mark.deep
async def test_segments_of_an_earlier_owner_are_looked_for_again(world: World) -> None:
    await erased(world)
    (first, *_) = segments(world)
    data = (world.folder / "bucket" / first.name).read_bytes()
    await world.turn()
    # One that was frozen while it wrote.
    world.bin.store.put(first.name, data)
    world.later = RETIRE_AFTER + 60 * SECOND
    assert (await world.turn())["archive"]["done"]
    assert first.name not in {each.name for each in segments(world)}
    assert SECRET not in await world.archived()


@pytest.mark.deep
async def test_nobody_has_to_do_anything_twice(world: World) -> None:
    await erased(world)
    first = await world.turn()
    assert [open_late("no"), open_late("yes")] == [1, 0]
    end = await world.inquiry.end(TopicPartition(*world.tp))
    assert await world.turn() == first
    assert await world.inquiry.end(TopicPartition(*world.tp)) == end


@pytest.mark.deep
async def test_a_partition_rests_longer_where_nothing_moves(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await erased(world)
    turns = []

    async def turn(owner: Any, store: Any, open_: Any) -> int:
        turns.append(len(open_))
        return 0

    monkeypatch.setattr(world.eraser, "_turn", turn)
    for _ in range(3):
        await world.eraser.look()
        rest = world.eraser._rests[world.tp]
        world.eraser._rests[world.tp] = rest._replace(until=0.0, at_least=0.0)
    assert (len(turns), rest.long) == (3, 4 * eraser.LEAST_REST_SECONDS)
    # It rests; what is new does not wait as long.
    world.eraser._rests[world.tp] = rest._replace(at_least=0.0)
    await world.eraser.look()
    await world.say(MemoryErase(None, ("n",), "too"))
    await world.eraser.look()
    assert turns == [1, 1, 1, 2]


@pytest.mark.deep
async def test_state_of_partitions_that_went_elsewhere_is_dropped(world: World) -> None:
    await erased(world)
    elsewhere = world.folder / f"{world.tp.topic}-7"
    elsewhere.mkdir()
    (elsewhere / "CURRENT").write_bytes(b"x")
    await world.turn()
    assert elsewhere.exists()
    world.later = world.settings.erase_deadline_hours * HOUR // 4 + HOUR
    # Somebody was killed while it dropped one.
    (world.folder / f"{DROPPED}1-x").mkdir()
    (world.folder / f"{DROPPED}1-x" / "left").write_bytes(b"x")
    await world.turn()
    assert not elsewhere.exists()
    assert not list(world.folder.glob(f"{DROPPED}*"))
    assert (world.folder / world.owner.name).exists()


@pytest.mark.deep
async def test_what_comes_back_from_before_is_written_anew(world: World) -> None:
    """A worker that had the partition once has old files of it."""
    await erased(world)
    await world.turn()
    await world.close()
    await world.open()
    world.owner.store.db.put(b"~old", SECRET)
    world.owner.store.db.flush()
    world.owner.store.db.delete(b"~old")
    assert SECRET in world.files()
    await world.snapshotter.take(unchanged=True)
    assert SECRET not in world.files(), "no snapshot carries it on"


def open_late(late: str) -> float | None:
    return REGISTRY.get_sample_value("streams_erasures_open", {"late": late})


def segments(world: World) -> list[StoredObject]:
    return list(world.bin.store.list(LAYOUT.archive()))


def marks(world: World, place: str) -> Iterator[tuple[tuple[int, ...], bool]]:
    for _, row in open_receipts(world.owner.store.reader):
        yield from ((each.upto, each.done) for each, _ in row.places if each.place == place)
