"""PartitionOwner: keeps one assigned partition's store open, from take-over to hand-over."""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import msgspec
from aiokafka.errors import KafkaError, ProducerFenced
from aiokafka.structs import TopicPartition
from faust.types import TP
from msgspec import structs
from rocksdict import Rdict

from streams import topology
from streams.core.errors import PartitionRed, StoreDamaged, StoreLost
from streams.core.log import DEFAULT_CONFIG, Body, Config, Tick
from streams.core.schema import number_of
from streams.core.time import HOUR
from streams.ports import Owner
from streams.runtime import clients, metrics, positions, recovery
from streams.runtime.beginning import Beginning
from streams.runtime.chunks import Chunk
from streams.runtime.failpoints import reach
from streams.runtime.job import Job
from streams.runtime.ownership import Incarnation, Ownership, owner_key
from streams.runtime.reading import PartitionReader
from streams.runtime.rebasing import Base, Changelog
from streams.runtime.snapshots import Bin
from streams.runtime.store import PartitionStore
from streams.runtime.topic_ids import topic_id
from streams.runtime.transport import Consumer
from streams.runtime.view import lost_by
from streams.settings import Settings
from streams.snapshots.names import Place

log = logging.getLogger(__name__)

RETRIES = 3
RETRY_S = 0.5
FENCED_LIMIT = 3
FENCED_WINDOW_S = 60.0
FENCED_PAUSE_S = 2.0
"""Two heartbeats: a process that was out of the group for long learns it in this time."""
UNFINISHED_RESTORE = (
    "`streams restore` has not finished on this cluster; if it runs no more, restore into another"
)
ADOPT_HINT = "`streams topics adopt` begins anew with what it holds now"


class Host(msgspec.Struct, frozen=True):
    """What an owner needs of its process."""

    settings: Settings
    job: Job
    config: Config | None
    """The config record that this process's settings ask for; None: the job has none."""
    folder: Path
    url: Callable[[], str]
    ownership: Ownership
    inquiry: clients.Inquiry
    consumer: Callable[[], Consumer]
    append: Callable[[int, Body], Awaitable[None]]
    """Append a record of our own to the job's topic, outside of transactions."""
    give_up: Callable[[str], None]
    """End the process with exit code 3."""
    announce: Callable[[Incarnation], Awaitable[None]]
    """Say to all workers which incarnation of a topic is read."""
    snapshots: Bin | None = None
    """Where a partition without local state begins; None: with the changelog."""


