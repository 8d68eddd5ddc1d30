"""OriginWriter: admits one partition of an input topic, at least once and in order.

The steps of a slice: decode all (what is refused goes to the DLQ and leaves a marker); embed the
contents among them, in batches with those of other partitions; check sizes; send, one batch in
flight for each partition of the log; await every ack of log and DLQ; only then the input's offset
may be committed, which the next slice does not wait for. A slice of contents is cut short, so that
embedding it is soon done.

After any failed send the producer is thrown away and reading goes back to the committed offset: an
idempotent producer lets later batches through after a failed one. A model that fails is asked again
in the same way; what it failed for never goes to the DLQ.
"""

import asyncio
import logging
import time
import zlib
from bisect import bisect_right
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition
from faust.types import TP

from streams import topology
from streams.agents.admit import Incoming, admit, dead_letter_headers, marker
from streams.agents.admit_vectors import text_to_embed
from streams.core.errors import PartitionRed, Refused
from streams.core.ids import partition_of
from streams.core.log import Origin, QuotaSet, Record
from streams.ports import PriceBook
from streams.runtime import clients, metrics, positions, recovery
from streams.runtime.admit_slice import AdmitSlice
from streams.runtime.chunks import Chunk
from streams.runtime.commits import OffsetCommits
from streams.runtime.embedding import Embedding
from streams.runtime.failpoints import reach
from streams.runtime.ownership import Incarnation, Ownership, announce_incarnation
from streams.runtime.reading import PartitionReader
from streams.runtime.shared_producer import SharedProducer
from streams.runtime.topic_ids import topic_id
from streams.runtime.transport import Consumer
from streams.settings import Settings

log = logging.getLogger(__name__)

SLICE = 1_000
YIELD_EVERY = 250
RETRY_S = 0.5
RETRY_MAX_S = 3.0
RETRIES = 5
DEAD_BYTES = topology.INTERNAL_MAX_BYTES - (1 << 20)
"""The largest value of a dead letter; headers need room too."""
LEFT_OUT = "__streams.errors.value"
_offset = attrgetter("offset")


class Committed(msgspec.Struct, frozen=True):
    """Metadata beside a committed offset: enough to know the topic again."""

    incarnation: int = 0
    fingerprint: str = ""


class AdmitHost(msgspec.Struct, frozen=True):
    """What a writer needs of its process."""

    settings: Settings
    book: PriceBook
    ownership: Ownership
    inquiry: clients.Inquiry
    commits: OffsetCommits
    producer: SharedProducer
    dead_letters: SharedProducer
    """Compresses: a small compressed batch may hold a value that no plain one could carry on."""
    consumer: Callable[[], Consumer]
    give_up: Callable[[str], None]
    embedding: Embedding | None = None
    """Makes the vectors of contents; without one they have none."""


