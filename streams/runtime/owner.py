"""PartitionOwner: keeps one assigned partition's store open, from take-over to hand-over.

Its states: ``opening`` (take-over runs or is retried), ``running``, ``red`` (a person has to
decide), and closed. The consumer's partition is held in all but ``running``.
"""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
from aiokafka.errors import IllegalStateError, KafkaError, ProducerFenced
from aiokafka.structs import TopicPartition
from faust.types import TP
from rocksdict import Rdict

from streams import topology
from streams.core.errors import PartitionRed, StoreLost
from streams.core.log import DEFAULT_CONFIG, Body, Config
from streams.core.time import HOUR
from streams.ports import Owner
from streams.runtime import clients, metrics, positions, recovery
from streams.runtime.chunks import Chunk, Inbox
from streams.runtime.failpoints import reach
from streams.runtime.ownership import Ownership, owner_key
from streams.runtime.store import Job, PartitionStore
from streams.runtime.topic_ids import topic_id
from streams.runtime.transport import Consumer
from streams.settings import Settings

log = logging.getLogger(__name__)

INBOX_BYTES = 16 << 20
RETRIES = 3
RETRY_S = 0.5
FENCED_LIMIT = 3
FENCED_WINDOW_S = 60.0
FENCED_PAUSE_S = 2.0
"""Two heartbeats: a process that was out of the group for long learns it in this time."""
STOP_S = 8.0


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


