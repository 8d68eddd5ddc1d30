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
import logging
import time
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import ProducerFenced
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from rocksdict import Rdict, WriteBatch

from streams.core.errors import PartitionRed, StoreLost
from streams.core.log import Config
from streams.ports import Watcher
from streams.runtime import metrics, positions
from streams.runtime.batches import noted, send_rows
from streams.runtime.chunks import Chunk
from streams.runtime.effects import Sending
from streams.runtime.failpoints import reach
from streams.runtime.fencing import hear_out, is_fenced
from streams.runtime.folding import Folding, Work
from streams.runtime.job import Job
from streams.runtime.snapshots import take_checkpoint
from streams.runtime.view import DatabaseReader, SnapshotRows, compact
from streams.runtime.waiting import Waiting

log = logging.getLogger(__name__)

SLICE_SECONDS = 0.05
"""Folding goes on for this long at a time; then the process's other partitions have their turn."""
FOLD_SECONDS = 1.0
"""So long a transaction's folding may take, turns of others included: light load has small chunks
and quick transactions, a backlog large ones, which cost less an event."""
COMMIT_SECONDS = 15.0
"""The broker has aborted a transaction by then; waiting longer would be waiting for nothing."""
CLOSE_SECONDS = 5.0


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
        self.reader = DatabaseReader(db)
        self.watcher: Watcher | None = None
        self.changes = 0
        """Rows changed so far, those about the store itself not counted."""
        self._checkpointing = asyncio.Lock()
        self.changelog_offset = positions.read_number(db, positions.CHANGELOG_KEY) or 0
        self._producer = producer
        self._folding = Folding(job, partition, db, source, fences, config)
        self.waiting = Waiting(lambda: self.source.offset)
        self._offset_told = float("-inf")
        self.rebuilds_until = 0
        """Offset of the log below which it is built anew, where there was nothing to go on from."""

    @property
    def source(self) -> positions.Source:
        """Where the committed rows stand."""
        return self._folding.source

    @property
    def config(self) -> Config:
        """The config record in force."""
        return self._folding.config

    @property
    def rewriting(self) -> bool:
        """Whether older rows are being brought into the state's schema."""
        return self._folding.rewriting

    def rewrite(self) -> None:
        """Bring older rows into the state's schema, a part with each transaction."""
        self._folding.rewrite()

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
        return await self.waiting.until(next_offset, timeout)

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
        work = self._folding.take(chunk.records)
        while work.left:
            await self._apply_some(work)
        if work.unreadable is not None:
            raise work.unreadable

    async def _apply_some(self, work: Work) -> None:
        """Fold and commit one transaction's worth; others have their turns between slices."""
        folding, start, began = self._folding, work.at, time.perf_counter()
        folding.fold(work, began + SLICE_SECONDS)
        while work.left and not folding.ends_here and time.perf_counter() < began + FOLD_SECONDS:
            await asyncio.sleep(0)
            folding.fold(work, time.perf_counter() + SLICE_SECONDS)
        reach("fold.folded")
        folded = time.perf_counter()
        try:
            async with asyncio.timeout(COMMIT_SECONDS):
                await self._commit()
        except (ProducerFenced, PartitionRed):
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
        await self.waiting.moved()

    # -- the transaction ----------------------------------------------------------------------

    async def _commit(self) -> None:
        """Steps 3 to 9."""
        producer, folding = self._producer, self._folding
        rows, changed = folding.rows()
        await producer.begin_transaction()
        reach("fold.begun")
        changes = await send_rows(self._producer, self.job.changelog, self.partition, rows)
        reach("fold.rows_sent")
        outputs = [await self._send(made) for made in folding.sendings]
        identities = await self._send_identities()
        reach("fold.outputs_sent")
        acks = await asyncio.gather(*changes, *outputs, *identities)
        reach("fold.acknowledged")
        if time.monotonic() >= self._offset_told + self.job.tell_offsets_every:
            await self._send_offset(folding.reached.offset)
        reach("fold.offsets_sent")
        await producer.commit_transaction()
        reach("fold.committed")
        self._write(rows, acks[len(changes) - 1], acks[-1] if identities else None)
        reach("fold.written")
        metrics.count_effects(made.effect for made in folding.sendings)
        folding.committed()
        self.changes += changed
        if self.watcher is not None:
            self.watcher.committed(rows)

    async def _send_offset(self, offset: int) -> None:
        tp = TopicPartition(self.job.topic, self.partition)
        await self._producer.send_offsets_to_transaction(
            {tp: OffsetAndMetadata(offset + 1, "")}, self.job.group
        )
        self._offset_told = time.monotonic()

    async def _send(self, made: Sending) -> Any:
        send = self._producer.send
        return noted(
            await send(made.topic, made.value, made.key, made.partition, headers=made.headers)
        )

    async def _send_identities(self) -> list[Any]:
        packed = self._folding.identities()
        if packed is None:
            return []
        return [noted(await self._producer.send(self.job.dedupe, packed, partition=self.partition))]

    def _write(
        self, rows: list[tuple[bytes, bytes | None]], changelog_ack: Any, dedupe_ack: Any | None
    ) -> None:
        """Step 8. No fsync: what a crash of the machine loses is in the changelog."""
        batch = WriteBatch(raw_mode=True)
        self._folding.write(batch, rows)
        if changelog_ack.offset + 1 < self.changelog_offset:
            # The state is whole; the position stays that of the changelog that was.
            self.db.write(batch)
            raise StoreLost(f"{self.job.changelog} was made anew")
        self.changelog_offset = changelog_ack.offset + 1
        batch.put(positions.CHANGELOG_KEY, positions.number(self.changelog_offset))
        batch.put(positions.CHANGELOG_TIME_KEY, positions.number(_appended(changelog_ack)))
        if dedupe_ack is not None:
            batch.put(positions.DEDUPE_POSITION_KEY, positions.number(dedupe_ack.offset + 1))
        self.db.write(batch)

    async def checkpoint(self, folder: Path) -> None:
        """Make a checkpoint of the database as after one commit, in a thread.

        Raises
        ------
        StoreLost
            The store was closed.
        """
        async with self._checkpointing:
            if self.waiting.closed:
                raise StoreLost("the partition is being taken over")
            # Even who is cancelled waits: the database can't be closed under it.
            making = asyncio.ensure_future(asyncio.to_thread(take_checkpoint, self.db, folder))
            try:
                await asyncio.shield(making)
            finally:
                await asyncio.wait((making,))

    async def compact(self) -> bool:
        """Write the database anew, without what was deleted or replaced in it, in a thread.

        Returns
        -------
        bool
            False: somebody reads an earlier moment of it, which is still there.

        Raises
        ------
        StoreLost
            The store was closed.
        """
        async with self._checkpointing:
            if self.waiting.closed:
                raise StoreLost("the partition is being taken over")
            making = asyncio.ensure_future(asyncio.to_thread(compact, self.db))
            try:
                return await asyncio.shield(making)
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
        await self.waiting.close()
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
