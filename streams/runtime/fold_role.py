"""FoldRole: a worker that folds the tenant log into state, alerts and records, and control."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from aiokafka.errors import KafkaError
from faust.types import TP

from streams import topology
from streams.core import log as facts
from streams.core.errors import StoreLost
from streams.core.log import VERSION, Body, Config, Record, Tick
from streams.runtime import clients, metrics
from streams.runtime.accesses import Accesses
from streams.runtime.app import make_app, missing
from streams.runtime.archiver import Archiver
from streams.runtime.assigning import fold_assignor
from streams.runtime.cancelling import unless_stray
from streams.runtime.chunks import Chunk
from streams.runtime.clients import Inquiry
from streams.runtime.embedding import Embedding
from streams.runtime.erased_bucket import ErasedBucket
from streams.runtime.erased_files import ErasedFiles
from streams.runtime.erased_topics import ErasedTopics
from streams.runtime.eraser import Eraser
from streams.runtime.fold_jobs import config_of, control_job, fold_job
from streams.runtime.job import Job
from streams.runtime.owner import Host, PartitionOwner
from streams.runtime.owners import Owners
from streams.runtime.ownership import Ownership, announce_incarnation
from streams.runtime.snapshots import Bin
from streams.runtime.snapshotter import Snapshotter
from streams.runtime.tenant_bytes import TenantBytes
from streams.settings import Settings

log = logging.getLogger(__name__)


def _now() -> int:
    """Wall clock, microseconds."""
    return time.time_ns() // 1000


class FoldRole:
    """Owns partitions of its jobs' topics, as the group assigns them.

    Parameters
    ----------
    job, config : optional
        The one job to do, and its config record: by default the tenant log and control.
    snapshots : Bin, optional
        Where snapshots go, and where partitions without local state begin; None: neither.
    """

    embedding: Embedding | None = None
    snapshotter: Snapshotter | None

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        url: str,
        ownership: Ownership,
        inquiry: Inquiry,
        give_up: Callable[[str], None],
        job: Job | None = None,
        config: Config | None = None,
        snapshots: Bin | None = None,
    ) -> None:
        self._settings = settings
        self._ownership = ownership
        self._assigned = False
        self._ticker: asyncio.Task[None] | None = None
        self._producer = clients.plain_producer(settings.kafka)
        self._bytes = TenantBytes()
        jobs = [job] if job is not None else [fold_job(settings), control_job(settings)]
        if job is None:
            config = config_of(settings)
        self._main = jobs[0]
        self.accesses = Accesses(self._append_to_log, settings.partitions, settings.worker, _now)

        def host(of: Job) -> Host:
            return Host(
                settings,
                of,
                config,
                folder,
                lambda: url,
                ownership,
                inquiry,
                lambda: self.app.chunk_consumer,
                lambda partition, body: self._append(of.topic, partition, body),
                give_up,
                lambda now: announce_incarnation(self._producer, settings, now),
                snapshots,
            )

        self._jobs = {each.topic: Owners(host(each)) for each in jobs}
        self.owners = self._jobs[self._main.topic].open
        """Of the tenant log, by partition."""
        self.snapshotter = None
        self._archiver = None
        files = ErasedFiles(settings, folder, _now)
        bucket: ErasedBucket | None = None
        if snapshots is not None:
            self._archiver = Archiver(settings, snapshots, self._all_owners)
            self.snapshotter = Snapshotter(
                *(settings, snapshots, folder, self._all_owners, lambda: 0 in self.owners, _now),
                self._archiver,
                files.compact_again,
            )
            bucket = ErasedBucket(snapshots, self._archiver, self.snapshotter, _now)
        self._eraser = Eraser(
            settings,
            lambda: list(self.owners.values()),
            self._append_to_log,
            _now,
            files,
            ErasedTopics(settings, inquiry, self._archiver, _now),
            bucket,
            lambda: self._assigned,
        )
        self.app = make_app(
            settings,
            group=self._main.group,
            role="fold",
            topics=list(self._jobs),
            # State moves with a partition: what can stay where it is does.
            assignor=fold_assignor(topology.name(settings, topology.TENANT_CONTROL)),
            folder=folder,
            deliver=self._deliver,
            assigned=self._on_assigned,
            revoked=self._on_revoked,
        )

    @property
    def others(self) -> Iterable[PartitionOwner]:
        """Owners of partitions that are not the tenant log's."""
        for topic, owners in self._jobs.items():
            if topic != self._main.topic:
                yield from owners.open.values()

    async def start(self) -> None:
        await self._producer.start()
        self.accesses.start()
        self._ownership.on_change.append(self._nudge)
        self._ticker = asyncio.create_task(self._tick(), name="ticks")
        if self._archiver is not None and self.snapshotter is not None:
            self._archiver.start()
            self.snapshotter.start()
        self._eraser.start()

    def _all_owners(self) -> Iterable[PartitionOwner]:
        return [owner for owners in self._jobs.values() for owner in owners.open.values()]

    async def stop(self) -> None:
        if self._ticker is not None:
            self._ticker.cancel()
        await self._eraser.stop()
        if self._archiver is not None and self.snapshotter is not None:
            await self._archiver.stop()
            await self.snapshotter.stop()
        await asyncio.gather(
            self.accesses.stop(), *(owners.stop() for owners in self._jobs.values())
        )
        await self._producer.stop()

    def ready(self) -> str | None:
        """None when all assigned partitions are folded."""
        if not self._assigned:
            return "waiting for the group's assignment"
        waiting = [line for owners in self._jobs.values() for line in owners.waiting()]
        return "; ".join([*missing(self.app, self._jobs), *waiting]) or None

    def _deliver(self, topic: str, partition: int, chunk: Chunk) -> None:
        owner = self._jobs[topic].open.get(partition)
        if owner is not None:
            owner.put(chunk)

    def _on_assigned(self, tps: set[TP]) -> None:
        for topic, owners in self._jobs.items():
            owners.assigned({tp.partition for tp in tps if tp.topic == topic})
        self._assigned = True

    def _on_revoked(self, tps: set[TP]) -> None:
        for tp in tps:
            if tp.topic in self._jobs:
                self._jobs[tp.topic].revoked(tp.partition)

    def _nudge(self) -> None:
        """An adoption may have been announced: red partitions look again."""
        for owners in self._jobs.values():
            for owner in owners.open.values():
                if owner.state == "red":
                    owner.nudge()

    async def _append(self, topic: str, partition: int, body: Body) -> None:
        value = facts.encode(Record(VERSION, "", None, "", "", _now(), body))
        await self._producer.send_and_wait(topic, value, b"", partition)

    async def _append_to_log(self, partition: int, key: bytes, value: bytes) -> None:
        await self._producer.send_and_wait(self._main.topic, value, key, partition)

    async def _tick(self) -> None:
        """Move the log time of partitions that may be idle."""
        while True:
            await asyncio.sleep(self._settings.tick_seconds)
            running = [owner for owner in self._all_owners() if owner.state == "running"]
            try:
                self._show_lag(running)
                self._show_bytes()
                ticks = (self._append(each.tp.topic, each.partition, Tick()) for each in running)
                await unless_stray(asyncio.gather(*ticks))
            except KafkaError as error:
                log.info("a tick failed: %r", error)
            except Exception:
                # Without ticks time stands still for idle partitions, and nobody would be told.
                log.exception("a tick failed")

    def _show_bytes(self) -> None:
        with contextlib.suppress(StoreLost):
            self._bytes.look(
                {
                    partition: owner.store.reader
                    for partition, owner in self.owners.items()
                    if owner.state == "running" and owner.store is not None
                }
            )

    def _show_lag(self, running: Iterable[PartitionOwner]) -> None:
        for owner in running:
            age = None if self.snapshotter is None else self.snapshotter.age_seconds(owner.tp)
            if age is not None:
                metrics.SNAPSHOT_AGE.labels(owner.tp.topic, str(owner.partition)).set(age)
            end = self.app.chunk_consumer.highwater(owner.tp)
            if owner.store is not None and end is not None:
                behind = max(0, end - owner.store.offset - 1)
                metrics.LAG.labels(owner.tp.topic, str(owner.partition)).set(behind)
