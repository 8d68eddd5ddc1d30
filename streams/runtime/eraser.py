"""Eraser: brings erasures to where folds do not reach, and tells the log how far they have come.

The folds take what is erased out of the rows. What was written before lies on: in the database's
files, in snapshots and the archive, in Kafka's topics. The owner of a partition has the first three
written anew, for all open receipts at once, and looks what Kafka still holds. Each finding is a
fact in the log (`ErasureReached`), under the worker's own origin; one that is lost is told again.
"""

import asyncio
import contextlib
import logging
import shutil
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition
from faust.types import TP

from streams import topology
from streams.core import log as facts
from streams.core.errors import StreamsError
from streams.core.log import VERSION, ErasedFrom, ErasureReached, Origin, Record
from streams.core.time import HOUR
from streams.memory.forget_rows import ReceiptRow
from streams.memory.receipts import open_receipts
from streams.memory.traces import Traces
from streams.runtime import erasing_topics as kafka
from streams.runtime.archiver import Archiver
from streams.runtime.cancelling import unless_stray
from streams.runtime.cleaning import clean
from streams.runtime.clients import Inquiry
from streams.runtime.collecting import left_behind
from streams.runtime.erased_records import without_erased
from streams.runtime.failpoints import reach
from streams.runtime.owner import PartitionOwner
from streams.runtime.snapshots import Bin, list_snapshots, read_manifest
from streams.runtime.snapshotter import COLLECT_EVERY, Snapshotter
from streams.runtime.store import PartitionStore
from streams.settings import Settings
from streams.snapshots.garbage import COMMIT_WITHIN, GRACE, SLACK
from streams.snapshots.names import Place, Position

log = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
REST = 20
"""A partition's turn is followed by so many times as long without one: several go at once then."""
LEAST_REST_SECONDS = 30.0
MOST_REST_SECONDS = 3600.0
"""Nothing new: what is left now takes Kafka and collections hours or days."""
LOCAL, SNAPSHOTS, ARCHIVE = "local files", "snapshots", "archive"
"""Places beside topics."""
RETIRE_AFTER = COMMIT_WITHIN + SLACK
"""Uploads that began with an earlier snapshot have ended by then (streams/snapshots/garbage.py)."""

Append = Callable[[int, bytes, bytes], Awaitable[object]]
"""Partition, key, value; returns once it is acknowledged."""
Open = list[tuple[str, ReceiptRow]]
"""Receipts that are not complete and whose rows have gone, each with its tenant."""


class _Rest(NamedTuple):
    """Until when a partition has no turn."""

    known: frozenset[tuple[int, str, str]]
    """Receipts that were open at its last one."""
    at_least: float
    """Also where others are open now."""
    until: float
    long: float


_NO_REST = _Rest(frozenset(), 0.0, 0.0, 0.0)


