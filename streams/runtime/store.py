"""PartitionStore: one partition's folds, their state, and the transaction that moves both.

The steps of a chunk, in order (DESIGN.md section 2, rule 4):

 1. accept   a chunk only if it begins at or before the stored offset + 1, else seek there
 2. fold     record by record: origin fence, dedupe, fold; in slices, others have turns between
 3. begin    a Kafka transaction
 4. send     changed rows (each key once) and positions to the changelog; outputs; identities
 5. await    every send future: aiokafka commits although a batch failed
 6. offsets  of the input go into the transaction too, once a second: they are for lag tools, the
             changelog's rows are what counts; only now, since the broker refuses batches while the
             offsets' partition is being added, and they are sent again 100 ms later
 7. commit
 8. write    rows and positions to RocksDB in one batch
 9. account  tell waiters and metrics

Whatever goes wrong from 3 to 8 makes the store unusable (StoreLost): nobody aborts and retries on
the same producer; the next take-over asks the changelog whether the chunk counted.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, ProducerFenced
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from rocksdict import Rdict, WriteBatch

from streams.core.errors import PartitionRed, StoreLost
from streams.core.fold import DeadLetter, Effect, Entry, View
from streams.core.ids import event_hash
from streams.core.log import (
    Accessed,
    Config,
    LeaseGiven,
    LeaseInquiry,
    LeaseRecalled,
    QuotaGranted,
    QuotaRejected,
    Refusal,
    Tick,
)
from streams.core.time import HOUR
from streams.ports import Watcher
from streams.runtime import metrics, positions
from streams.runtime.chunks import Chunk
from streams.runtime.dedupe import Dedupe
from streams.runtime.effects import Sending, Sendings
from streams.runtime.failpoints import reach
from streams.runtime.fencing import hear_out, is_fenced
from streams.runtime.snapshots import take_checkpoint
from streams.runtime.view import BufferedView, DatabaseReader, SnapshotRows, write

log = logging.getLogger(__name__)

SLICE_SECONDS = 0.05
"""Folding goes on for this long at a time; then the process's other partitions have their turn."""
FOLD_SECONDS = 1.0
"""So long a transaction's folding may take, turns of others included: light load has small chunks
and quick transactions, a backlog large ones, which cost less an event."""
CLOCK_EVERY = 64
NUDGE_SECONDS = 0.03
"""So long a reader waits before it asks whether the log ends with a transaction's mark."""
COMMIT_SECONDS = 15.0
"""The broker has aborted a transaction by then; waiting longer would be waiting for nothing."""
CLOSE_SECONDS = 5.0
_UNIDENTIFIED = (
    Tick,
    Config,
    Refusal,
    Accessed,
    QuotaGranted,
    QuotaRejected,
    LeaseGiven,
    LeaseRecalled,
    LeaseInquiry,
)
"""Records that are not a user's event: control's answers carry the command's source and id, and
control has seen to duplicates."""


class Job(msgspec.Struct, frozen=True):
    """What a store folds, and between which topics (full names)."""

    topic: str
    changelog: str
    dedupe: str | None
    """None: the job's records carry no identities."""
    group: str
    decode: Callable[[bytes | None], Any]
    fold: Callable[[View, Entry], list[Effect]]
    output: Callable[[str], str]
    """Full name of a topic that is written to."""
    partitions: int
    """Of the tenant log and of the outputs."""
    tell_offsets_every: float = 1.0
    """Seconds. Telling the group's offsets takes two of a transaction's five requests, and under
    light load a transaction is all that an event costs. The ticks see to it that what is idle is
    told too."""
    owner_kind: str = "owner"
    """What announcements of its partitions' owners are called on streams.owners.v1."""

    def transactional_id(self, partition: int) -> str:
        """Transactional id; the topic is in it, so that two topics never fence each other."""
        return f"{self.group}-{self.topic}-{partition}"


