"""Local files without what was erased: databases written anew, old ones dropped."""

import asyncio
import logging
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from faust.types import TP

from streams import topology
from streams.core.log import ErasedFrom
from streams.core.time import HOUR
from streams.memory.forget_rows import ReceiptRow
from streams.memory.receipts import reached
from streams.runtime.failpoints import reach
from streams.runtime.owner import PartitionOwner
from streams.runtime.store import PartitionStore
from streams.settings import Settings

log = logging.getLogger(__name__)

PLACE = "local files"


class ErasedFiles:
    """Of one worker.

    Parameters
    ----------
    folder : Path
        The worker's.
    now : callable
        Wall clock, microseconds.
    """

    def __init__(self, settings: Settings, folder: Path, now: Callable[[], int]) -> None:
        self._settings = settings
        self._folder = folder
        self._now = now
        self._compacted: dict[TP, PartitionStore] = {}

    def are_new(self, owner: PartitionOwner) -> bool:
        """Whether the database was written anew since the partition was opened."""
        return self._compacted.get(owner.tp) is owner.store

    async def bring_on(
        self, owner: PartitionOwner, store: PartitionStore, receipts: Iterable[ReceiptRow]
    ) -> list[ErasedFrom]:
        """Write the database anew if a receipt asks for it; how far each has come.

        What was put aside of it as damaged goes.
        """
        found = [reached(row, PLACE) for row in receipts]
        done = True
        if None in found:
            done = await store.compact()
            reach("erase.compacted")
            if done:
                self._compacted[owner.tp] = store
            for aside in self._folder.glob(f"{owner.name}.damaged-*"):
                await asyncio.to_thread(shutil.rmtree, aside, ignore_errors=True)
        return [each or ErasedFrom(PLACE, None, (), done) for each in found]

    async def compact_again(self, owner: PartitionOwner, store: PartitionStore) -> None:
        """Write a database anew that may come from before an erasure that others have told of."""
        if self.are_new(owner):
            return
        since = store.log_time - self._settings.erase_deadline_hours * HOUR
        receipts = store.reader.scan(ReceiptRow, ReceiptRow.kind)
        if not any(row.at >= since for _, row in receipts) or await store.compact():
            self._compacted[owner.tp] = store

    async def drop_unowned(self, owned: Iterable[PartitionOwner]) -> None:
        """Drop state of partitions that went elsewhere long ago: nobody looks after it here."""
        before = self._now() - self._settings.erase_deadline_hours * HOUR // 4
        log_name = topology.name(self._settings, topology.TENANT_LOG)
        names = {owner.name for owner in owned}
        for path in self._folder.glob(f"{log_name}-[0-9]*"):
            if path.name not in names and path.is_dir() and _written_at(path) < before:
                # Without a pause in between: whoever opens it from here on finds none.
                gone = path.rename(path.with_name(f"dropped-{path.name}"))
                log.info("state of a partition that went elsewhere is dropped: %s", path)
                await asyncio.to_thread(shutil.rmtree, gone, ignore_errors=True)


def _written_at(folder: Path) -> int:
    """When something in a folder was last written, microseconds."""
    times = [path.stat().st_mtime_ns for path in folder.iterdir()]
    return max(times, default=folder.stat().st_mtime_ns) // 1000
