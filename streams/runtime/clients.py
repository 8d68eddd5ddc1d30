"""The one place that makes Kafka clients, so that their settings agree."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import GroupLoadInProgressError, KafkaError
from aiokafka.producer import sender
from aiokafka.structs import OffsetAndMetadata

from streams.core.errors import Failed
from streams.ports import Outgoing, Produced
from streams.runtime.admin import Admin
from streams.runtime.lean import LeanConsumer
from streams.topology import INTERNAL_MAX_BYTES

BATCH_BYTES = 1 << 20
TRANSACTION_TIMEOUT_MS = 10_000
RETRY_BACKOFF_MS = 20
"""Short: a broker that is still settling the transaction before answers with a retriable error."""

sender.BACKOFF_OVERRIDE = 0.005
"""Seconds before a next transaction asks again whether the last one has settled, which takes the
broker 2 to 4 ms; aiokafka waits 20 ms, most of what a quiet partition's event waits for."""


def transactional_producer(bootstrap: str, transactional_id: str) -> AIOKafkaProducer:
    """Producer of one store; starting it fences every earlier owner of the id."""
    return AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        transactional_id=transactional_id,
        transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
        request_timeout_ms=TRANSACTION_TIMEOUT_MS,
        retry_backoff_ms=RETRY_BACKOFF_MS,
        max_batch_size=BATCH_BYTES,
        max_request_size=INTERNAL_MAX_BYTES,
        linger_ms=0,
    )


def plain_producer(bootstrap: str, *, compression: str | None = None) -> AIOKafkaProducer:
    """Idempotent producer, acks=all, outside of transactions."""
    return AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        enable_idempotence=True,
        acks="all",
        request_timeout_ms=TRANSACTION_TIMEOUT_MS,
        retry_backoff_ms=RETRY_BACKOFF_MS,
        max_batch_size=BATCH_BYTES,
        max_request_size=INTERNAL_MAX_BYTES,
        linger_ms=0,
        compression_type=compression,
    )


@asynccontextmanager
async def reader(bootstrap: str) -> AsyncIterator[AIOKafkaConsumer]:
    """Consumer without a group, for reading given partitions; never resets silently."""
    consumer = LeanConsumer(
        bootstrap_servers=bootstrap,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="none",
        max_partition_fetch_bytes=8 << 20,
        fetch_max_wait_ms=100,
        check_crcs=False,
    )
    try:
        await consumer.start()
        # One that is stopped before its tasks have begun raises CancelledError in who stops it.
        await asyncio.sleep(0)
        yield consumer
    finally:
        await consumer.stop()


async def read_to(
    consumer: AIOKafkaConsumer, tp: TopicPartition, start: int, end: int
) -> AsyncIterator[Sequence[Any]]:
    """Yield batches of one partition's records from ``start`` until ``end`` is reached.

    The end may be a transaction's marker, which is no record: the position tells.
    """
    consumer.assign([tp])
    consumer.seek(tp, start)
    while await consumer.position(tp) < end:
        for records in (await consumer.getmany(timeout_ms=500)).values():
            yield records


async def tail(
    bootstrap: str, tp: TopicPartition, start: int, end: int
) -> AsyncIterator[Sequence[Any]]:
    """Read a part of a partition as `read_to` does, with a consumer of its own if there is any."""
    if start < end:
        async with reader(bootstrap) as consumer:
            async for records in read_to(consumer, tp, start, end):
                yield records


@asynccontextmanager
async def admin(bootstrap: str) -> AsyncIterator[Admin]:
    """Admin client.

    Raises
    ------
    Failed
        No broker answers there.
    """
    client = Admin(bootstrap_servers=bootstrap, request_timeout_ms=10_000)
    try:
        await client.start()
    except KafkaError as error:
        await client.close()
        raise Failed(f"no Kafka broker answers at {bootstrap}: {error}") from None
    try:
        yield client
    finally:
        await client.close()


class Inquiry:
    """What a process asks Kafka about topics and groups: two connections for all partitions."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self.admin = Admin(bootstrap_servers=bootstrap, request_timeout_ms=10_000)
        self._consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)

    async def start(self) -> None:
        await self.admin.start()
        await self._consumer.start()

    async def stop(self) -> None:
        await self.admin.close()
        await self._consumer.stop()

    async def bounds(self, tp: TopicPartition) -> tuple[int, int]:
        """Return (begin, end) of a partition; the end is the high water mark.

        Of a changelog it is the committed end too: starting its producer ended what was open.
        """
        # Asked for a topic that it has not heard of, aiokafka fails, waits and asks again.
        await self.partitions(tp.topic)
        begin = await self._consumer.beginning_offsets([tp])
        return begin[tp], await self.end(tp)

    async def end(self, tp: TopicPartition) -> int:
        """Return the high water mark of a partition."""
        end: int = (await self._consumer.end_offsets([tp]))[tp]
        return end

    async def partitions(self, topic: str) -> int:
        """Return a topic's number of partitions."""
        return len(await self._consumer._client._wait_on_metadata(topic))

    async def committed(self, group: str, tp: TopicPartition) -> OffsetAndMetadata:
        """Return a group's committed offset, -1 for none.

        Raises
        ------
        KafkaError
            The coordinator does not answer or has not loaded the group yet.
        """
        offsets = await self.admin.list_consumer_group_offsets(group, partitions=[tp])
        if tp not in offsets:  # the client drops the group's own error, such as "still loading"
            raise GroupLoadInProgressError(group)
        return offsets[tp]


class ApiProducer:
    """ports.Producer: what users send through the API."""

    def __init__(self, bootstrap: str) -> None:
        self._producer = plain_producer(bootstrap)

    async def start(self) -> None:
        await self._producer.start()

    async def stop(self) -> None:
        await self._producer.stop()

    async def produce(self, records: Sequence[Outgoing]) -> list[Produced]:
        """Send all and wait until all are acknowledged.

        Raises
        ------
        Failed
            Kafka did not acknowledge; what of it was stored is not known.
        """
        try:
            futures = [
                await self._producer.send(
                    r.topic, value=r.value, key=r.key, headers=list(r.headers)
                )
                for r in records
            ]
            acks = await asyncio.gather(*futures)
        except KafkaError as error:
            raise Failed(f"Kafka did not acknowledge: {error}") from error
        return [Produced(a.topic, a.partition, a.offset) for a in acks]