class PartitionStore:
    """State of one partition, open and owned. Made by a take-over, used until it is lost.

    Parameters
    ----------
    producer : AIOKafkaProducer
        Started with the job's transactional id: every earlier owner is fenced.
    source : positions.Source
        Where the database stands.
    """

    def __init__(
        self,
        job: Job,
        partition: int,
        db: Rdict,
        producer: AIOKafkaProducer,
        source: positions.Source,
        fences: positions.Fences,
        config: Config,
    ) -> None:
        self.job = job
        self.partition = partition
        self.db = db
        self.source = source
        self.config = config
        self.reader = DatabaseReader(db)
        self.watcher: Watcher | None = None
        self.nudge: Callable[[], Awaitable[None]] | None = None
        """Appends a tick to the log."""
        self.changes = 0
        """Rows changed so far, those about the store itself not counted."""
        self._checkpointing = asyncio.Lock()
        self.changelog_offset = positions.read_number(db, positions.CHANGELOG_KEY) or 0
        self._producer = producer
        self._fences = fences
        self._view = BufferedView(db)
        self._make = Sendings(job.topic, job.output, job.partitions)
        self._dedupe = Dedupe(db, config.dedupe_hours * HOUR)
        self._folded = asyncio.Condition()
        self._closed = False
        self._offset_told = float("-inf")
        self.rebuilds_until = 0
        """Offset of the log below which it is built anew, where there was nothing to go on from."""
        # Facts of the chunk being folded, all reset with it.
        self._sendings: list[Sending] = []
        self._next_config: Config | None = None

    @property
    def offset(self) -> int:
        """Last folded offset of the input."""
        return self.source.offset

    @property
    def caught_up(self) -> bool:
        """Whether all was folded that the log held when this was built from nothing."""
        return self.source.offset + 1 >= self.rebuilds_until

    @property
    def log_time(self) -> int:
        """Log time of the partition, microseconds."""
        return self.source.log_time

    # -- what readers ask -------------------------------------------------------------------

    def snapshot(self) -> SnapshotRows:
        """Committed rows as they are now."""
        return SnapshotRows(self.db)

    async def wait_folded(self, next_offset: int, timeout: float) -> bool:
        """Wait until everything below ``next_offset`` is folded and committed.

        Raises
        ------
        StoreLost
            The store was closed meanwhile.
        """
        if not self._closed and self.source.offset + 1 >= next_offset:
            return True
        nudging = asyncio.create_task(self._nudge_later())
        try:
            async with asyncio.timeout(timeout), self._folded:
                await self._folded.wait_for(
                    lambda: self._closed or self.source.offset + 1 >= next_offset
                )
        except TimeoutError:
            return False
        finally:
            nudging.cancel()
        if self._closed:
            raise StoreLost("the partition is being taken over")
        return True

    async def _nudge_later(self) -> None:
        """See to it that the log does not end with the mark of a transaction.

        Marks have offsets, but nobody is handed one: only the next record moves the store past it.
        """
        await asyncio.sleep(NUDGE_SECONDS)
        if self.nudge is not None:
            with contextlib.suppress(KafkaError):
                await self.nudge()

    # -- folding ----------------------------------------------------------------------------

    async def apply(self, chunk: Chunk) -> None:
        """Fold a chunk that was accepted, in one or more transactions.

        Raises
        ------
        StoreLost
            From the transaction on something failed; StoreDamaged: the database is.
        ProducerFenced
            Another owner took over, or a transaction timed out.
        PartitionRed
            A record can't be folded; the message names it.
        """
        if self.reader.damage is not None:
            # A question has found it; ticks come every second, so this is soon.
            raise self.reader.damage
        raw = [r for r in chunk.records if r.offset > self.source.offset]
        decoded, unreadable = self._decode(raw)
        work = _Work(raw, decoded, self._identify(decoded) if self.job.dedupe else None)
        while work.at < len(decoded):
            window = self._dedupe.window
            await self._apply_some(work)
            if self._dedupe.window != window and work.identities is not None:
                work.identities = self._identify(decoded)
        if unreadable is not None:
            raise unreadable

    def _decode(self, raw: list[Any]) -> tuple[list[Any], PartitionRed | None]:
        """Decode up to the first record that can't be."""
        decode = self.job.decode
        decoded: list[Any] = []
        try:
            for record in raw:
                decoded.append(decode(record.value))
        except PartitionRed as error:
            return decoded, PartitionRed(f"{self._where(raw[len(decoded)])}: {error}")
        return decoded, None

    def _identify(self, decoded: list[Any]) -> list[bytes | None]:
        identities = [
            None
            if type(record.body) in _UNIDENTIFIED
            else event_hash(record.tenant, record.source, record.id)
            for record in decoded
        ]
        self._dedupe.load([i for i in identities if i is not None], self.source.log_time)
        return identities

    async def _apply_some(self, work: "_Work") -> None:
        start, began = work.at, time.perf_counter()
        source = self._fold(work, self.source, began + SLICE_SECONDS)
        while (
            work.at < len(work.decoded)
            and self._next_config is None
            and time.perf_counter() < began + FOLD_SECONDS
        ):
            await asyncio.sleep(0)
            source = self._fold(work, source, time.perf_counter() + SLICE_SECONDS)
        reach("fold.folded")
        folded = time.perf_counter()
        try:
            async with asyncio.timeout(COMMIT_SECONDS):
                await self._commit(source)
        except ProducerFenced:
            raise
        except Exception as error:
            if is_fenced(self._producer):
                # aiokafka says so to what waits; whoever asks later hears of an illegal state.
                raise ProducerFenced from error
            raise StoreLost(f"{type(error).__name__}: {error}") from error
        done = time.perf_counter()
        metrics.FOLD_SECONDS.observe(folded - began)
        metrics.TRANSACTION_SECONDS.observe(done - folded)
        metrics.CHUNK_SECONDS.observe(done - began)
        metrics.EVENTS.labels(self.job.topic, "folded").inc(work.at - start)
        async with self._folded:
            self._folded.notify_all()

    def _fold(self, work: "_Work", source: positions.Source, until: float) -> positions.Source:
        """Step 2: fold from ``work.at``, which follows on ``source``; returns the next position."""
        view, fences, fold, partition = self._view, self._fences, self.job.fold, self.partition
        identities = work.identities
        log_time, incarnation = source.log_time, source.incarnation
        raw, decoded = work.raw, work.decoded
        for at in range(work.at, len(decoded)):
            record, place = decoded[at], raw[at]
            timestamp = place.timestamp * 1000
            if timestamp > log_time:
                log_time = timestamp
            origin = record.origin
            if origin is not None and not fences.passes(origin):
                metrics.SKIPPED.labels("origin").inc()
                continue
            if (
                identities is not None
                and (identity := identities[at]) is not None
                and not self._dedupe.first(identity, log_time)
            ):
                metrics.SKIPPED.labels("duplicate").inc()
                continue
            entry = Entry(record, partition, place.offset, timestamp, log_time)
            try:
                made = fold(view, entry)
            except StoreLost:
                raise
            except Exception as error:
                raise PartitionRed(
                    f"{self._where(place)} can't be folded: {type(error).__name__}: {error}"
                ) from error
            if made:
                self._sendings += self._make.of(made, entry, incarnation)
                if identities is not None and any(map(_refused, made)):
                    self._dedupe.forget(identities[at])
            if type(record.body) is Config:
                # Later records live under the new settings: this transaction ends here.
                self._next_config = record.body
                break
            if not at % CLOCK_EVERY and time.perf_counter() > until:
                break
        work.at = at + 1
        last = raw[at]
        return positions.Source(
            source.incarnation, last.offset, positions.fingerprint(last), log_time
        )

    def _where(self, record: Any) -> str:
        return f"{self.job.topic}/{self.partition}/{record.offset}"

    # -- the transaction ----------------------------------------------------------------------

    async def _commit(self, source: positions.Source) -> None:
        """Steps 3 to 9."""
        producer = self._producer
        rows = self._view.encoded()
        changed = len(rows)
        rows += self._fences.rows()
        rows.append((positions.SOURCE_KEY, positions.encode(source)))
        if self._next_config is not None:
            since = self._dedupe.since(source.log_time)
            rows.append((positions.CONFIG_KEY, positions.encode(self._next_config)))
            rows.append((positions.DEDUPE_SINCE_KEY, positions.number(since)))
        await producer.begin_transaction()
        reach("fold.begun")
        changes = await self._send_rows(rows)
        reach("fold.rows_sent")
        outputs = [await self._send(made) for made in self._sendings]
        identities = await self._send_identities()
        reach("fold.outputs_sent")
        acks = await asyncio.gather(*changes, *outputs, *identities)
        reach("fold.acknowledged")
        if time.monotonic() >= self._offset_told + self.job.tell_offsets_every:
            await self._send_offset(source.offset)
        reach("fold.offsets_sent")
        await producer.commit_transaction()
        reach("fold.committed")
        self._write(rows, acks[len(changes) - 1], acks[-1] if identities else None, source)
        reach("fold.written")
        metrics.count_effects(made.effect for made in self._sendings)
        self._sendings.clear()
        self.changes += changed
        self.source = source
        if self.watcher is not None:
            self.watcher.committed(rows)

    async def _send_offset(self, offset: int) -> None:
        tp = TopicPartition(self.job.topic, self.partition)
        await self._producer.send_offsets_to_transaction(
            {tp: OffsetAndMetadata(offset + 1, "")}, self.job.group
        )
        self._offset_told = time.monotonic()

    async def _send_rows(self, rows: list[tuple[bytes, bytes | None]]) -> list[Any]:
        """Send rows as ready batches: a fifth of the cost of one send a row."""
        producer, topic, partition = self._producer, self.job.changelog, self.partition
        futures = []
        batch = producer.create_batch()
        for key, value in rows:
            if batch.append(key=key, value=value, timestamp=None) is None:
                futures.append(_noted(await producer.send_batch(batch, topic, partition=partition)))
                batch = producer.create_batch()
                if batch.append(key=key, value=value, timestamp=None) is None:
                    raise StoreLost(f"a row of {len(value or b'')} bytes fits no batch")
        futures.append(_noted(await producer.send_batch(batch, topic, partition=partition)))
        return futures

    async def _send(self, made: Sending) -> Any:
        send = self._producer.send
        return _noted(
            await send(made.topic, made.value, made.key, made.partition, headers=made.headers)
        )

    async def _send_identities(self) -> list[Any]:
        packed = self._dedupe.packed() if self.job.dedupe else None
        if packed is None:
            return []
        return [
            _noted(await self._producer.send(self.job.dedupe, packed, partition=self.partition))
        ]

    def _write(
        self,
        rows: list[tuple[bytes, bytes | None]],
        changelog_ack: Any,
        dedupe_ack: Any | None,
        source: positions.Source,
    ) -> None:
        """Step 8. No fsync: what a crash of the machine loses is in the changelog."""
        batch = WriteBatch(raw_mode=True)
        write(batch, rows)
        self.changelog_offset = changelog_ack.offset + 1
        batch.put(positions.CHANGELOG_KEY, positions.number(self.changelog_offset))
        batch.put(positions.CHANGELOG_TIME_KEY, positions.number(_appended(changelog_ack)))
        if dedupe_ack is not None:
            self._dedupe.write(batch, source.log_time)
            batch.put(positions.DEDUPE_POSITION_KEY, positions.number(dedupe_ack.offset + 1))
        if self._next_config is not None:
            window = self._next_config.dedupe_hours * HOUR
            self._dedupe.change_window(batch, window, source.log_time)
        self.db.write(batch)
        self._view.committed()
        self._fences.dirty.clear()
        self._dedupe.committed()
        if self._next_config is not None:
            self.config, self._next_config = self._next_config, None

    async def checkpoint(self, folder: Path) -> None:
        """Make a checkpoint of the database as after one commit, in a thread.

        Raises
        ------
        StoreLost
            The store was closed.
        """
        async with self._checkpointing:
            if self._closed:
                raise StoreLost("the partition is being taken over")
            # Even who is cancelled waits: the database can't be closed under it.
            making = asyncio.ensure_future(asyncio.to_thread(take_checkpoint, self.db, folder))
            try:
                await asyncio.shield(making)
            finally:
                await asyncio.wait((making,))

    async def announce(self, topic: str, key: bytes, value: bytes) -> None:
        """Say in a first transaction who owns this partition now."""
        await self._producer.begin_transaction()
        ack = await self._producer.send(topic, value, key, 0)
        await ack
        await self._producer.commit_transaction()

    async def close(self) -> None:
        """Close producer and database, whatever state they are in."""
        self._closed = True
        async with self._folded:
            self._folded.notify_all()
        hear_out(self._producer)
        try:
            await asyncio.wait_for(self._producer.stop(), CLOSE_SECONDS)
        except Exception as error:
            log.warning(
                "closing the producer of %s: %r", self.job.transactional_id(self.partition), error
            )
        if self.watcher is not None:
            await self.watcher.closing()
        try:
            async with self._checkpointing:
                self.db.close()
        except Exception as error:
            # RocksDB repeats what it could not write before; the changelog has it.
            log.warning("closing the database of %s/%d: %s", self.job.topic, self.partition, error)


def _appended(ack: Any) -> int:
    """Broker's time of an acknowledged record, microseconds; ours where the topic has none."""
    if ack.timestamp is not None and ack.timestamp > 0:
        return int(ack.timestamp) * 1000
    return time.time_ns() // 1000


def _refused(effect: Effect) -> bool:
    return isinstance(effect, DeadLetter) and effect.whole


def _noted(sent: asyncio.Future[Any]) -> asyncio.Future[Any]:
    """Keep asyncio from reporting a failure that nobody waits for: another one came before it."""
    sent.add_done_callback(lambda future: future.cancelled() or future.exception())
    return sent


class _Work:
    """A chunk being folded: ``at`` is the next record to do."""

    __slots__ = ("at", "decoded", "identities", "raw")

    def __init__(
        self, raw: list[Any], decoded: list[Any], identities: list[bytes | None] | None
    ) -> None:
        self.raw = raw
        self.decoded = decoded
        self.identities = identities
        self.at = 0
