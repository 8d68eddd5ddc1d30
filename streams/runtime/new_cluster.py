"""Bring replayed states into a Kafka cluster that holds nothing, so that workers go on from them.

The steps, in order:

 1. check     the cluster holds nothing of this installation
 2. forbid    on streams.owners.v1: no worker takes a partition over until all is there
 3. announce  the next incarnation of each topic that is read by position: offsets of the old
              cluster and of this one are never compared, neither in fences nor among snapshots
 4. write     each partition's rows and identities (whole_state.py), and its memories' records
 5. tell      control that what was said last may be lost
 6. claim     in the bucket: what the first cluster archives from now on is void
 7. allow     the workers

Whoever dies on the way leaves a cluster on which nobody folds; another one is to be taken then.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path

import msgspec
from aiokafka import AIOKafkaProducer, TopicPartition
from rocksdict import Rdict

from streams import topology
from streams.core import log as facts
from streams.core.errors import Failed, Misuse
from streams.core.fold import Entry
from streams.core.log import DEFAULT_CONFIG, VERSION, LogRestored, Record, Tick
from streams.core.time import HOUR, format_time
from streams.memory.published import published
from streams.ports import Told
from streams.runtime import clients, positions
from streams.runtime.archive import begin_after, list_segments
from streams.runtime.clients import Inquiry
from streams.runtime.effects import Sending, Sendings
from streams.runtime.failpoints import reach
from streams.runtime.fold_jobs import job_of
from streams.runtime.job import Job
from streams.runtime.ownership import Incarnation, announce_incarnation, announce_restore
from streams.runtime.replayed import Replayed
from streams.runtime.snapshots import Bin, list_snapshots
from streams.runtime.topic_ids import topic_id
from streams.runtime.view import DatabaseReader, open_database, scan_raw
from streams.runtime.whole_state import write_whole
from streams.settings import Settings
from streams.snapshots.names import Place, Position

RECORDS_AT_ONCE = 500
"""Memories' records in one transaction."""


class MovedIn(msgspec.Struct, frozen=True):
    """What a cluster was given."""

    incarnation: int
    rows: int
    identities: int
    memories: int


async def move_in(
    settings: Settings,
    folder: Path,
    replayed: Replayed,
    of: Bin,
    told: Told,
    *,
    into: Bin | None = None,
    takes_over: bool = True,
) -> MovedIn:
    """Write the states of a folder into the cluster.

    Parameters
    ----------
    settings : Settings
        Name the cluster, whose topics exist.
    replayed : Replayed
        What `streams.runtime.replay.replay` has made in the folder.
    of : Bin
        Where they came from: its names tell which incarnations there were.
    into : Bin, optional
        Where the new cluster's own go, if elsewhere.
    takes_over : bool
        Whether this cluster is the active one from now on: what the one before archives later is
        void then.

    Raises
    ------
    Misuse
        The cluster holds records already.
    """
    buckets = [of] if into is None or into.store.where == of.store.where else [of, into]
    inquiry = Inquiry(settings.kafka)
    await inquiry.start()
    plain = clients.plain_producer(settings.kafka)
    await plain.start()
    try:
        await _check_empty(settings, inquiry)
        await _check_inputs(settings, inquiry, folder, replayed)
        incarnation = 1 + await _newest_incarnation(settings, folder, replayed, of)
        await announce_restore(plain, settings, unfinished=True)
        reach("restore.forbidden")
        for topic in _read_by_position(settings):
            now = Incarnation(topic, incarnation, await topic_id(inquiry.admin, topic))
            await announce_incarnation(plain, settings, now)
        rows = identities = memories = 0
        for each in replayed.partitions:
            job = job_of(settings, each.log)
            told(f"writing {each.topic}[{each.partition}]")
            one = await _write(settings, job, each.partition, folder / each.folder, incarnation)
            reach("restore.written")
            rows, identities = rows + one.rows, identities + one.identities
            memories += one.memories
        restored = Record(VERSION, "", None, "", "", _now(), LogRestored(incarnation))
        control = topology.name(settings, topology.TENANT_CONTROL)
        await plain.send_and_wait(control, facts.encode(restored), b"", 0)
        if takes_over:
            for bucket in buckets:
                await _take_over(settings, replayed, incarnation, bucket)
        await announce_restore(plain, settings, unfinished=False)
        return MovedIn(incarnation, rows, identities, memories)
    finally:
        await plain.stop()
        await inquiry.stop()


