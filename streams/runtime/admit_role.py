"""AdmitRole: a worker that reads the input topics and writes the tenant log."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from faust.types import TP

from streams import topology
from streams.adapters.prices import CataloguePrices
from streams.runtime.admitter import AdmitHost, OriginWriter
from streams.runtime.app import make_app, missing
from streams.runtime.clients import Inquiry
from streams.runtime.commits import OffsetCommits
from streams.runtime.embedding import Embedding
from streams.runtime.owner import PartitionOwner
from streams.runtime.ownership import Ownership
from streams.runtime.shared_producer import SharedProducer
from streams.runtime.snapshotter import Snapshotter
from streams.runtime.transport import ConsumerThread
from streams.settings import Settings


class AdmitRole:
    """Admits partitions of the input topics, as the group assigns them.

    Parameters
    ----------
    embedding : Embedding, optional
        The process's model; without one contents get no vectors.
    """

    owners: dict[int, PartitionOwner]

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        url: str,
        ownership: Ownership,
        inquiry: Inquiry,
        give_up: Callable[[str], None],
        embedding: Embedding | None = None,
    ) -> None:
        self.owners = {}
        self.others = ()
        self.snapshotter: Snapshotter | None = None
        self.embedding = embedding
        self._ownership = ownership
        self._short = {topology.name(settings, topic): topic for topic in topology.INPUTS}
        self._writers: dict[TP, OriginWriter] = {}
        self._assigned = False
        self._closing: set[asyncio.Task[None]] = set()
        self._producer = SharedProducer(settings.kafka)
        self._dead_letters = SharedProducer(settings.kafka, compression="gzip")
        self.app = make_app(
            settings,
            group=settings.admit_group,
            role="admit",
            topics=list(self._short),
            # Each topic is shared evenly: a sticky assignment counts partitions of any topic, and
            # gave one worker all of the messages and the other all of what hardly comes.
            assignor=RoundRobinPartitionAssignor,
            folder=folder,
            deliver=self._deliver,
            assigned=self._on_assigned,
            revoked=lambda tps: None,
        )
        self._host = AdmitHost(
            settings,
            CataloguePrices(),
            ownership,
            inquiry,
            OffsetCommits(self._commit),
            self._producer,
            self._dead_letters,
            lambda: self.app.chunk_consumer,
            give_up,
            embedding,
        )

    async def start(self) -> None:
        self._ownership.on_change.append(self._nudge)

    async def stop(self) -> None:
        stops = [writer.stop() for writer in self._writers.values()]
        if self.embedding is not None:
            # After the writers know that they end: what waits for its vector is read again later.
            stops.append(self.embedding.stop())
        await asyncio.gather(*stops, *self._closing)
        await asyncio.gather(self._producer.stop(), self._dead_letters.stop())

    def ready(self) -> str | None:
        """None when all assigned partitions are admitted."""
        if not self._assigned:
            return "waiting for the group's assignment"
        return "; ".join([*missing(self.app, self._short), *self._waiting()]) or None

    def _waiting(self) -> Iterable[str]:
        for tp, writer in sorted(self._writers.items()):
            if writer.state != "running":
                why = f": {writer.error}" if writer.error else ""
                yield f"{tp.topic}/{tp.partition} is {writer.state}{why}"

    def _deliver(self, topic: str, partition: int, chunk: Any) -> None:
        writer = self._writers.get(TP(topic, partition))
        if writer is not None:
            writer.put(chunk)

    def _on_assigned(self, tps: set[TP]) -> None:
        for tp in sorted(set(self._writers) - tps):
            task = asyncio.create_task(self._writers.pop(tp).stop())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        for tp in sorted(tps):
            if tp in self._writers:
                self._writers[tp].reassigned()
            else:
                self._writers[tp] = OriginWriter(self._host, self._short[tp.topic], tp)
        self._assigned = True

    async def _commit(self, offsets: Mapping[TP, tuple[int, str]]) -> None:
        thread: ConsumerThread = self.app.chunk_consumer._thread
        await thread.commit_with_metadata(offsets)

    def _nudge(self) -> None:
        for writer in self._writers.values():
            if writer.state == "red":
                writer.nudge()
