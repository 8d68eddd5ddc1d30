"""Eraser: brings erasures to where folds do not reach, and tells the log how far they have come.

The folds take what is erased out of the rows. What was written before lies on: in the database's
files, in snapshots and the archive, in Kafka's topics. The owner of a partition has the first three
written anew, for all open receipts at once, and looks what Kafka still holds. Each finding is a
fact in the log (`ErasureReached`), under the worker's own origin; one that is lost is told again.
"""

import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import NamedTuple

from aiokafka.errors import KafkaError
from faust.types import TP

from streams.core import log as facts
from streams.core.errors import StreamsError
from streams.core.log import VERSION, ErasedFrom, ErasureReached, Origin, Record
from streams.core.time import HOUR
from streams.memory.consolidation_rows import LEFT, WorkRow, work_key
from streams.memory.forget_rows import ReceiptRow
from streams.memory.receipts import open_receipts
from streams.runtime import metrics
from streams.runtime.erased_bucket import ARCHIVE, SNAPSHOTS, ErasedBucket
from streams.runtime.erased_files import PLACE as FILES
from streams.runtime.erased_files import ErasedFiles
from streams.runtime.erased_topics import ErasedTopics, Open
from streams.runtime.owner import PartitionOwner
from streams.runtime.store import PartitionStore
from streams.runtime.turns import Turns
from streams.settings import Settings

log = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
REST = 20
"""A partition's turn is followed by so many times as long without one: several go at once then."""
LEAST_REST_SECONDS = 30.0
NEW_REST_SECONDS = 600.0
"""No longer where there is something new, however long a turn takes."""
MOST_REST_SECONDS = 3600.0
"""Nothing new: what is left now takes Kafka and collections hours or days."""
Append = Callable[[int, bytes, bytes], Awaitable[object]]
"""Partition, key, value; returns once it is acknowledged."""


class _Rest(NamedTuple):
    """Until when a partition has no turn."""

    known: frozenset[tuple[int, str, str, int]]
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
    owners : callable
        The partitions of the tenant log that this process has now, by number.
    append : callable
        Appends a record to tenant.log.v1.
    now : callable
        Wall clock, microseconds.
    bucket : ErasedBucket, optional
        None: there are neither snapshots nor an archive.
    assigned : callable
        Whether this process knows what it owns.
    """

    def __init__(
        self,
        settings: Settings,
        owners: Callable[[], Iterable[PartitionOwner]],
        append: Append,
        now: Callable[[], int],
        files: ErasedFiles,
        topics: ErasedTopics,
        bucket: ErasedBucket | None = None,
        assigned: Callable[[], bool] = lambda: True,
    ) -> None:
        self._settings = settings
        self._owners = owners
        self._append = append
        self._now = now
        self.files = files
        self._assigned = assigned
        self._bucket = bucket
        self._topics = topics
        self._started = now()
        self._sequence = 0
        self._rests: dict[TP, _Rest] = {}
        self._turns = Turns(
            self.look, LOOK_SECONDS, name="erasures", log=log, failed="erasures are not brought on"
        )

    def start(self) -> None:
        """Begin to look for open receipts."""
        self._turns.start()

    async def stop(self) -> None:
        """End; the next owner goes on."""
        await self._turns.stop()

    async def look(self) -> None:
        """Give each partition that has open receipts and has rested its turn."""
        if self._assigned():
            await self.files.drop_unowned(self._owners)
        deadline = self._now() - self._settings.erase_deadline_hours * HOUR
        count = late = 0
        for owner in list(self._owners()):
            store = owner.store
            if store is None or owner.state != "running":
                continue
            try:
                found = list(open_receipts(store.reader))
                count += len(found)
                late += sum(row.at < deadline for _, row in found)
                await self.files.compact_again(owner)
                if open_ := [each for each in found if _is_through(store, *each)]:
                    await self._in_turn(owner, store, open_)
            except Exception as error:
                # RocksDB's are no more than that. It is one partition's: others have their turns.
                log.warning("erasures of %s[%d] are not brought on: %r", *owner.tp, error)
        metrics.ERASURES_OPEN.labels("no").set(count - late)
        metrics.ERASURES_OPEN.labels("yes").set(late)

    async def _in_turn(self, owner: PartitionOwner, store: PartitionStore, open_: Open) -> None:
        """Bring a partition's erasures on, if it has rested; longer where nothing moves."""
        now = time.monotonic()
        rest = self._rests.get(owner.tp, _NO_REST)
        known = frozenset((row.at, row.source, row.id, row.passed_at or 0) for _, row in open_)
        if now < (rest.until if known <= rest.known else rest.at_least):
            return
        told = 0
        try:
            told = await self._turn(owner, store, open_)
        finally:
            took = time.monotonic() - now
            least = min(max(LEAST_REST_SECONDS, REST * took), NEW_REST_SECONDS)
            long = least if told else min(MOST_REST_SECONDS, max(least, 2 * rest.long))
            ended = time.monotonic()
            self._rests[owner.tp] = _Rest(known, ended + least, ended + long, long)

    async def _turn(self, owner: PartitionOwner, store: PartitionStore, open_: Open) -> int:
        """Bring a partition's erasures on; returns of how many there was something to tell."""
        rows = [row for _, row in open_]
        found: list[dict[str, ErasedFrom]] = [
            {place.place: place for place, _ in row.places} for row in rows
        ]

        async def note(places: Awaitable[Iterable[Sequence[ErasedFrom]]]) -> None:
            # What can't be reached just now keeps nothing else from being told.
            try:
                made = await places
            except (StreamsError, KafkaError, OSError) as error:
                log.warning("erasures of %s[%d] are not brought on: %s", *owner.tp, error)
                return
            for known, new in zip(found, made, strict=True):
                known.update((place.place, place) for place in new)

        await note(_each(self.files.bring_on(owner, store, rows)))
        if self._bucket is not None:
            for known in found:
                for place in (ARCHIVE, SNAPSHOTS):
                    known.setdefault(place, ErasedFrom(place, None, (), False))
            await note(_each(self._bucket.archive(owner, store, rows)))
            new = self.files.are_new(owner) and all(_done(each.get(FILES)) for each in found)
            await note(_each(self._bucket.snapshots(owner, rows, files_are_new=new)))
        await note(self._topics.bring_on(owner, store, open_))
        count = 0
        for (tenant, row), places in zip(open_, found, strict=True):
            made = tuple(places.values())
            if made != tuple(place for place, _ in row.places):
                await self._tell(owner.partition, tenant, row, made)
                count += 1
        return count

    async def _tell(
        self, partition: int, tenant: str, row: ReceiptRow, places: tuple[ErasedFrom, ...]
    ) -> None:
        self._sequence += 1
        origin = Origin(f"eraser/{self._settings.worker}", self._started, 0, self._sequence)
        body = ErasureReached(row.at, row.source, row.id, places, row.passed_at)
        record = Record(VERSION, tenant, origin, "", "", self._now(), body)
        await self._append(partition, tenant.encode(), facts.encode(record))


async def _each(places: Awaitable[Iterable[ErasedFrom]]) -> list[tuple[ErasedFrom]]:
    return [(place,) for place in await places]


def _is_through(store: PartitionStore, tenant: str, row: ReceiptRow) -> bool:
    """Whether all rows have gone that may, members of what was consolidated too."""
    if row.passed_at is None:
        return False
    left = work_key(tenant, LEFT)
    return next(store.reader.scan(WorkRow, left), None) is None


def _done(place: ErasedFrom | None) -> bool:
    return place is not None and place.done
