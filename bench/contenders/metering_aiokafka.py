"""The bound: the metering job by hand on aiokafka, a transaction a chunk, its state in a dict.

Each process has its own share of the partitions; changed rows go to a changelog, alerts and wrong
events to their topics, the group's offsets with them. No database, no recovery, no group.
"""

import asyncio
import gc
import logging
from typing import Any

import metering_plain as plain
import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import OffsetAndMetadata
from stopwatch import Stopwatch, spec, tell

CHUNK = 4_000
watch = Stopwatch()
encode = msgspec.msgpack.Encoder().encode


class Tenant:
    """A tenant's part of the state, and what of it has changed."""

    def __init__(self, prefix: bytes, state: dict[bytes, Any], dirty: dict[bytes, Any]) -> None:
        self._prefix = prefix
        self._state = state
        self._dirty = dirty

    def get(self, key: bytes) -> Any:
        return self._state.get(self._prefix + key)

    def put(self, key: bytes, row: Any) -> None:
        key = self._prefix + key
        self._state[key] = self._dirty[key] = row


async def fold(given: dict[str, Any], consumer: AIOKafkaConsumer, tp: TopicPartition) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=given["kafka"],
        transactional_id=f"{given['group']}-{tp.partition}",
        max_batch_size=1 << 20,
        retry_backoff_ms=20,
    )
    await producer.start()
    budgets = plain.budgets_of(given["budgets"])
    state: dict[bytes, Any] = {}
    done, end = 0, given["ends"][str(tp.partition)]
    while done < end:
        records = (await consumer.getmany(tp, timeout_ms=200, max_records=CHUNK)).get(tp)
        if not records:
            continue
        if not watch.running:
            watch.start()
        dirty: dict[bytes, Any] = {}
        alerts: list[tuple[bytes, bytes]] = []
        dead: list[tuple[bytes, bytes]] = []
        for record in records:
            call = plain.read(record.value, record.headers)
            if call is None:
                dead.append((record.key, record.value))
                continue
            mine = Tenant(record.key + b"|", state, dirty)
            tenant = record.key.decode()
            for alert in plain.meter(call, tenant, budgets.get(tenant, []), mine.get, mine.put):
                alerts.append((record.key, alert))
        done = records[-1].offset + 1
        rows = [(key, encode(row)) for key, row in dirty.items()]
        await producer.begin_transaction()
        sent = []
        for topic, items in (
            (given["changelog"], rows),
            (given["alerts"], alerts),
            (given["dead"], dead),
        ):
            sent += await send(producer, topic, tp.partition, items)
        await asyncio.gather(*sent)
        await producer.send_offsets_to_transaction(
            {tp: OffsetAndMetadata(done, "")}, given["group"]
        )
        await producer.commit_transaction()
        watch.stop()
    tell(watch.report(given["events"], "") | {"done": tp.partition})


async def send(
    producer: AIOKafkaProducer, topic: str, partition: int, items: list[tuple[bytes, bytes]]
) -> list[Any]:
    sent = []
    batch = producer.create_batch()
    for key, value in items:
        if batch.append(key=key, value=value, timestamp=None) is None:
            sent.append(await producer.send_batch(batch, topic, partition=partition))
            batch = producer.create_batch()
            batch.append(key=key, value=value, timestamp=None)
    if items:
        sent.append(await producer.send_batch(batch, topic, partition=partition))
    return sent


async def run(given: dict[str, Any]) -> None:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=given["kafka"],
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=2 << 20,
        fetch_max_wait_ms=100,
        check_crcs=False,
    )
    await consumer.start()
    mine = [int(p) for p in given["ends"] if int(p) % given["members"] == given["member"]]
    tps = [TopicPartition(given["topic"], p) for p in mine]
    consumer.assign(tps)
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)
    tell({"assigned": mine})
    await asyncio.gather(*(fold(given, consumer, tp) for tp in tps))
    await asyncio.Event().wait()


if __name__ == "__main__":
    logging.getLogger("aiokafka").setLevel(logging.ERROR)
    asyncio.run(run(spec()))
