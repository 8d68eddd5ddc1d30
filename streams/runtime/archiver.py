"""Archiver: keeps the archive of what a process owns close behind its folds."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from faust.types import TP

from streams.core.errors import StreamsError
from streams.core.time import HOUR, SECOND
from streams.runtime import clients, metrics
from streams.runtime.archive import Archived, Folded, archive
from streams.runtime.erased_records import without_erased
from streams.runtime.owner import PartitionOwner
from streams.runtime.snapshots import Bin
from streams.runtime.store import PartitionStore
from streams.runtime.turns import Turns
from streams.settings import Settings
from streams.snapshots.names import Place

log = logging.getLogger(__name__)

SECONDS = 60.0
"""For one partition a turn; a transaction that its owner left open is over by then."""


class _Last(NamedTuple):
    """What was archived; of another store others may have archived more."""

    store: PartitionStore
    changes: int
    end: int
    at: float


class Archiver:
    """Archives the logs of the partitions that a process owns, every ARCHIVE_SECONDS.

    Parameters
    ----------
    owners : callable
        The partitions that this process has now.
    """

    def __init__(
        self, settings: Settings, into: Bin, owners: Callable[[], Iterable[PartitionOwner]]
    ) -> None:
        self._settings = settings
        self._into = into
        self._owners = owners
        self._last: dict[TP, _Last] = {}
        self._turn = asyncio.Lock()
        self._turns = Turns(
            self.take,
            settings.archive_seconds,
            name="archive",
            log=log,
            failed="logs are not archived",
        )

    def start(self) -> None:
        """Begin to archive."""
        self._turns.start()

    async def stop(self) -> None:
        """End; the last of it goes with the last snapshots."""
        await self._turns.stop()

    async def take(self, *, unchanged: bool = False) -> list[Archived]:
        """Archive what was folded since.

        Parameters
        ----------
        unchanged : bool
            Also where only time has passed. Otherwise that waits: for a quarter of the time that
            Kafka keeps the log.
        """
        return await self._take(list(self._owners()), unchanged)

    async def one(self, owner: PartitionOwner) -> Archived | None:
        """Archive what one partition has folded; None: it failed."""
        done = await self._take([owner], True)
        return done[0] if done else None

    async def _take(self, owners: Iterable[PartitionOwner], unchanged: bool) -> list[Archived]:
        taken = []
        async with self._turn:
            try:
                async with clients.reader(self._settings.kafka) as consumer:
                    for owner in owners:
                        # What runs has checked that Kafka's log is the one that it has folded.
                        store = owner.store
                        if store is None or owner.state != "running":
                            continue
                        if unchanged or self._changed(owner.tp, store):
                            done = await self._one(consumer, owner.tp, store)
                            taken += [] if done is None else [done]
            except KafkaError as error:
                log.warning("logs are not archived: %r", error)
        return taken

    def _changed(self, tp: TP, store: PartitionStore) -> bool:
        last = self._last.get(tp)
        if last is None or last.store is not store or store.changes != last.changes:
            return True
        old = self._settings.log_retention_hours * HOUR // SECOND / 4
        return time.monotonic() - last.at > old

    async def _one(
        self, consumer: AIOKafkaConsumer, tp: TP, store: PartitionStore
    ) -> Archived | None:
        last = self._last.pop(tp, None)
        changes, source = store.changes, store.source
        folded = Folded(Place(self._settings.group, *tp), source.incarnation, source.offset)
        archived = last.end if last is not None and last.store is store else None
        try:
            change = without_erased(store.reader)
            async with asyncio.timeout(SECONDS):
                done = await archive(self._into, consumer, folded, archived=archived, change=change)
        except (StreamsError, KafkaError, OSError, TimeoutError) as error:
            log.warning("the log of %s[%d] is not archived: %r", *tp, error)
            return None
        self._last[tp] = _Last(store, changes, done.end, time.monotonic())
        metrics.ARCHIVED_BYTES.inc(done.bytes)
        return done
