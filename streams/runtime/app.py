"""The Faust app of a worker: groups, assignment, agents; no tables, no web server, no commits."""

import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import faust
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from faust.types import TP

from streams.agents.chunk_agent import chunk_agent
from streams.runtime.chunks import ChunkScheduler
from streams.runtime.transport import SESSION_TIMEOUT_S, ChunkSchema, Consumer, transport
from streams.settings import Settings

HEARTBEAT_S = 1.0
POLL_RECORDS = 16_000
BUFFERED_CHUNKS = 16


def quiet_libraries() -> None:
    """Faust, mode and aiokafka log at DEBUG by default, which costs half the throughput."""
    # mode logs a subclass's life under the subclass's own module.
    mine = ("streams.runtime.transport", "streams.runtime.app")
    for name in ("faust", "mode", "aiokafka", "asyncio", *mine):
        logging.getLogger(name).setLevel(logging.WARNING)
    # These warn of what they then retry: transactions that are still settling, rebalances.
    for name in ("aiokafka.consumer.group_coordinator", "aiokafka.producer.sender"):
        logging.getLogger(name).setLevel(logging.ERROR)


class App(faust.App):  # type: ignore[misc]
    """App whose consumer hands out chunks and whose owners hear of assignments."""

    group_assignor: type[AbstractPartitionAssignor]

    @property
    def chunk_consumer(self) -> Consumer:
        consumer: Consumer = self.consumer
        return consumer


def make_app(
    settings: Settings,
    *,
    group: str,
    role: str,
    topics: Sequence[str],
    assignor: type[AbstractPartitionAssignor],
    folder: Path,
    deliver: Callable[[str, int, Any], None],
    assigned: Callable[[set[TP]], None],
    revoked: Callable[[set[TP]], None],
) -> App:
    """Make the app of one role.

    Parameters
    ----------
    topics : sequence of str
        Full names of the topics to read.
    assignor : type
        How the group shares the partitions.
    folder : Path
        The worker's folder; Faust makes its (empty) folders there.
    deliver, assigned, revoked : callable
        Called in the event loop; none of them may wait.
    """
    app = App(
        group,
        broker=f"kafka://{settings.kafka}",
        store="memory://",
        datadir=str(folder / f"faust-{role}"),
        web_enabled=False,
        autodiscover=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=0,
        stream_recovery_delay=0.0,
        stream_wait_empty=False,
        stream_buffer_maxsize=BUFFERED_CHUNKS,
        broker_session_timeout=SESSION_TIMEOUT_S,
        broker_heartbeat_interval=HEARTBEAT_S,
        broker_max_poll_records=POLL_RECORDS,
        broker_client_id=f"{settings.worker}-{role}",
        # Static membership: a worker that comes back in time finds its partitions waiting.
        consumer_group_instance_id=f"{settings.worker}-{role}",
        ConsumerScheduler=ChunkScheduler,
    )
    app.group_assignor = assignor
    app.transport = transport(app, settings.kafka)
    schema = ChunkSchema()
    for name in topics:
        app.agent(app.topic(name, schema=schema), name=f"{role}.{name}")(chunk_agent(deliver))

    async def on_assigned(_: Any, tps: set[TP], **kwargs: Any) -> None:
        assigned(set(tps))

    async def on_revoked(_: Any, tps: set[TP], **kwargs: Any) -> None:
        revoked(set(tps))

    app.on_partitions_assigned.connect(on_assigned, weak=False)
    app.on_partitions_revoked.connect(on_revoked, weak=False)

    return app


def missing(app: App, topics: Iterable[str]) -> Iterable[str]:
    """What is said of topics that somebody has deleted: the group assigns nothing of them."""
    for topic in topics:
        if app.chunk_consumer.topic_partitions(topic) == 0:
            yield f"{topic} is missing: `streams topics ensure` makes it"
