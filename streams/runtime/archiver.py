"""Archiver: keeps the archive of what a process owns close behind its folds."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from faust.types import TP

from streams.core.errors import StreamsError
from streams.core.time import HOUR
from streams.runtime import clients, metrics
from streams.runtime.archive import Archived, Folded, archive
from streams.runtime.owner import PartitionOwner
from streams.runtime.snapshots import Bin
from streams.runtime.store import PartitionStore
from streams.settings import Settings
from streams.snapshots.names import Place

log = logging.getLogger(__name__)

SECONDS = 60.0
"""For one partition a turn; a transaction that its owner left open is over by then."""


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
        self._ends: dict[TP, tuple[PartitionStore, int]] = {}
        """Where the archive ends, as long as a store is the same: else others may have gone on."""
        self._turn = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to archive."""
        self._task = asyncio.create_task(self._run(), name="archive")

    async def stop(self) -> None:
        """End; the last of it goes with the last snapshots."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._settings.archive_seconds)
            await self.take()

    async def take(self, *, ticks: bool = False) -> list[Archived]:
        """Archive what was folded since.

        Parameters
        ----------
        ticks : bool
            Also where only time has passed. Otherwise that waits: for a quarter of the time that
            Kafka keeps the log.
        """
        taken = []
        quiet_for = 0 if ticks else self._settings.log_retention_hours * HOUR // 4 // 1000
        async with self._turn:
            try:
                async with clients.reader(self._settings.kafka) as consumer:
                    for owner in list(self._owners()):
                        done = await self._one(consumer, owner, quiet_for)
                        if done is not None:
                            taken.append(done)
            except KafkaError as error:
                log.warning("logs are not archived: %r", error)
        return taken

    async def _one(
        self, consumer: AIOKafkaConsumer, owner: PartitionOwner, quiet_for: int
    ) -> Archived | None:
        # What runs has checked that Kafka's log is the one that it has folded.
        store = owner.store
        if store is None or owner.state != "running":
            return None
        known, end = self._ends.get(owner.tp, (None, None))
        place = Place(self._settings.group, *owner.tp)
        folded = Folded(place, store.source.incarnation, store.source.offset)
        try:
            async with asyncio.timeout(SECONDS):
                done = await archive(
                    *(self._into, consumer, folded),
                    archived=end if known is store else None,
                    quiet_for=quiet_for,
                )
        except (StreamsError, OSError, TimeoutError) as error:
            self._ends.pop(owner.tp, None)
            log.warning("the log of %s[%d] is not archived: %r", *owner.tp, error)
            return None
        self._ends[owner.tp] = store, done.end
        metrics.ARCHIVED_BYTES.inc(done.bytes)
        return done
