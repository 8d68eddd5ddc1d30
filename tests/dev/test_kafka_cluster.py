"""Three embedded nodes: what is acknowledged outlives any one of them."""

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from streams.dev.kafka_cluster import EmbeddedCluster
from streams.runtime import clients, topics
from streams.settings import Settings
from streams.topology import AGENT_MESSAGES

pytestmark = pytest.mark.deep
Until = Callable[..., Awaitable[None]]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCluster]:
    with EmbeddedCluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


async def test_a_record_outlives_the_node_that_took_it(
    cluster: EmbeddedCluster, until: Until
) -> None:
    settings = Settings(kafka=cluster.bootstrap, replication=3, partitions=1)
    await topics.ensure(settings)
    async with AIOKafkaProducer(bootstrap_servers=cluster.bootstrap, acks="all") as producer:
        ack = await producer.send_and_wait(AGENT_MESSAGES, b"1")
        leader = await _leader(cluster.bootstrap)
        cluster.nodes[leader - 1].kill()
        # The client hears of the new leader by itself.
        again = await producer.send_and_wait(AGENT_MESSAGES, b"2")
    tp = TopicPartition(AGENT_MESSAGES, 0)
    assert await _values(cluster.bootstrap, tp, ack.offset, again.offset + 1) == [b"1", b"2"]
    # Back with its data, it is a copy again.
    cluster.nodes[leader - 1].start()
    await until(lambda: _in_sync(cluster.bootstrap))


async def _leader(bootstrap: str) -> int:
    return (await _partition(bootstrap))["leader"]


async def _in_sync(bootstrap: str) -> bool:
    return len((await _partition(bootstrap))["isr"]) == 3


async def _partition(bootstrap: str) -> dict[str, Any]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        found: dict[str, Any] = (await admin.describe_topics([AGENT_MESSAGES]))[0]["partitions"][0]
        return found
    finally:
        await admin.close()


async def _values(bootstrap: str, tp: TopicPartition, start: int, end: int) -> list[bytes]:
    async with clients.reader(bootstrap) as consumer:
        return [
            record.value
            async for records in clients.read_to(consumer, tp, start, end)
            for record in records
        ]


def test_a_later_start_goes_on_at_the_same_addresses(tmp_path: Path) -> None:
    first, again = EmbeddedCluster(tmp_path), EmbeddedCluster(tmp_path)
    assert again.bootstrap == first.bootstrap
    assert len(set(first.bootstrap.split(","))) == 3
