"""The counting job's input, its right answer, and what each contender's changelog says."""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping

import msgspec
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import NewTopic

from streams.core.ids import partition_of
from streams.runtime import clients

PARTITIONS = 4
KEYS = 1_000
EVENT_BYTES = 200
SEED = 20261122
BASE = 1_790_000_000_000_000
"""A time for what needs one, microseconds."""


def event(number: int, tenant: str) -> bytes:
    """A JSON object of EVENT_BYTES bytes."""
    fields = {"tenant": tenant, "n": 1, "id": number, "agent": f"agent-{number % 97}", "pad": ""}
    short = json.dumps(fields, separators=(",", ":"))
    return (short[:-2] + "x" * (EVENT_BYTES - len(short)) + '"}').encode()


def tenants(events: int) -> list[str]:
    """The tenant of each event: all about equally busy, in no order."""
    chosen = random.Random(SEED)
    return [f"t{chosen.randrange(KEYS)}" for _ in range(events)]


async def fill(kafka: str, topic: str, events: int, *, distinct: bool = False) -> Counter[str]:
    """Make the topic and produce the events; returns the right count of each key.

    ``distinct``: each event has a key of its own.
    """
    async with clients.admin(kafka) as admin:
        await admin.create_topics([NewTopic(topic, PARTITIONS, 1)])
    of = [f"t{n}" for n in range(events)] if distinct else tenants(events)
    place = {tenant: partition_of(tenant, PARTITIONS) for tenant in set(of)}
    producer = AIOKafkaProducer(bootstrap_servers=kafka, max_batch_size=1 << 18, linger_ms=5)
    await producer.start()
    now = time.time_ns() // 1_000_000
    batches = {p: producer.create_batch() for p in range(PARTITIONS)}
    sent = []
    for number, tenant in enumerate(of):
        p, key, value = place[tenant], tenant.encode(), event(number, tenant)
        if batches[p].append(key=key, value=value, timestamp=now) is None:
            sent.append(await producer.send_batch(batches[p], topic, partition=p))
            batches[p] = producer.create_batch()
            batches[p].append(key=key, value=value, timestamp=now)
    for p, batch in batches.items():
        sent.append(await producer.send_batch(batch, topic, partition=p))
    await asyncio.gather(*sent)
    await producer.stop()
    return Counter(of)


async def counted(
    kafka: str, changelog: str, read: Callable[[bytes, bytes], tuple[str, int] | None]
) -> dict[str, int]:
    """Replay a changelog, committed records only, into the count of each key."""
    last: dict[bytes, bytes] = {}
    for partition in range(PARTITIONS):
        tp = TopicPartition(changelog, partition)
        async with clients.reader(kafka) as consumer:
            end = (await consumer.end_offsets([tp]))[tp]
            async for records in clients.read_to(consumer, tp, 0, end):
                last.update((record.key, record.value) for record in records)
    return dict(pair for key, value in last.items() if (pair := read(key, value)) is not None)


async def check(kafka: str, changelog: str, contender: str, expected: Mapping[str, int]) -> None:
    """Compare a contender's durable state with the naive count.

    Raises
    ------
    SystemExit
        A key's count is not right.
    """
    got = await counted(kafka, changelog, READ[contender])
    if got == expected:
        return
    wrong = {k: (got.get(k), expected.get(k)) for k in {*got, *expected}}
    wrong = {k: pair for k, pair in wrong.items() if pair[0] != pair[1]}
    raise SystemExit(
        f"{contender} counted wrong for {len(wrong)} keys: {dict(list(wrong.items())[:5])}"
    )


async def forget(kafka: str, topics: list[str]) -> None:
    """Delete what a run has left on the broker."""
    async with clients.admin(kafka) as admin:
        await admin.delete_topics(topics)


def _ours(key: bytes, value: bytes) -> tuple[str, int] | None:
    if not key.startswith(b"n/"):
        return None  # a position
    return key[2:-1].decode(), msgspec.msgpack.decode(value[1:])[0]


def _quix(key: bytes, value: bytes) -> tuple[str, int] | None:
    return key.partition(b"|")[0].decode(), msgspec.json.decode(value)


def _faust(key: bytes, value: bytes) -> tuple[str, int] | None:
    return msgspec.json.decode(key), msgspec.json.decode(value)


def _bare(key: bytes, value: bytes) -> tuple[str, int] | None:
    return key.decode(), int(value)


READ = {"ours": _ours, "quix_eos": _quix, "faust_tables": _faust, "bare_aiokafka": _bare}