class PartitionOwner:
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
        self.tp = TP(host.job.topic, partition)
        self.state = "opening"
        self.error: str | None = None
        self.recovered = recovery.Recovered("defaults", 0, 0.0)
        self.store: PartitionStore | None = None
        self._inbox = Inbox()
        self._fenced: deque[float] = deque(maxlen=FENCED_LIMIT)
        self._stopping = False
        self._seeking = False
        self._revoked = False
        self._topic_id = ""
        self._nudge = asyncio.Event()
        self._before = before
        self._task = asyncio.create_task(self._run(), name=f"owner-{partition}")

    # -- called by the agent and the assignment ------------------------------------------------

    def put(self, chunk: Chunk) -> None:
        """Take a chunk or drop it; never waits."""
        if self.state != "running" or self._stopping or self._seeking:
            return
        self._inbox.put(chunk)
        if self._inbox.nbytes > INBOX_BYTES:
            self.host.consumer().hold(self.tp)

    def reassigned(self) -> None:
        """A rebalance kept this partition here: its position in the consumer is gone."""
        self._inbox.clear()
        self._seeking = True
        self._revoked = False
        self._inbox.filled.set()
        self._nudge.set()

    def revoked(self) -> None:
        """A rebalance began: until it ends nobody knows whose this partition is."""
        self._revoked = True

    def nudge(self) -> None:
        """Look again at what made the partition red (an adoption was announced)."""
        self._nudge.set()

    async def stop(self) -> None:
        """Finish the chunk in hand, within bounds, and close the store."""
        self._stopping = True
        self._inbox.filled.set()
        self._nudge.set()
        with contextlib.suppress(asyncio.CancelledError, TimeoutError):
            await asyncio.wait_for(self._task, STOP_S)

    # -- the task ----------------------------------------------------------------------------

    async def _run(self) -> None:
        failures = 0
        try:
            if self._before is not None:
                await asyncio.wait((self._before,))
            while not self._stopping:
                try:
                    await self._take_over()
                    failures = 0
                    await self._fold()
                except ProducerFenced:
                    await self._close()
                    await self._after_fenced()
                except PartitionRed as error:
                    await self._stay_red(error)
                except StoreLost as error:
                    metrics.STORES_LOST.labels("failed").inc()
                    log.warning("%s: store lost, taken over again: %s", self.tp, error)
                except IllegalStateError:
                    # The assignment callback stops us or gives the partition back.
                    log.info("%s is not assigned here any more", self.tp)
                    await self._close()
                    await self._until_assigned()
                except Exception as error:
                    failures += 1
                    log.exception("%s: take-over failed (%d of %d)", self.tp, failures, RETRIES)
                    if failures >= RETRIES:
                        self.host.give_up(f"{self.tp}: take-over failed {RETRIES} times: {error!r}")
                        return
                    await self._pause(RETRY_S * 2**failures)
                finally:
                    await self._close()
        finally:
            self.state = "closed"

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._nudge.wait(), seconds)

    async def _until_assigned(self) -> None:
        while not self._stopping and (
            self._revoked or self.tp not in self.host.consumer().assignment()
        ):
            self._nudge.clear()
            await self._pause(RETRY_S)

    async def _stay_red(self, error: PartitionRed) -> None:
        self.state, self.error = "red", str(error)
        log.error("%s is red: %s", self.tp, error)
        self.host.consumer().hold(self.tp)
        self._nudge.clear()
        while not self._stopping and not self._nudge.is_set():
            await self._nudge.wait()
        self.state, self.error = "opening", None

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

    async def _take_over(self) -> None:
        host, job, kafka = self.host, self.host.job, self.host.settings.kafka
        began = time.monotonic()
        self.state = "opening"
        self._nudge.clear()
        producer = clients.transactional_producer(kafka, job.transactional_id(self.partition))
        db: Rdict | None = None
        try:
            await producer.start()
            reach("recovery.fenced")
            path = host.folder / f"{job.topic}-{self.partition}"
            db = recovery.open_local(path)
            changelog = TopicPartition(job.changelog, self.partition)
            try:
                self.recovered = await recovery.replay_changelog(host.inquiry, changelog, db)
            except StoreLost as error:
                log.error("%s; put aside, recovering from the changelog", error)
                db.close()
                recovery.put_aside(path)
                db = recovery.open_local(path)
                self.recovered = await recovery.replay_changelog(host.inquiry, changelog, db)
            config = positions.read_config(db) or DEFAULT_CONFIG
            if job.dedupe is not None:
                await recovery.replay_dedupe(
                    host.inquiry,
                    TopicPartition(job.dedupe, self.partition),
                    db,
                    config.dedupe_hours * HOUR,
                )
            reach("recovery.replayed")
            source = await self._position(db)
        except BaseException:
            await producer.stop()
            if db is not None:
                db.close()
            raise
        fences = recovery.load_fences(db)
        self.store = PartitionStore(job, self.partition, db, producer, source, fences, config)
        await self._announce()
        reach("recovery.announced")
        if host.config is not None and positions.read_config(db) != host.config:
            await host.append(self.partition, host.config)
        await self._release()
        self.state = "running"
        metrics.RECOVERY_SECONDS.observe(time.monotonic() - began)
        if self.recovered.source == "defaults":
            log.warning("%s: nothing to recover from, starting with safe defaults", self.tp)

    async def _position(self, db: Rdict) -> positions.Source:
        """Return where to go on in the log, checked against what the log holds."""
        source = positions.read_source(db) or positions.NOTHING
        self._topic_id = await topic_id(self.host.inquiry.admin, self.tp.topic)
        incarnation = self.host.ownership.incarnations.get(self.tp.topic, 0)
        if incarnation > source.incarnation:
            source = positions.Source(incarnation, -1, "", source.log_time)
        next_offset = await recovery.check_position(
            self.host.inquiry,
            TopicPartition(*self.tp),
            source.offset,
            source.fingerprint,
            adopt_hint="`streams topics adopt` begins anew with what it holds now",
        )
        return msgspec.structs.replace(source, offset=next_offset - 1)

    async def _announce(self) -> None:
        assert self.store is not None
        host = self.host
        owner = Owner(self.partition, host.url(), host.settings.worker)
        topic = topology.name(host.settings, topology.OWNERS)
        try:
            await self.store.announce(topic, owner_key(self.partition), msgspec.json.encode(owner))
        except ProducerFenced:
            raise
        except KafkaError as error:
            raise StoreLost(f"announcing the owner: {error}") from error

    async def _release(self) -> None:
        assert self.store is not None
        if await topic_id(self.host.inquiry.admin, self.tp.topic) != self._topic_id:
            # A seek into another log would skip what it holds below; the take-over looks closely.
            raise StoreLost(f"{self.tp.topic} was made anew")
        self._inbox.clear()
        self._seeking = False
        await self.host.consumer().release(self.tp, self.store.source.offset + 1)

    # -- folding -------------------------------------------------------------------------------

    async def _fold(self) -> None:
        """Fold chunks until told to stop; whatever does not follow on is sought again."""
        store = self.store
        assert store is not None
        while not self._stopping:
            if self._seeking:
                # Look again before waiting: a rebalance during the seek asks for another one.
                await self._release()
                continue
            chunk = self._inbox.take()
            if chunk is None:
                await self._inbox.filled.wait()
                continue
            if chunk.error is not None:
                raise PartitionRed(
                    f"{self.tp.topic}/{self.tp.partition}: offset {store.source.offset + 1} is out "
                    "of the log's range; `streams topics adopt` begins anew with what it holds now"
                )
            if chunk.prev is None or chunk.prev > store.source.offset:
                # Something between was dropped (a pause, a rebalance): fetch it again.
                self._seeking = True
                continue
            await store.apply(chunk)
            # A long fold must not starve the other stores, the API or the heartbeat.
            await asyncio.sleep(0)
            if self.host.consumer().is_held(self.tp) and self._inbox.nbytes == 0:
                self._seeking = True

    async def _close(self) -> None:
        if self.state != "red":
            self.state = "opening"
        store, self.store = self.store, None
        if store is not None:
            with contextlib.suppress(ConnectionError, RuntimeError):
                self.host.consumer().hold(self.tp)
            await store.close()
