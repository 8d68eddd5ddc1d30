"""The archive holds what was committed, once, and reads from anywhere."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import NewTopic, RecordsToDelete
from aiokafka.structs import TopicPartition

from streams.adapters.object_folder import FolderStore
from streams.runtime import clients
from streams.runtime.archive import (
    Archived,
    Folded,
    Part,
    archive,
    begin_after,
    list_segments,
    read_archive,
    read_follows,
)
from streams.runtime.snapshots import Bin
from streams.snapshots.names import Place, Position, Segment
from streams.snapshots.segments import BadSegment, Gap, LogRecord, rewritten, seal

from .snapshot_bins import LAYOUT

PLACE = Place("g", "log", 0)


@pytest.fixture
def bucket(tmp_path: Path) -> Bin:
    return Bin(FolderStore(tmp_path / "bucket"), LAYOUT)


def put(into: Bin, segment: Segment, *offsets: int) -> bytes:
    records = [LogRecord(offset, offset, b"t", b"%d" % offset) for offset in offsets]
    data = seal(segment, records, "0.1")
    into.store.put_if_absent(into.layout.segment(segment), data)
    return data


async def read(of: Bin, start: Position, place: Place = PLACE) -> list[Part]:
    return [part async for part in read_archive(of, place, start)]


def offsets(parts: list[Part]) -> list[tuple[int, int]]:
    return [(part.incarnation, record.offset) for part in parts for record in part.records]


async def test_it_is_read_from_anywhere_each_record_once(bucket: Bin) -> None:
    put(bucket, Segment(PLACE, 0, 0, 4), 0, 1, 3)
    put(bucket, Segment(PLACE, 0, 2, 8), 3, 5, 6)
    put(bucket, Segment(PLACE, 1, 0, 2), 0)
    put(bucket, Segment(Place("g", "log", 1), 0, 0, 9), 8)
    parts = await read(bucket, Position(0, 1))
    assert offsets(parts) == [(0, 1), (0, 3), (0, 5), (0, 6), (1, 0)]
    assert [part.end for part in parts] == [4, 8, 2]
    assert offsets(await read(bucket, Position(1, 0))) == [(1, 0)]
    assert await read(bucket, Position(1, 2)) == []


async def test_a_gap_is_told_after_what_comes_before_it(bucket: Bin) -> None:
    put(bucket, Segment(PLACE, 0, 0, 4), 0)
    put(bucket, Segment(PLACE, 0, 6, 8), 6)
    with pytest.raises(Gap, match="4 to 5"):
        await read(bucket, Position(0, 0))
    with pytest.raises(Gap, match="4 to 5"):
        await read(bucket, Position(0, 4))


async def test_damage_is_told_by_name(bucket: Bin) -> None:
    segment = Segment(PLACE, 0, 0, 4)
    data = put(bucket, segment, 0, 1)
    bucket.store.put(bucket.layout.segment(segment), data[:-1])
    with pytest.raises(BadSegment, match=r"archive/g/log-0/0-0-4-0"):
        await read(bucket, Position(0, 0))


async def test_what_was_rewritten_while_it_was_read_is_read_rewritten(
    bucket: Bin, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = Segment(PLACE, 0, 0, 4)
    data = put(bucket, segment, 0, 1)
    made = rewritten(segment, data, lambda record: None if record.offset == 1 else record, "0.1")
    assert made is not None
    successor, shorter = made
    get = bucket.store.get

    def rewrite(name: str) -> bytes:
        monkeypatch.setattr(bucket.store, "get", get)
        bucket.store.put_if_absent(bucket.layout.segment(successor), shorter)
        bucket.store.delete([bucket.layout.segment(segment)])
        return get(name)

    monkeypatch.setattr(bucket.store, "get", rewrite)
    assert offsets(await read(bucket, Position(0, 0))) == [(0, 0)]


async def test_what_is_listed_but_not_there_is_told(
    bucket: Bin, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = Segment(PLACE, 0, 0, 4)
    put(bucket, segment, 0)
    found = list(bucket.store.list(""))
    bucket.store.delete([bucket.layout.segment(segment)])
    monkeypatch.setattr(bucket.store, "list", lambda prefix: iter(found))
    with pytest.raises(BadSegment, match="not there"):
        await read(bucket, Position(0, 0))


async def test_who_goes_on_says_so_once(bucket: Bin) -> None:
    assert await begin_after(bucket, PLACE, 5, Position(0, 4))
    assert not await begin_after(bucket, PLACE, 5, Position(0, 9))
    assert await read_follows(bucket, PLACE) == [Position(0, 4)]
    assert await read_follows(bucket, Place("g", "log", 1)) == []
    assert await read(bucket, Position(5, 0)) == []


class Log:
    """A topic of one partition, on the real broker."""

    def __init__(self, kafka: str, topic: str) -> None:
        self.kafka = kafka
        self.place = Place("g", topic, 0)
        self.tp = TopicPartition(topic, 0)

    async def append(self, *keys: bytes) -> None:
        producer = clients.plain_producer(self.kafka)
        await producer.start()
        for key in keys:
            await producer.send_and_wait(self.tp.topic, b"v" + key, key, 0, headers=[("h", key)])
        await producer.stop()

    async def transaction(self, key: bytes, commit: bool = True) -> None:
        producer = clients.transactional_producer(self.kafka, f"{self.tp.topic}-x")
        await producer.start()
        await producer.begin_transaction()
        await producer.send_and_wait(self.tp.topic, b"v" + key, key, 0)
        await (producer.commit_transaction() if commit else producer.abort_transaction())
        await producer.stop()

    def folded(self, offset: int) -> Folded:
        return Folded(self.place, 0, offset)


@pytest.fixture
async def topic(kafka: str, prefix: str) -> Log:
    async with clients.admin(kafka) as admin:
        await admin.create_topics([NewTopic(f"{prefix}log", 1, 1)])
    return Log(kafka, f"{prefix}log")


@pytest.fixture
async def consumer(kafka: str) -> AsyncIterator[AIOKafkaConsumer]:
    async with clients.reader(kafka) as open_consumer:
        yield open_consumer


async def test_what_is_folded_is_archived_once(
    topic: Log, consumer: AIOKafkaConsumer, bucket: Bin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.runtime.archive.SEGMENT_BYTES", 6)
    await topic.append(b"a", b"b", b"c")  # 0 to 2
    await topic.transaction(b"lost", commit=False)  # 3 and a mark
    await topic.transaction(b"d")  # 5 and a mark
    await topic.append(b"e")  # 7, not folded yet
    done = await archive(bucket, consumer, topic.folded(5))
    assert (done.records, done.end) == (4, 6)
    assert await archive(bucket, consumer, topic.folded(5)) == Archived(0, 0, 6)
    parts = await read(bucket, Position(0, 0), topic.place)
    assert [r.key for part in parts for r in part.records] == [b"a", b"b", b"c", b"d"]
    assert parts[0].records[0].headers == (("h", b"a"),)
    assert [(each.first, each.end) for each in await list_segments(bucket, topic.place)] == [
        (0, 2),
        (2, 6),
    ]
    assert (await archive(bucket, consumer, topic.folded(7))).records == 1
    assert [end for _, end in offsets(await read(bucket, Position(0, 5), topic.place))] == [5, 7]


async def test_what_kafka_has_forgotten_is_a_gap(
    kafka: str, topic: Log, consumer: AIOKafkaConsumer, bucket: Bin
) -> None:
    await topic.append(b"a", b"b")
    await archive(bucket, consumer, topic.folded(1))
    await topic.append(b"c", b"d")
    async with clients.admin(kafka) as admin:
        await admin.delete_records({topic.tp: RecordsToDelete(3)})
    assert (await archive(bucket, consumer, topic.folded(3))).end == 4
    with pytest.raises(Gap, match="2 to 2"):
        await read(bucket, Position(0, 0), topic.place)
    assert offsets(await read(bucket, Position(0, 3), topic.place)) == [(0, 3)]
