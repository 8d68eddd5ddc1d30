"""Real faults of brokers, disks and owners, made from outside the code that they befall."""

import asyncio
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.structs import TopicPartition

from streams import topology
from streams.runtime import clients, topics
from streams.settings import Settings

SEEN_S = 10.0


@asynccontextmanager
async def refusing(settings: Settings, topic: str, nbytes: int) -> AsyncIterator[None]:
    """The broker refuses batches of more than ``nbytes`` on a topic (full name)."""
    wanted = next(t.configs for t in topology.topics(settings) if t.name == topic)
    async with clients.admin(settings.kafka) as admin:
        await _configure(admin, topic, {**wanted, "max.message.bytes": str(nbytes)})
        try:
            yield
        finally:
            await _configure(admin, topic, wanted)


async def _configure(admin: AIOKafkaAdminClient, topic: str, configs: dict[str, str]) -> None:
    for answer in await admin.alter_configs(
        [ConfigResource(ConfigResourceType.TOPIC, topic, configs)]
    ):
        assert [resource[0] for resource in answer.resources] == [0], answer
    # What the controller has taken reaches the broker a moment later.
    asked = ConfigResource(ConfigResourceType.TOPIC, topic, dict.fromkeys(configs))
    async with asyncio.timeout(SEEN_S):
        while True:
            (told,) = await admin.describe_configs([asked])
            found = {entry[0]: entry[1] for entry in told.resources[0][4]}
            if found == configs:
                return


async def truncate(settings: Settings, tp: TopicPartition, before: int) -> None:
    """Retention takes all records below ``before``."""
    async with clients.admin(settings.kafka) as admin:
        await admin.delete_records({tp: RecordsToDelete(before_offset=before)})


async def delete(settings: Settings, topic: str) -> None:
    """Somebody deletes a topic (full name)."""
    async with clients.admin(settings.kafka) as admin:
        await admin.delete_topics([topic])
        while topic in await admin.list_topics():
            pass


async def recreate(settings: Settings, topic: str) -> None:
    """Somebody deletes a topic (full name) and makes it anew."""
    await delete(settings, topic)
    await topics.ensure(settings)


async def die(producer: AIOKafkaProducer) -> None:
    """End a producer as kill -9 does: no abort, no goodbye."""
    task = producer._sender.sender_task
    if task is not None:
        task.cancel()
    await producer.client.close()
    producer._closed = True


@contextmanager
def full_disk(database: Path, free: int | None = None) -> Iterator[None]:
    """No file of this process grows any more (by default: beyond the database's last log)."""
    limit = max(path.stat().st_size for path in database.glob("*.log")) if free is None else free
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