async def _check_inputs(
    settings: Settings, inquiry: Inquiry, folder: Path, replayed: Replayed
) -> None:
    """See to it that what is mirrored already is not older than what is known of duplicates."""
    since = 0
    for each in replayed.tenants:
        with closing(open_database(folder / each.folder)) as db:
            source = positions.read_source(db) or positions.NOTHING
            config = positions.read_config(db) or DEFAULT_CONFIG
        since = max(since, source.log_time - config.dedupe_hours * HOUR)
    for short in topology.INPUTS:
        topic = topology.name(settings, short)
        for partition in range(await inquiry.partitions(topic)):
            tp = TopicPartition(topic, partition)
            first = await _first_time(settings, inquiry, tp)
            if first is not None and first < since:
                raise Misuse(
                    f"{topic}[{partition}] at {settings.kafka} begins at {format_time(first)}: "
                    f"what is older than {format_time(since)} may have been counted and can't be "
                    "known any more; delete the records before that time, then restore"
                )


async def _first_time(settings: Settings, inquiry: Inquiry, tp: TopicPartition) -> int | None:
    """Time of a partition's first record, microseconds."""
    begin, end = await inquiry.bounds(tp)
    if begin == end:
        return None
    async with clients.reader(settings.kafka) as consumer:
        async for records in clients.read_to(consumer, tp, begin, end):
            first: int = records[0].timestamp * 1000
            return first
    return None


async def _take_over(settings: Settings, replayed: Replayed, incarnation: int, of: Bin) -> None:
    """Say in the bucket that this cluster goes on; not before it can."""
    for each in replayed.partitions:
        place = Place(settings.group, each.topic, each.partition)
        follows = Position(each.incarnation, each.offset + 1)
        if not await begin_after(of, place, incarnation, follows):
            raise Failed(
                f"somebody else has restored from {of.store.where} meanwhile "
                f"(incarnation {incarnation})"
            )


def _read_by_position(settings: Settings) -> list[str]:
    logs = (topology.TENANT_LOG, topology.TENANT_CONTROL)
    changelogs = [topology.changelog(settings, log) for log in logs]
    return [topology.name(settings, short) for short in (*topology.INPUTS, *logs, *changelogs)]


async def _check_empty(settings: Settings, inquiry: Inquiry) -> None:
    """Inputs may be there, mirrored: what is known of the states' events is not counted again."""
    for topic in topology.topics(settings):
        for partition in range(topic.partitions if topic.internal else 0):
            if await inquiry.end(TopicPartition(topic.name, partition)):
                raise Misuse(
                    f"{topic.name}[{partition}] at {settings.kafka} holds records already; "
                    "a restore needs a cluster that holds nothing of this installation"
                )


async def _newest_incarnation(settings: Settings, folder: Path, replayed: Replayed, of: Bin) -> int:
    """Return the highest of any topic that states, snapshots or archive tell of."""
    found = [each.incarnation for each in replayed.partitions]
    # Workers' own facts have origins too, whose incarnation is when the worker started.
    ours = set(_read_by_position(settings))
    for each in replayed.partitions:
        db = open_database(folder / each.folder)
        try:
            fences = scan_raw(db, positions.ORIGIN_PREFIX)
            origins = [positions.origin_of(key) for key, _ in fences]
            found += [origin.incarnation for origin in origins if origin.topic in ours]
        finally:
            db.close()
    found += [
        one.position.incarnation
        for one in await list_snapshots(of)
        if one.place.group == settings.group
    ]
    found += [
        one.incarnation for one in await list_segments(of) if one.place.group == settings.group
    ]
    return max(found, default=0)


class _One(msgspec.Struct, frozen=True):
    rows: int
    identities: int
    memories: int


async def _write(
    settings: Settings, job: Job, partition: int, path: Path, incarnation: int
) -> _One:
    db = open_database(path)
    producer = clients.transactional_producer(settings.kafka, job.transactional_id(partition))
    await producer.start()
    try:
        old = positions.read_source(db) or positions.NOTHING
        source = old.entering(incarnation)
        written = await write_whole(producer, job, partition, db, source)
        memories = 0
        for portion in _records(job, partition, db, source):
            await _send(producer, portion)
            memories += len(portion)
        return _One(written.rows, written.identities, memories)
    finally:
        await producer.stop()
        db.close()


def _records(
    job: Job, partition: int, db: Rdict, source: positions.Source
) -> Iterator[list[Sending]]:
    """Yield the records of all memories, for the compacted topic that shows them."""
    make = Sendings(job.topic, job.output, job.partitions)
    outputs = published(DatabaseReader(db), f"restored {source.incarnation}")
    while portion := list(islice(outputs, RECORDS_AT_ONCE)):
        sent: list[Sending] = []
        for output in portion:
            cause = Record(VERSION, output.tenant, None, "", "", source.log_time, Tick())
            entry = Entry(cause, partition, 0, source.log_time, source.log_time)
            sent += make.of([output], entry, source.incarnation)
        yield sent


async def _send(producer: AIOKafkaProducer, portion: Sequence[Sending]) -> None:
    await producer.begin_transaction()
    sent = [
        await producer.send(one.topic, one.value, one.key, one.partition, headers=one.headers)
        for one in portion
    ]
    await asyncio.gather(*sent)
    await producer.commit_transaction()


def _now() -> int:
    return time.time_ns() // 1000
