"""A store without Faust around it: taken over by hand, fed with chunks made here."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar, NamedTuple

from aiokafka.structs import TopicPartition
from msgspec import structs

from streams import topology
from streams.core import log
from streams.core.fold import Entry, Output, View
from streams.core.log import DEFAULT_CONFIG, VERSION, Config, Message, Origin, Record, Tick
from streams.core.rows import Row, tenant_key
from streams.core.time import HOUR
from streams.runtime import clients, positions, recovery
from streams.runtime.chunks import Chunk
from streams.runtime.clients import Inquiry
from streams.runtime.fold_jobs import fold_job
from streams.runtime.job import Job
from streams.runtime.store import PartitionStore
from streams.settings import Settings
from streams.topology import BUDGET_ALERTS

PARTITION = 0
TENANT = "t1"


class Count(Row, frozen=True, array_like=True):
    kind: ClassVar[bytes] = b"n/"

    number: int


def fold(view: View, entry: Entry) -> list[Output]:
    """Count each event of a tenant, and say each count."""
    record = entry.record
    if isinstance(record.body, Config | Tick):
        return []
    if record.id == "bug":
        raise ZeroDivisionError("a bug")
    key = tenant_key(Count, record.tenant)
    row = view.get(Count, key) or Count(0)
    view.put(key, Count(row.number + 1))
    said = str(row.number + 1)
    return [Output(BUDGET_ALERTS, record.tenant, "count", said, "", said.encode())]


def job(settings: Settings) -> Job:
    """The job of a fold worker, but that it counts."""
    return structs.replace(fold_job(settings), fold=fold)


@asynccontextmanager
async def asking(kafka: str) -> AsyncIterator[Inquiry]:
    """What a process has for its questions to Kafka."""
    inquiry = Inquiry(kafka)
    await inquiry.start()
    try:
        yield inquiry
    finally:
        await inquiry.stop()


Stores = Callable[..., Awaitable[PartitionStore]]


async def take_over(settings: Settings, folder: Path, made: Job | None = None) -> PartitionStore:
    """The owner's steps: fence, open, replay."""
    made = made or job(settings)
    producer = clients.transactional_producer(settings.kafka, made.transactional_id(PARTITION))
    await producer.start()
    db = recovery.open_local(folder)
    assert made.dedupe is not None
    async with asking(settings.kafka) as inquiry:
        changelog = TopicPartition(made.changelog, PARTITION)
        await recovery.replay_changelog(inquiry, changelog, db)
        config = positions.read_config(db) or DEFAULT_CONFIG
        dedupe = TopicPartition(made.dedupe, PARTITION)
        await recovery.replay_dedupe(inquiry, dedupe, db, config.dedupe_hours * HOUR)
    source = positions.read_source(db) or positions.NOTHING
    fences = recovery.load_fences(db)
    return PartitionStore(made, PARTITION, db, producer, source, fences, config)


def counted(one: PartitionStore) -> int:
    """Events that the state has counted."""
    row = one.reader.get(Count, tenant_key(Count, TENANT))
    return 0 if row is None else row.number


async def said(settings: Settings, partition: int = PARTITION) -> list[str]:
    """The counts that a read_committed consumer of the output sees."""
    tp = TopicPartition(topology.name(settings, BUDGET_ALERTS), partition)
    async with clients.reader(settings.kafka) as consumer:
        consumer.assign([tp])
        end = (await consumer.end_offsets([tp]))[tp]
        return [
            record.value.decode()
            async for records in clients.read_to(consumer, tp, 0, end)
            for record in records
        ]


def numbers(count: int) -> list[str]:
    """What the outputs say when each event counted once."""
    return [str(n + 1) for n in range(count)]


class Raw(NamedTuple):
    """A consumer's record."""

    offset: int
    timestamp: int
    value: bytes


def event(number: int, event_id: str | None = None) -> Record:
    """The event that came as record ``number`` of an input partition."""
    origin = Origin("in", 0, 0, number)
    body = Message("", "", "", "", None, None)
    return Record(VERSION, TENANT, origin, "/s", event_id or str(number), 0, body)


def chunk(first: int, records: Sequence[Record | bytes], *, timestamp: int = 1_000) -> Chunk:
    """Records at offsets from ``first`` on; the time of each is a millisecond after the last."""
    return Chunk(
        first - 1,
        [
            Raw(first + n, timestamp + n, r if isinstance(r, bytes) else log.encode(r))
            for n, r in enumerate(records)
        ],
    )
