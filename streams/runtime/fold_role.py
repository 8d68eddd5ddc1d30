"""FoldRole: a worker that folds the tenant log into state, alerts and records."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path

from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import KafkaError
from faust.types import TP

from streams import topology
from streams.agents.fold import fold
from streams.core import log as facts
from streams.core.errors import StoreLost
from streams.core.log import VERSION, Body, Config, Record, Tick
from streams.core.money import parse_usd
from streams.runtime import clients, metrics
from streams.runtime.accesses import Accesses
from streams.runtime.app import make_app, missing
from streams.runtime.chunks import Chunk
from streams.runtime.clients import Inquiry
from streams.runtime.embedding import Embedding
from streams.runtime.owner import Host, PartitionOwner
from streams.runtime.ownership import Ownership
from streams.runtime.store import Job
from streams.runtime.tenant_bytes import TenantBytes
from streams.settings import Settings

log = logging.getLogger(__name__)


def fold_job(settings: Settings) -> Job:
    """The job of a fold worker: tenant.log.v1 into state and outputs."""

    def full(topic: str) -> str:
        return topology.name(settings, topic)

    return Job(
        topic=full(topology.TENANT_LOG),
        changelog=full(topology.changelog(settings)),
        dedupe=full(topology.TENANT_DEDUPE),
        group=settings.group,
        decode=facts.decode,
        fold=fold,
        output=full,
        partitions=settings.partitions,
    )


def config_of(settings: Settings) -> Config:
    """The config record that these settings ask for."""
    return Config(
        settings.dedupe_hours,
        settings.grace_hours,
        parse_usd(settings.default_budget_usd),
        version("tzdata"),
        settings.job_history_hours,
        settings.job_stale_seconds,
        settings.working_limit,
        settings.total_memory_mb,
        settings.partitions,
    )


def _now() -> int:
    """Wall clock, microseconds."""
    return time.time_ns() // 1000


class FoldRole:
    """Owns partitions of a job's topic, as the group assigns them."""

    embedding: Embedding | None = None

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
    ) -> None:
        self.owners: dict[int, PartitionOwner] = {}
        self._settings = settings
        self._ownership = ownership
        self._assigned = False
        self._closing: dict[int, asyncio.Task[None]] = {}
        self._ticker: asyncio.Task[None] | None = None
        self._producer = clients.plain_producer(settings.kafka)
        self._bytes = TenantBytes()
        self.accesses = Accesses(self._append_raw, settings.partitions, settings.worker, _now)
        if job is None:
            job, config = fold_job(settings), config_of(settings)
        self.app = make_app(
            settings,
            group=job.group,
            role="fold",
            topics=[job.topic],
            # State moves with a partition: what can stay where it is does.
            assignor=StickyPartitionAssignor,
            folder=folder,
            deliver=self._deliver,
            assigned=self._on_assigned,
            revoked=self._on_revoked,
        )
        self._host = Host(
            settings,
            job,
            config,
            folder,
            lambda: url,
            ownership,
            inquiry,
            lambda: self.app.chunk_consumer,
            self._append,
            give_up,
        )

    async def start(self) -> None:
        await self._producer.start()
        self.accesses.start()
        self._ownership.on_change.append(self._nudge)
        self._ticker = asyncio.create_task(self._tick(), name="ticks")

    async def stop(self) -> None:
        if self._ticker is not None:
            self._ticker.cancel()
        await asyncio.gather(
            self.accesses.stop(),
            *(owner.stop() for owner in self.owners.values()),
            *self._closing.values(),
        )
        await self._producer.stop()

    def ready(self) -> str | None:
        """None when all assigned partitions are folded."""
        if not self._assigned:
            return "waiting for the group's assignment"
        waiting = [
            f"partition {p} is {owner.state}{f': {owner.error}' if owner.error else ''}"
            for p, owner in sorted(self.owners.items())
            if owner.state != "running"
        ]
        return "; ".join([*missing(self.app, [self._host.job.topic]), *waiting]) or None

    def _deliver(self, topic: str, partition: int, chunk: Chunk) -> None:
        owner = self.owners.get(partition)
        if owner is not None:
            owner.put(chunk)

    def _on_assigned(self, tps: set[TP]) -> None:
        """Close what went elsewhere, keep what stayed, open what is new. Waits for nothing."""
        mine = {tp.partition for tp in tps}
        for partition in sorted(set(self.owners) - mine):
            self._close(partition)
        for partition in sorted(mine):
            if partition in self.owners:
                self.owners[partition].reassigned()
            else:
                self.owners[partition] = PartitionOwner(
                    self._host, partition, self._closing.get(partition)
                )
        self._assigned = True

    def _on_revoked(self, tps: set[TP]) -> None:
        for tp in tps:
            if tp.partition in self.owners:
                self.owners[tp.partition].revoked()

    def _close(self, partition: int) -> None:
        with contextlib.suppress(KeyError):
            metrics.LAG.remove(self._host.job.topic, str(partition))
        task = asyncio.create_task(self.owners.pop(partition).stop())
        self._closing[partition] = task
        task.add_done_callback(lambda done: self._closed(partition, done))

    def _closed(self, partition: int, done: asyncio.Task[None]) -> None:
        if self._closing.get(partition) is done:
            del self._closing[partition]

    def _nudge(self) -> None:
        """An adoption may have been announced: red partitions look again."""
        for owner in self.owners.values():
            if owner.state == "red":
                owner.nudge()

    async def _append(self, partition: int, body: Body) -> None:
        value = facts.encode(Record(VERSION, "", None, "", "", _now(), body))
        await self._append_raw(partition, b"", value)

    async def _append_raw(self, partition: int, key: bytes, value: bytes) -> None:
        await self._producer.send_and_wait(self._host.job.topic, value, key, partition)

    async def _tick(self) -> None:
        """Move the log time of partitions that may be idle."""
        while True:
            await asyncio.sleep(self._settings.tick_seconds)
            running = [p for p, owner in self.owners.items() if owner.state == "running"]
            try:
                self._show_lag(running)
                self._show_bytes(running)
                await asyncio.gather(*(self._append(p, Tick()) for p in running))
            except KafkaError as error:
                log.info("a tick failed: %r", error)
            except Exception:
                # Without ticks time stands still for idle partitions, and nobody would be told.
                log.exception("a tick failed")

    def _show_bytes(self, partitions: Iterable[int]) -> None:
        stores = {partition: self.owners[partition].store for partition in partitions}
        with contextlib.suppress(StoreLost):
            self._bytes.look({p: store.reader for p, store in stores.items() if store is not None})

    def _show_lag(self, partitions: Iterable[int]) -> None:
        topic = self._host.job.topic
        for partition in partitions:
            store = self.owners[partition].store
            end = self.app.chunk_consumer.highwater(TP(topic, partition))
            if store is not None and end is not None:
                metrics.LAG.labels(topic, str(partition)).set(max(0, end - store.offset - 1))