class Eraser:
    """Works off the open receipts of the partitions that a process owns.

    Parameters
    ----------
    folder : Path
        The worker's.
    owners : callable
        The partitions of the tenant log that this process has now, by number.
    append : callable
        Appends a record to tenant.log.v1.
    into, archiver, snapshotter : optional
        Where snapshots and archive are, and who writes them; None: there are none.
    now : callable
        Wall clock, microseconds.
    """

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        owners: Callable[[], Iterable[PartitionOwner]],
        inquiry: Inquiry,
        append: Append,
        now: Callable[[], int],
        into: Bin | None = None,
        archiver: Archiver | None = None,
        snapshotter: Snapshotter | None = None,
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._owners = owners
        self._inquiry = inquiry
        self._append = append
        self._now = now
        self._into = into
        self._archiver = archiver
        self._snapshotter = snapshotter
        self._started = now()
        self._sequence = 0
        self._rests: dict[TP, _Rest] = {}
        self._compacted: dict[TP, PartitionStore] = {}
        self._read_at: dict[TP, int] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look for open receipts."""
        self._task = asyncio.create_task(self._run(), name="erasures")

    async def stop(self) -> None:
        """End; the next owner goes on."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await unless_stray(self.look())
            except Exception:
                # Ended here, no receipt would ever be complete, and nobody would be told.
                log.exception("erasures are not brought on")

    async def look(self) -> None:
        """Give each partition that has open receipts and has rested its turn."""
        await self._drop_unowned()
        for owner in list(self._owners()):
            store = owner.store
            if store is None or owner.state != "running":
                continue
            open_ = [(t, row) for t, row in open_receipts(store.reader) if row.rows_at is not None]
            try:
                if open_:
                    await self._in_turn(owner, store, open_)
                else:
                    await self._compact_again(owner, store)
            except (StreamsError, KafkaError, OSError) as error:
                log.warning("erasures of %s[%d] are not brought on: %s", *owner.tp, error)

    async def _in_turn(self, owner: PartitionOwner, store: PartitionStore, open_: Open) -> None:
        """Bring a partition's erasures on, if it has rested; longer where nothing moves."""
        now = time.monotonic()
        rest = self._rests.get(owner.tp, _NO_REST)
        known = frozenset((row.at, row.source, row.id) for _, row in open_)
        if now < (rest.until if known <= rest.known else rest.at_least):
            return
        told = 0
        try:
            told = await self._turn(owner, store, open_)
        finally:
            took = time.monotonic() - now
            least = max(LEAST_REST_SECONDS, REST * took)
            long = least if told else min(MOST_REST_SECONDS, max(least, 2 * rest.long))
            ended = time.monotonic()
            self._rests[owner.tp] = _Rest(known, ended + least, ended + long, long)

    async def _turn(self, owner: PartitionOwner, store: PartitionStore, open_: Open) -> int:
        """Bring a partition's erasures on; returns of how many there was something to tell."""
        told = [{p.place: p for p, at in row.places if at is not None} for _, row in open_]
        made: list[list[ErasedFrom]] = [[] for _ in open_]

        def lacking(place: str) -> bool:
            return any(place not in each for each in told)

        def note(place: str, *, done: bool) -> None:
            for each, places in zip(told, made, strict=True):
                places.append(each.get(place) or ErasedFrom(place, None, (), done))

        note(LOCAL, done=not lacking(LOCAL) or await self._clean_files(owner, store))
        if self._into is not None:
            note(ARCHIVE, done=not lacking(ARCHIVE) or await self._clean_archive(owner, store))
            await self._snapshots(owner, open_, told, made)
        await self._topics(owner, open_, told, made)
        new = 0
        for (tenant, row), places in zip(open_, made, strict=True):
            if tuple(places) != tuple(place for place, _ in row.places):
                await self._tell(owner.partition, tenant, row, tuple(places))
                new += 1
        return new

    # -- files -----------------------------------------------------------------------------------

    async def _clean_files(self, owner: PartitionOwner, store: PartitionStore) -> bool:
        """Write the database anew, and drop what was put aside of it as damaged."""
        done = await store.compact()
        reach("erase.compacted")
        if done:
            self._compacted[owner.tp] = store
        for aside in self._folder.glob(f"{owner.name}.damaged-*"):
            await asyncio.to_thread(shutil.rmtree, aside, ignore_errors=True)
        return done

    async def _compact_again(self, owner: PartitionOwner, store: PartitionStore) -> None:
        """Write a database anew that may come from before an erasure that others have told of."""
        if self._compacted.get(owner.tp) is store:
            return
        since = store.log_time - self._settings.erase_deadline_hours * HOUR
        receipts = store.reader.scan(ReceiptRow, ReceiptRow.kind)
        if not any(row.at >= since for _, row in receipts) or await store.compact():
            self._compacted[owner.tp] = store

    async def _drop_unowned(self) -> None:
        """Drop state of partitions that went elsewhere long ago: nobody looks after it here."""
        before = self._now() - self._settings.erase_deadline_hours * HOUR // 4
        log_name = topology.name(self._settings, topology.TENANT_LOG)
        owned = {owner.name for owner in self._owners()}
        for path in self._folder.glob(f"{log_name}-[0-9]*"):
            if path.name not in owned and path.is_dir() and _written_at(path) < before:
                # Without a pause in between: whoever opens it from here on finds none.
                gone = path.rename(path.with_name(f"dropped-{path.name}"))
                log.info("state of a partition that went elsewhere is dropped: %s", path)
                await asyncio.to_thread(shutil.rmtree, gone, ignore_errors=True)

    # -- bucket ----------------------------------------------------------------------------------

    def _place(self, owner: PartitionOwner) -> Place:
        return Place(self._settings.group, *owner.tp)

    async def _clean_archive(self, owner: PartitionOwner, store: PartitionStore) -> bool:
        assert self._into is not None
        # What is archived from here on is without it.
        if self._archiver is None or await self._archiver.one(owner) is None:
            return False
        found = await clean(self._into, self._place(owner), without_erased(store.reader))
        if found.damaged:
            log.warning("nobody knows what is in %s", ", ".join(found.damaged))
        return not found.damaged

    async def _snapshots(
        self,
        owner: PartitionOwner,
        open_: Open,
        told: list[dict[str, ErasedFrom]],
        made: list[list[ErasedFrom]],
    ) -> None:
        """Take one without it; retire those before once no upload rests on them."""
        assert self._into is not None
        marks = [next((p for p, _ in row.places if p.place == SNAPSHOTS), None) for _, row in open_]
        fresh: ErasedFrom | None = None
        if any(mark is None for mark in marks) and owner.store is self._compacted.get(owner.tp):
            fresh = await self._new_snapshot(owner)
        for each, places, mark in zip(told, made, marks, strict=True):
            done = each.get(SNAPSHOTS)
            if done is not None:
                places.append(done)
            elif mark is None:
                places.append(fresh or ErasedFrom(SNAPSHOTS, None, (), False))
            else:
                left = not mark.upto or await self._retire(owner, mark)
                places.append(ErasedFrom(SNAPSHOTS, mark.by, mark.upto, not left))

    async def _new_snapshot(self, owner: PartitionOwner) -> ErasedFrom | None:
        assert self._into is not None
        began = self._now()
        if self._snapshotter is None or (await self._snapshotter.one(owner)).error is not None:
            return None
        newest = (await list_snapshots(self._into, self._place(owner)))[-1]
        if (await read_manifest(self._into, newest)).created_at < began:
            return None  # nothing was folded since: it is of the files before
        by = began + RETIRE_AFTER + GRACE + COLLECT_EVERY
        upto = (newest.position.incarnation, newest.position.offset, newest.modified)
        return ErasedFrom(SNAPSHOTS, by, upto, False)

    async def _retire(self, owner: PartitionOwner, mark: ErasedFrom) -> bool:
        """Retire snapshots before a mark, if it is time; whether anything of them is left."""
        assert self._into is not None
        incarnation, offset, at = mark.upto
        if self._now() < at + RETIRE_AFTER:
            return True
        before = Position(incarnation, offset)
        listed = await list_snapshots(self._into, self._place(owner))
        old = [one.name for one in listed if one.position < before]
        if old and len(old) < len(listed):
            await asyncio.to_thread(self._into.store.delete, old)
            reach("erase.retired")
        # Their files go with the next collection.
        return bool(old) or await left_behind(self._into, at) > 0

    # -- topics ----------------------------------------------------------------------------------

    async def _topics(
        self,
        owner: PartitionOwner,
        open_: Open,
        told: list[dict[str, ErasedFrom]],
        made: list[list[ErasedFrom]],
    ) -> None:
        places = await kafka.topic_places(self._settings, owner.partition)
        pause = self._settings.erase_deadline_hours * HOUR // topology.SEGMENTS
        now = self._now()
        # Compaction can't be asked for its progress: all has to be read, which is seldom done.
        reads = now - self._read_at.setdefault(owner.tp, now) >= pause
        if reads:
            self._read_at[owner.tp] = now
        for topic in places:
            ends = await kafka.ends(self._inquiry, topic)
            left: bool | None = None
            for (_, row), each, into in zip(open_, told, made, strict=True):
                mark = next((p for p, _ in row.places if p.place == topic.place), None)
                if topic.place in each:
                    into.append(each[topic.place])
                elif mark is None:
                    by = None if topic.keeps is None else now + topic.keeps
                    into.append(ErasedFrom(topic.place, by, ends, not any(ends)))
                elif not topic.compacted:
                    done = await kafka.dropped(self._inquiry, topic, mark.upto)
                    into.append(ErasedFrom(topic.place, mark.by, mark.upto, done))
                else:
                    if left is None and reads:
                        left = await self._stands(owner, topic, ends, {t for t, _ in open_})
                    into.append(ErasedFrom(topic.place, mark.by, mark.upto, left is False))

    async def _stands(
        self,
        owner: PartitionOwner,
        topic: kafka.TopicPlace,
        ends: tuple[int, ...],
        tenants: set[str],
    ) -> bool:
        """Whether a compacted topic still has a row or a memory that was erased."""
        if owner.store is None:
            return True
        traces = [Traces(owner.store.reader, tenant) for tenant in sorted(tenants)]
        of_rows = topic.place == kafka.CHANGELOG
        holds = kafka.holds_row(traces) if of_rows else kafka.holds_memory(traces)
        for partition, end in zip(topic.partitions, ends, strict=True):
            tp = TopicPartition(topic.name, partition)
            begin, _ = await self._inquiry.bounds(tp)
            if await kafka.holding(self._settings.kafka, tp, begin, end, holds):
                return True
        return False

    # -- the log ---------------------------------------------------------------------------------

    async def _tell(
        self, partition: int, tenant: str, row: ReceiptRow, places: tuple[ErasedFrom, ...]
    ) -> None:
        self._sequence += 1
        origin = Origin(f"eraser/{self._settings.worker}", self._started, 0, self._sequence)
        body = ErasureReached(row.at, row.source, row.id, places)
        record = Record(VERSION, tenant, origin, "", "", self._now(), body)
        await self._append(partition, tenant.encode(), facts.encode(record))


def _written_at(folder: Path) -> int:
    """When something in a folder was last written, microseconds."""
    times = [path.stat().st_mtime_ns for path in folder.iterdir()]
    return max(times, default=folder.stat().st_mtime_ns) // 1000
