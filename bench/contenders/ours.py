"""Agent Streams: the runtime's real fold role, with a fold that counts.

Faust worker, partition stores on RocksDB, one Kafka transaction a chunk with rows, positions and
the group's offsets, take-over from the changelog. Only the HTTP server is left out.
"""

import asyncio
import gc
import sys
from pathlib import Path
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import NewTopic
from stopwatch import Stopwatch, finish, spec

from streams import topology
from streams.core.fold import Entry, Output, View
from streams.core.rows import Row, tenant_key
from streams.runtime import clients
from streams.runtime.app import quiet_libraries
from streams.runtime.fold_role import FoldRole
from streams.runtime.job import Job
from streams.runtime.ownership import Ownership
from streams.settings import Settings

TIMEOUT_S = 120.0
watch = Stopwatch()


class Event(msgspec.Struct, frozen=True, gc=False):
    """The bench's input, with what the store asks of any record: no origin, no special body."""

    tenant: str
    n: int
    origin: None = None
    body: None = None


class Count(Row, frozen=True, array_like=True):
    kind = b"n/"
    value: int


def count(view: View, entry: Entry) -> tuple[Output, ...]:
    if not watch.running:
        watch.start()
    event: Any = entry.record
    key = tenant_key(Count, event.tenant)
    row = view.get(Count, key)
    view.put(key, Count(event.n if row is None else row.value + event.n))
    return ()


async def ends(settings: Settings, topic: str) -> dict[int, int]:
    async with clients.reader(settings.kafka) as consumer:
        client: AIOKafkaConsumer = consumer
        tps = [clients.TopicPartition(topic, p) for p in range(settings.partitions)]
        return {tp.partition: end for tp, end in (await client.end_offsets(tps)).items()}


async def run(given: dict[str, Any]) -> None:
    group, topic = given["group"], given["topic"]
    settings = Settings(
        kafka=given["kafka"],
        data=given["data"],
        group=group,
        topic_prefix=f"{group}.",
        partitions=given["partitions"],
        tick_seconds=3600.0,
    )
    changelog = f"{group}-{topic}-changelog"
    owners = topology.name(settings, topology.OWNERS)
    compact = {"cleanup.policy": "compact"}
    async with clients.admin(settings.kafka) as admin:
        await admin.create_topics(
            [
                NewTopic(changelog, settings.partitions, 1, topic_configs=compact),
                NewTopic(owners, 1, 1, topic_configs=compact),
            ]
        )
    job = Job(
        topic=topic,
        changelog=changelog,
        dedupe=None,
        group=group,
        decode=msgspec.json.Decoder(Event).decode,
        fold=count,
        output=lambda short: topology.name(settings, short),
        partitions=settings.partitions,
    )

    def give_up(why: str) -> None:
        sys.exit(why)

    ownership = Ownership(settings)
    await ownership.start()
    inquiry = clients.Inquiry(settings.kafka)
    await inquiry.start()
    wanted = await ends(settings, topic)
    role = FoldRole(settings, Path(given["data"]), "http://bench", ownership, inquiry, give_up, job)
    # As worker.py does.
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)
    await role.start()
    await role.app.start()
    async with asyncio.timeout(TIMEOUT_S):
        while role.ready() is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        for partition, end in wanted.items():
            store = role.owners[partition].store
            if store is not None:
                # Who waits would append a tick, and the events are others' input too.
                store.waiting.nudge = None
            if store is None or not await store.wait_folded(end, TIMEOUT_S):
                sys.exit(f"partition {partition} was lost: {role.owners[partition].error}")
    watch.stop()
    finish(watch.report(given["events"], changelog))


if __name__ == "__main__":
    quiet_libraries()
    asyncio.run(run(spec()))
