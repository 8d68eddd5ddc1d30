"""Where a partition's log can be read from its beginning on, and in which pieces."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

import msgspec
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from streams import topology
from streams.core.errors import Failed
from streams.runtime import clients
from streams.runtime.archive import list_segments, read_archive, read_follows
from streams.runtime.clients import Inquiry
from streams.runtime.ownership import Ownership
from streams.runtime.snapshots import Bin
from streams.settings import Settings
from streams.snapshots.names import Place, Position

_NEEDED = (topology.TENANT_LOG, topology.TENANT_CONTROL, topology.OWNERS)


class LogGap(Failed):
    """Records of a log are in none of its sources."""


class Span(msgspec.Struct, frozen=True):
    """Offsets of one incarnation of a partition's log, of which a source has every record."""

    incarnation: int
    begin: int
    end: int
    """The first offset that is not in it."""


class LogSource(Protocol):
    """Has a part of the log of each partition."""

    @property
    def name(self) -> str:
        """What this is, for a person."""

    async def spans(self, tp: TopicPartition) -> Sequence[Span]:
        """What it has of a partition; an empty span tells where the log begins, too."""

    def read(self, tp: TopicPartition, span: Span) -> AsyncGenerator[Sequence[Any], None]:
        """Yield the committed records of a part of one of its spans, in order.

        They have aiokafka's ``offset``, ``timestamp`` (milliseconds) and ``value``; a batch may go
        on past the span's end.

        Raises
        ------
        LogGap
            They are there no more.
        """


class Step(msgspec.Struct, frozen=True):
    """Offsets to be read next; without a source they can't be."""

    span: Span
    source: LogSource | None


def plan(
    after: tuple[int, int] | None,
    found: Iterable[tuple[LogSource, Sequence[Span]]],
    *,
    last: int | None = None,
) -> list[Step]:
    """Say from which source each part of the log is read.

    Parameters
    ----------
    after : (int, int), optional
        Incarnation and offset of the last record that is not needed; None: all are.
    found : iterable of (LogSource, sequence of Span)
        What each source has; where two have the same, the first is read.
    last : int, optional
        Offset, in the newest incarnation, of the last record that is wanted.
    """
    have = [(source, span) for source, spans in found for span in spans]
    incarnations = sorted({span.incarnation for _, span in have})
    at = 0 if after is None else after[1] + 1
    if after is not None:
        incarnations = [n for n in incarnations if n > after[0]]
        incarnations.insert(0, after[0])
    steps: list[Step] = []
    if after is None and incarnations and incarnations[0] > 0:
        # It was made anew, or restored, and nobody has what was there before.
        steps.append(Step(Span(0, 0, 1), None))
    for incarnation in incarnations:
        mine = [(source, span) for source, span in have if span.incarnation == incarnation]
        steps += _within(incarnation, at, mine)
        at = 0
    if last is not None and steps:
        newest = incarnations[-1]
        steps = [_cut(s, last + 1) if s.span.incarnation == newest else s for s in steps]
    return [step for step in steps if step.span.begin < step.span.end]


def _within(incarnation: int, at: int, have: list[tuple[LogSource, Span]]) -> list[Step]:
    """Steps through one incarnation from an offset on."""
    steps: list[Step] = []
    while True:
        here = next(((s, span) for s, span in have if span.begin <= at < span.end), None)
        if here is None:
            # Where nothing follows, this is the end; an empty log that begins further on is not.
            later = min((span.begin for _, span in have if span.begin > at), default=None)
            if later is None:
                return steps
            steps.append(Step(Span(incarnation, at, later), None))
            at = later
        else:
            source, span = here
            steps.append(Step(Span(incarnation, at, span.end), source))
            at = span.end


def _cut(step: Step, end: int) -> Step:
    span = step.span
    return Step(Span(span.incarnation, span.begin, min(span.end, end)), step.source)