class PartitionOwner(PartitionReader):
    """Owns one partition of the job's topic.

    Parameters
    ----------
    before : asyncio.Task, optional
        The stop of this process's last owner of the partition: its database is still open.
    """

    def __init__(
        self, host: Host, partition: int, before: asyncio.Task[None] | None = None
    ) -> None:
        self.host = host
        self.partition = partition
        self.recovered = recovery.Recovered("defaults", 0, 0.0)
        self.store: PartitionStore | None = None
        self._fenced: deque[float] = deque(maxlen=FENCED_LIMIT)
        self._failures = 0
        self._damaged = False
        """The local state was found to be: it is put aside once it is closed."""
        self._snapshot = ""
        """Name of the one that the state was made from, if it was."""
        self._distrusted: set[str] = set()
        self._topic_id = ""
        self._changelog = Changelog(TopicPartition(host.job.changelog, partition))
        self._before = before
        super().__init__(TP(host.job.topic, partition), host.consumer, ADOPT_HINT)

    async def _run(self) -> None:
        if self._before is not None:
            await asyncio.wait((self._before,))
        await super()._run()

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"{self.host.job.topic}-{self.partition}"

    @property
    def place(self) -> Place:
        """Where its snapshots and its archive are filed."""
        return Place(self.host.settings.group, self.host.job.topic, self.partition)

    @property
    def changelog_incarnation(self) -> int:
        """Of the changelog that the state's position is of."""
        return self._changelog.incarnation

    async def finalize(self) -> None:
        """Have rows written in the newest schema that this process knows, from a record on.

        Raises
        ------
        StoreLost
            The partition is being taken over.
        """
        if self.store is None:
            raise StoreLost("the partition is being taken over")
        newest = structs.replace(self.store.config, schema=self.host.job.schemas[-1])
        if newest != self.store.config:
            await self.host.append(self.partition, newest)

    # -- what may fail -----------------------------------------------------------------------

    async def _failed(self, error: Exception) -> None:
        lost = error if isinstance(error, StoreDamaged) else lost_by(error)
        if isinstance(lost, StoreDamaged):
            error, self._damaged = lost, True
        if isinstance(error, ProducerFenced):
            await self._close()
            await self._after_fenced()
        elif isinstance(error, StoreLost):
            metrics.STORES_LOST.labels("failed").inc()
            log.warning("%s: store lost, taken over again: %s", self.tp, error)
        else:
            await self._after_failure(error)

    async def _after_failure(self, error: Exception) -> None:
        self._failures += 1
        full = recovery.no_room(error)
        why = f"the disk of {self.host.folder} is full, make room there: {error}" if full else ""
        log.error(
            *("%s/%d: take-over failed (%d of %d) %s", *self.tp, self._failures, RETRIES, why),
            exc_info=None if full else error,
        )
        if self._failures >= RETRIES:
            self._stopping = True
            where = f"{self.tp.topic}/{self.tp.partition}"
            self.host.give_up(f"{where}: take-over failed {RETRIES} times: {why or repr(error)}")
            return
        await self._pause(RETRY_S * 2**self._failures)

    async def _after_fenced(self) -> None:
        """Go on only if the partition is still ours once the group has had time to tell."""
        metrics.STORES_LOST.labels("fenced").inc()
        log.warning("%s: fenced by another owner, or a transaction timed out", self.tp)
        now = time.monotonic()
        self._fenced.append(now)
        if len(self._fenced) == FENCED_LIMIT and now - self._fenced[0] < FENCED_WINDOW_S:
            self._stopping = True
            self.host.give_up(f"{self.tp}: fenced {FENCED_LIMIT} times in a minute")
            return
        self._nudge.clear()
        await self._pause(FENCED_PAUSE_S)
        await self._until_assigned()

    # -- take-over -----------------------------------------------------------------------------

    async def _open(self) -> None:
        host, job, kafka = self.host, self.host.job, self.host.settings.kafka
        if host.ownership.restoring:
            raise PartitionRed(UNFINISHED_RESTORE)
        began = time.monotonic()
        producer = clients.transactional_producer(kafka, job.transactional_id(self.partition))
        db: Rdict | None = None
        try:
            await producer.start()
            reach("recovery.fenced")
            changelog = TopicPartition(job.changelog, self.partition)
            if self._damaged:
                recovery.put_aside(host.folder / self.name)
                # Perhaps the disk's fault: but one that came damaged would come so again.
                self._distrusted.add(self._snapshot)
                self._damaged = False
            beginning = Beginning(
                host.inquiry,
                await self._read_changelog(),
                host.folder / self.name,
                host.snapshots,
                self.place,
                time.time_ns() // 1000 - host.settings.log_retention_hours * HOUR,
                Base(host.inquiry, producer, job),
                self._distrusted,
            )
            begun = await beginning.begin()
            db, self._snapshot = begun.db, begun.snapshot
            self.recovered = await recovery.replay_changelog(
                host.inquiry, changelog, db, begun.source
            )
            db.put(positions.INCARNATION_KEY, positions.number(self.changelog_incarnation))
            config = positions.read_config(db) or DEFAULT_CONFIG
            number_of(config.schema, job.schemas)  # a later one is red before anything is written
            if job.dedupe is not None:
                await recovery.replay_dedupe(
                    host.inquiry,
                    TopicPartition(job.dedupe, self.partition),
                    db,
                    config.dedupe_hours * HOUR,
                )
            reach("recovery.replayed")
            source = await self._position(db)
            fences = recovery.load_fences(db)
        except BaseException:
            await producer.stop()
            if db is not None:
                recovery.close(db)
            raise
        self.store = PartitionStore(job, self.partition, db, producer, source, fences, config)
        self.store.waiting.nudge = partial(host.append, self.partition, Tick())
        if self.recovered.source == "defaults":
            end = await host.inquiry.end(TopicPartition(*self.tp))
            self.store.rebuilds_until = end
            if end == 0:
                # Nobody of an older version was ever here.
                config = structs.replace(config, schema=job.schemas[-1])
        await self._announce()
        reach("recovery.announced")
        if host.config is not None:
            wanted = structs.replace(host.config, schema=config.schema)
            if positions.read_config(db) != wanted:
                await host.append(self.partition, wanted)
        await self._seek()
        self._failures = 0
        metrics.RECOVERY_SECONDS.observe(time.monotonic() - began)
        if self.recovered.source == "defaults":
            log.warning("%s: nothing to recover from, starting with safe defaults", self.tp)

    async def _read_changelog(self) -> Changelog:
        """What is to be read as this partition's changelog."""
        ownership, topic = self.host.ownership, self.host.job.changelog
        starts = ownership.starts.get(topic, ())
        known = ownership.topic_ids.get(topic, "")
        found = await topic_id(self.host.inquiry.admin, topic)
        self._changelog = Changelog(
            self._changelog.tp,
            ownership.incarnations.get(topic, 0),
            starts[self.partition] if starts else None,
            made_anew=bool(known and found and known != found),
        )
        if not known and found:
            # From now on another topic of this name is known for what it is.
            first = Incarnation(topic, self._changelog.incarnation, found, starts)
            await self.host.announce(first)
        return self._changelog

    @property
    def adopted(self) -> bool:
        """Whether the changelog was adopted since the partition was opened."""
        known = self.host.ownership.incarnations.get(self._changelog.tp.topic, 0)
        return known > self._changelog.incarnation

    async def _position(self, db: Rdict) -> positions.Source:
        """Return where to go on in the log, checked against what the log holds."""
        source = positions.read_source(db) or positions.NOTHING
        self._topic_id = await topic_id(self.host.inquiry.admin, self.tp.topic)
        incarnation = self.host.ownership.incarnations.get(self.tp.topic, 0)
        if incarnation > source.incarnation:
            source = source.entering(incarnation)
        next_offset = await recovery.check_position(
            self.host.inquiry,
            TopicPartition(*self.tp),
            source.offset,
            source.fingerprint,
            adopt_hint=self._adopt_hint,
        )
        return msgspec.structs.replace(source, offset=next_offset - 1)

    async def _announce(self) -> None:
        assert self.store is not None
        host = self.host
        owner = Owner(self.partition, host.url(), host.settings.worker)
        topic = topology.name(host.settings, topology.OWNERS)
        try:
            key = owner_key(host.job.owner_kind, self.partition)
            await self.store.announce(topic, key, msgspec.json.encode(owner))
        except ProducerFenced:
            raise
        except KafkaError as error:
            raise StoreLost(f"announcing the owner: {error}") from error

    # -- folding -------------------------------------------------------------------------------

    @property
    def _next(self) -> int:
        assert self.store is not None
        return self.store.source.offset + 1

    async def _where(self) -> int:
        if await topic_id(self.host.inquiry.admin, self.tp.topic) != self._topic_id:
            # A seek into another log would skip what it holds below; the take-over looks closely.
            raise StoreLost(f"{self.tp.topic} was made anew")
        return self._next

    async def _take(self, chunk: Chunk) -> None:
        assert self.store is not None
        if self.adopted:
            raise StoreLost(f"{self._changelog.tp.topic} was adopted")
        await self.store.apply(chunk)

    async def _close(self) -> None:
        await super()._close()
        store, self.store = self.store, None
        if store is not None:
            with contextlib.suppress(ConnectionError, RuntimeError):
                self.host.consumer().hold(self.tp)
            await store.close()