class OriginWriter(PartitionReader):
    """Admits one partition of an input topic.

    Parameters
    ----------
    topic : str
        Short name of the topic.
    tp : TP
        The partition, by full name.
    """

    def __init__(self, host: AdmitHost, topic: str, tp: TP) -> None:
        self.host = host
        self.topic = topic
        log = topology.name(host.settings, topology.TENANT_LOG)
        control = topology.name(host.settings, topology.TENANT_CONTROL)
        self._places = [(log, p) for p in range(host.settings.partitions)] + [(control, 0)]
        self._dlq = topology.name(host.settings, topology.dlq(topic))
        self._done = -1
        self._failures = 0
        self._incarnation = 0
        hint = f"`streams topics adopt {topic}` begins anew with what it holds now"
        super().__init__(tp, host.consumer, hint)

    def reassigned(self) -> None:
        """Somebody else may have gone on meanwhile: what is committed counts."""
        self._reopen = True
        self._revoked = False
        self._wake()

    async def _failed(self, error: Exception) -> None:
        self._failures += 1
        log.warning("%s: admit failed (%d): %r", self.tp, self._failures, error)
        # A broker that is away comes back, and nothing is lost meanwhile.
        if self._failures >= RETRIES and not isinstance(error, KafkaError | OSError):
            self._stopping = True
            self.host.give_up(f"{self.tp}: admit failed {RETRIES} times: {error!r}")
            return
        self.state = "opening"
        await self._pause(min(RETRY_S * self._failures, RETRY_MAX_S))

    async def _open(self) -> None:
        """Find the committed offset, check that the topic still is the same, seek there."""
        settings = self.host.settings
        self._reopen = False
        tp = TopicPartition(*self.tp)
        committed = await self.host.inquiry.committed(settings.admit_group, tp)
        known = Committed()
        stored = -1
        if committed.offset > 0:
            stored = committed.offset - 1
            known = msgspec.json.decode(committed.metadata or "{}", type=Committed)
        self._incarnation = await self._same_topic()
        if self._incarnation > known.incarnation:
            stored = -1
        next_offset = await recovery.check_position(
            self.host.inquiry,
            tp,
            stored,
            known.fingerprint,
            adopt_hint=self._adopt_hint,
        )
        self._done = next_offset - 1
        await self._seek()

    async def _where(self) -> int:
        await self._same_topic()
        return self._next

    @property
    def _next(self) -> int:
        return self._done + 1

    async def _same_topic(self) -> int:
        """Incarnation of the topic, which must still be the one that was read before.

        Kafka deletes the group's offsets with a topic: without them a new one would be read from
        its start, and the folds would skip its records as read before.
        """
        host, topic = self.host, self.tp.topic
        incarnation = host.ownership.incarnations.get(topic, 0)
        known = host.ownership.topic_ids.get(topic)
        found = await topic_id(host.inquiry.admin, topic)
        if found and not known:
            producer = await host.producer.get()
            now = Incarnation(topic, incarnation, found)
            await announce_incarnation(producer, host.settings, now)
        elif found and found != known:
            raise PartitionRed(f"{topic} was deleted and made anew. {self._adopt_hint}")
        return incarnation

    async def _take(self, chunk: Chunk) -> None:
        start = 0
        while start < len(chunk.records):
            start = bisect_right(chunk.records, self._done, start, key=_offset)
            if records := chunk.records[start : start + SLICE]:
                await self._slice(records)

    async def _slice(self, records: Sequence[Any]) -> None:
        """Admit the first of these records; ``_done`` says how many they were."""
        made = AdmitSlice()
        received = time.time_ns() // 1000
        count = 0
        for raw in records:
            self._decode(raw, received, made)
            count += 1
            if made.full:
                break
            if count % YIELD_EVERY == 0:
                await asyncio.sleep(0)
        reach("admit.decoded")
        if made.texts:
            assert self.host.embedding is not None
            made.give(await self.host.embedding.vectors(made.texts))
        producer = await self.host.producer.get()
        dead = made.dead
        undertaker = await self.host.dead_letters.get() if dead else None
        try:
            await _all(
                *(self._send_log(producer, p, values) for p, values in made.logged.items()),
                *(self._send_dead(undertaker, raw, headers) for raw, headers in dead),
            )
        except BaseException:
            await self.host.producer.discard(producer)
            await self.host.dead_letters.discard(undertaker)
            raise
        reach("admit.acknowledged")
        self._acknowledged(records[count - 1])
        metrics.EVENTS.labels(self.topic, "admitted").inc(count - len(dead))
        metrics.EVENTS.labels(self.topic, "refused").inc(len(dead))

    def _decode(self, raw: Any, received: int, made: AdmitSlice) -> None:
        settings = self.host.settings
        incoming = Incoming(
            self.topic,
            raw.key,
            raw.value,
            raw.headers,
            raw.timestamp * 1000,
            received,
            Origin(self.tp.topic, self._incarnation, self.tp.partition, raw.offset),
        )
        try:
            record: Record | None = admit(incoming, self.host.book, settings.namespace_tenants)
        except Refused as refused:
            metrics.DLQ.labels(refused.code).inc()
            made.dead.append((raw, dead_letter_headers(incoming, refused, self.tp.topic)))
            record = marker(incoming, refused) if refused.tenant else None
        if record is not None:
            # Beyond the log's partitions is that of control.
            partition = (
                settings.partitions
                if type(record.body) is QuotaSet
                else partition_of(record.tenant, settings.partitions)
            )
            text = text_to_embed(record) if self.host.embedding is not None else None
            made.add(partition, record, text)

    async def _send_log(
        self, producer: AIOKafkaProducer, place: int, values: list[tuple[bytes, bytes]]
    ) -> None:
        """One batch in flight at a time: a later one must not stand before a failed one."""
        topic, partition = self._places[place]
        batch = producer.create_batch()
        for key, value in values:
            if batch.append(key=key, value=value, timestamp=None) is None:
                await (await producer.send_batch(batch, topic, partition=partition))
                batch = producer.create_batch()
                if batch.append(key=key, value=value, timestamp=None) is None:
                    raise RuntimeError(f"a log record of {len(value)} bytes fits no batch")
        await (await producer.send_batch(batch, topic, partition=partition))

    async def _send_dead(
        self, producer: AIOKafkaProducer, raw: Any, headers: list[tuple[str, bytes]]
    ) -> None:
        value = raw.value
        if value and len(value) > DEAD_BYTES and len(zlib.compress(value)) > DEAD_BYTES:
            # Only an input topic that takes more than it must can hold such a record.
            headers = [*headers, (LEFT_OUT, f"{len(value)} bytes are too many for a DLQ".encode())]
            value = None
        # Not send(): it asserts on a record that has neither key nor value.
        batch = producer.create_batch()
        batch.append(key=raw.key, value=value, timestamp=None, headers=headers)
        partitions = self.host.settings.partitions
        partition = self.tp.partition % partitions
        await (await producer.send_batch(batch, self._dlq, partition=partition))

    def _acknowledged(self, last: Any) -> None:
        known = Committed(self._incarnation, positions.fingerprint(last))
        self.host.commits.put(
            self.tp, last.offset + 1, msgspec.json.encode(known).decode(), self.reassigned
        )
        self._done = last.offset
        self._failures = 0

    async def _close(self) -> None:
        # What is looked up when it opens again must not be older than what this one has done.
        await self.host.commits.settle(self.tp)
        await super()._close()


async def _all(*sends: Any) -> None:
    """Await all sends; the first failure is raised once all of them have ended."""
    for result in await asyncio.gather(*sends, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
