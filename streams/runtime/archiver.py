"""Archiver: keeps the archive of what a process owns close behind its folds."""

import asyncio
import logging
from collections.abc import Callable, Iterable

from aiokafka.errors import KafkaError

from streams.core.errors import StreamsError
from streams.core.time import HOUR
from streams.runtime import clients, metrics
from streams.runtime.archive import Archived, Folded, archive
from streams.runtime.owner import PartitionOwner
from streams.runtime.snapshots import Bin
from streams.settings import Settings
from streams.snapshots.names import Place

log = logging.getLogger(__name__)

SECONDS = 60.0
"""For one partition a turn; a transaction that its owner left open is over by then."""


class Archiver:
    """Archives the logs of the partitions that a process owns.

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
        try:
            async with clients.reader(self._settings.kafka) as consumer:
                for owner in list(self._owners()):
                    # What runs has checked that Kafka's log is the one that it has folded.
                    if owner.store is None or owner.state != "running":
                        continue
                    source = owner.store.source
                    place = Place(self._settings.group, *owner.tp)
                    folded = Folded(place, source.incarnation, source.offset)
                    try:
                        async with asyncio.timeout(SECONDS):
                            done = await archive(self._into, consumer, folded, quiet_for=quiet_for)
                    except (StreamsError, OSError, TimeoutError) as error:
                        log.warning("the log of %s[%d] is not archived: %r", *owner.tp, error)
                        continue
                    metrics.ARCHIVED_BYTES.inc(done.bytes)
                    taken.append(done)
        except KafkaError as error:
            log.warning("logs are not archived: %r", error)
        return taken
