"""The archive of a log: bring its records there, and read them back.

The owner of a partition archives what it has folded, so what is archived was committed and is of
the log that the owner knows. Whoever owned it before may still be writing: segments may overlap,
never contradict each other (streams/snapshots/segments.py).
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

import streams
from streams.core.errors import ObjectMissing
from streams.runtime.clients import read_to
from streams.runtime.erased_records import Change
from streams.runtime.failpoints import reach
from streams.runtime.snapshots import Bin
from streams.snapshots.names import Place, Position, Segment
from streams.snapshots.segments import BadSegment, Head, LogRecord, archived_to, chain, seal, unseal

log = logging.getLogger(__name__)

SEGMENT_BYTES = 8 << 20
"""Of keys and values: a segment is held in memory whole."""


class Folded(msgspec.Struct, frozen=True):
    """A partition of a log and how far it is folded."""

    place: Place
    incarnation: int
    offset: int
    """Last folded record, -1 for none."""


class Archived(msgspec.Struct, frozen=True):
    """What was brought to the archive."""

    records: int
    bytes: int
    """Of the segments, compressed."""
    end: int
    """The archive ends before this offset."""


class Part(msgspec.Struct, frozen=True):
    """Some records of a log, in their order."""

    incarnation: int
    records: Sequence[LogRecord]
    end: int
    """Offset at which the log goes on; what is missing below it was no record."""


async def begin_after(of: Bin, place: Place, incarnation: int, follows: Position) -> bool:
    """Say where an incarnation of a log goes on from: what comes later in the one before is void.

    Whoever restores says so: the first cluster may not be as dead as it is thought to be. Returns
    whether nobody else has said it.
    """
    segment = Segment(place, incarnation, 0, 0)
    data = seal(segment, (), streams.__version__, follows=follows)
    return await asyncio.to_thread(of.store.put_if_absent, of.layout.segment(segment), data)


async def read_follows(of: Bin, place: Place) -> list[Position]:
    """Return where earlier incarnations of a log end, as `begin_after` has said.

    Raises
    ------
    BadSegment
    """
    found = []
    for segment in await list_segments(of, place):
        if not segment.end:
            head, _ = await asyncio.to_thread(_read, of, segment)
            if head.follows is not None:
                found.append(head.follows)
    return found


async def list_segments(of: Bin, place: Place | None = None) -> list[Segment]:
    """List the segments of a partition, or of all."""
    prefix = of.layout.archive(place)
    stored = await asyncio.to_thread(lambda: list(of.store.list(prefix)))
    found = (of.layout.read_segment(each.name) for each in stored)
    return sorted(segment for segment in found if segment is not None)


async def read_archive(
    of: Bin, place: Place, start: Position, end: Position | None = None
) -> AsyncIterator[Part]:
    """Yield what the archive holds from a position of the log on.

    Parameters
    ----------
    end : Position, optional
        Segments that begin there or later are not looked at.

    Raises
    ------
    Gap, BadSegment
        It holds later records, but not the next; those before it were yielded.
    """
    at, missing = start, None
    while segments := chain(await _listed(of, place, end), at):
        for segment in segments:
            try:
                _, records = await asyncio.to_thread(_read, of, segment)
            except ObjectMissing:
                if segment == missing:
                    name = of.layout.segment(segment)
                    raise BadSegment(f"{name}: it is listed but not there") from None
                # Records were taken out of it meanwhile: its successor is listed now.
                missing = segment
                break
            if segment.incarnation != at.incarnation:
                at = Position(segment.incarnation, 0)
            wanted = [record for record in records if record.offset >= at.offset]
            yield Part(segment.incarnation, wanted, segment.end)
            at = Position(segment.incarnation, segment.end)


async def _listed(of: Bin, place: Place, end: Position | None) -> list[Segment]:
    segments = await list_segments(of, place)
    return [s for s in segments if end is None or Position(s.incarnation, s.first) < end]


async def archive(
    of: Bin,
    consumer: AIOKafkaConsumer,
    folded: Folded,
    *,
    archived: int | None = None,
    change: Change = lambda record: record,
) -> Archived:
    """Bring what is folded and not archived yet into segments.

    Parameters
    ----------
    consumer : AIOKafkaConsumer
        Without a group, reads what is committed.
    archived : int, optional
        Where the archive of this incarnation ends; None: look.
    change : callable
        Takes out what was erased before it came.

    Raises
    ------
    ObjectStoreError, KafkaError
        What was sealed before stays.
    """
    place = folded.place
    tp, end = TopicPartition(place.topic, place.partition), folded.offset + 1
    begin = (await consumer.beginning_offsets([tp]))[tp]
    done = archived
    if done is None:
        done = archived_to(await list_segments(of, place), folded.incarnation)
    if done is not None and done < begin:
        log.error("%s[%d]: Kafka has forgotten the offsets %d to %d", *tp, done, begin - 1)
    first = begin if done is None else max(done, begin)
    count = size = 0
    async for until, records in _portions(consumer, tp, first, end):
        segment = Segment(place, folded.incarnation, first, until)
        data = await asyncio.to_thread(_sealed, segment, records, change)
        reach("archive.sealed")
        await asyncio.to_thread(of.store.put_if_absent, of.layout.segment(segment), data)
        reach("archive.written")
        first, count, size = until, count + len(records), size + len(data)
    return Archived(count, size, first)


async def _portions(
    consumer: AIOKafkaConsumer, tp: TopicPartition, start: int, end: int
) -> AsyncIterator[tuple[int, list[LogRecord]]]:
    """Yield what goes into one segment each, and where it ends."""
    if start >= end:
        return
    portion: list[LogRecord] = []
    weight = 0
    async for records in read_to(consumer, tp, start, end):
        for record in records:
            if record.offset >= end:
                break
            portion.append(_kept(record))
            weight += len(record.key or b"") + len(record.value or b"")
            if weight >= SEGMENT_BYTES:
                yield record.offset + 1, portion
                portion, weight, start = [], 0, record.offset + 1
    if start < end:
        yield end, portion


def _sealed(segment: Segment, records: Sequence[LogRecord], change: Change) -> bytes:
    made = [change(record) for record in records]
    removed = sum(now is not record for now, record in zip(made, records, strict=True))
    left = [record for record in made if record is not None]
    return seal(segment, left, streams.__version__, removed=removed)


def _kept(record: Any) -> LogRecord:
    headers = tuple((name, bytes(value)) for name, value in record.headers)
    return LogRecord(record.offset, record.timestamp, record.key, record.value, headers)


def _read(of: Bin, segment: Segment) -> tuple[Head, list[LogRecord]]:
    name = of.layout.segment(segment)
    try:
        return unseal(segment, of.store.get(name))
    except BadSegment as error:
        raise BadSegment(f"{name}: {error}") from None