def _until(span: Span, end: Position) -> Span:
    if span.incarnation != end.incarnation or span.end <= end.offset:
        return span
    return Span(span.incarnation, min(span.begin, end.offset), end.offset)


class ArchivedLog:
    """What was archived of the log."""

    def __init__(self, of: Bin, group: str) -> None:
        self._of = of
        self._group = group

    @property
    def name(self) -> str:
        """The bucket, or the folder in its place."""
        return f"the archive in {self._of.store.where}"

    def _place(self, tp: TopicPartition) -> Place:
        return Place(self._group, tp.topic, tp.partition)

    async def spans(self, tp: TopicPartition) -> Sequence[Span]:
        """Return one for each run of segments without a hole."""
        spans: list[Span] = []
        for segment in await list_segments(self._of, self._place(tp)):
            last = spans[-1] if spans else None
            if last and last.incarnation == segment.incarnation and segment.first <= last.end:
                spans[-1] = Span(last.incarnation, last.begin, max(last.end, segment.end))
            else:
                spans.append(Span(segment.incarnation, segment.first, segment.end))
        for cut in await read_follows(self._of, self._place(tp)):
            # What a first cluster went on with after the second one had begun.
            spans = [_until(span, cut) for span in spans]
            # And where it must have got to, for the second one to begin there.
            spans.append(Span(cut.incarnation, cut.offset, cut.offset))
        return spans

    async def read(self, tp: TopicPartition, span: Span) -> AsyncGenerator[Sequence[Any], None]:
        """Yield the records of segments."""
        start, end = (Position(span.incarnation, at) for at in (span.begin, span.end))
        async for part in read_archive(self._of, self._place(tp), start, end):
            yield part.records


class KafkaLog:
    """What Kafka still has of the log."""

    def __init__(self, settings: Settings) -> None:
        self._kafka = settings.kafka
        self._needed = [topology.name(settings, short) for short in _NEEDED]
        self.inquiry = Inquiry(settings.kafka)
        self._ownership = Ownership(settings)

    @property
    def name(self) -> str:
        """Address of the brokers."""
        return f"Kafka at {self._kafka}"

    async def start(self) -> None:
        """Connect.

        Raises
        ------
        Failed
            No broker answers, or it has no such logs.
        """
        try:
            await self.inquiry.start()
        except KafkaError as error:
            await self.inquiry.stop()
            raise Failed(f"no Kafka broker answers at {self._kafka}: {error}") from None
        there = await self.inquiry.admin.list_topics()
        if missing := [name for name in self._needed if name not in there]:
            await self.inquiry.stop()
            raise Failed(f"{self.name} has no topic {missing[0]}")
        await self._ownership.start()

    async def stop(self) -> None:
        await self._ownership.stop()
        await self.inquiry.stop()

    async def spans(self, tp: TopicPartition) -> Sequence[Span]:
        """Return the one that is from the log's begin to its end of now."""
        begin, end = await self.inquiry.bounds(tp)
        return [Span(self._ownership.incarnations.get(tp.topic, 0), begin, end)]

    async def read(self, tp: TopicPartition, span: Span) -> AsyncGenerator[Sequence[Any], None]:
        """Yield committed records."""
        async with clients.reader(self._kafka) as consumer:
            try:
                async for records in clients.read_to(consumer, tp, span.begin, span.end):
                    yield records
            except OffsetOutOfRangeError:
                where = f"{tp.topic}[{tp.partition}]"
                raise LogGap(f"{where} was deleted up to its retention while it was read") from None


@asynccontextmanager
async def kafka_log(settings: Settings) -> AsyncIterator[KafkaLog]:
    """Kafka's log, connected.

    Raises
    ------
    Failed
        As of `KafkaLog.start`; or Kafka does not answer any more.
    """
    log = KafkaLog(settings)
    await log.start()
    try:
        yield log
    except KafkaError as error:
        raise Failed(f"{log.name} does not answer: {error}") from error
    finally:
        await log.stop()
