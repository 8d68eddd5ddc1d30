"""Local files without what was erased: databases written anew, old ones dropped."""

import asyncio
import logging
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from faust.types import TP
from msgspec import structs

from streams import topology
from streams.core.log import ErasedFrom
from streams.core.time import HOUR
from streams.memory.forget_rows import ReceiptRow
from streams.memory.receipts import told
from streams.runtime.failpoints import reach
from streams.runtime.owner import PartitionOwner
from streams.runtime.store import PartitionStore
from streams.settings import Settings

log = logging.getLogger(__name__)

PLACE = "local files"
DROPPED = "dropped-"
AGAIN_SECONDS = 60.0
"""After a try that failed, or met somebody who reads an earlier moment."""
_BLANK = ErasedFrom(PLACE, None, (), False)


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
        self._tried: dict[TP, tuple[PartitionStore, float]] = {}

    def are_new(self, owner: PartitionOwner) -> bool:
        """Whether the database was written anew since the partition was opened."""
        return self._compacted.get(owner.tp) is owner.store

    async def bring_on(
        self, owner: PartitionOwner, store: PartitionStore, receipts: Iterable[ReceiptRow]
    ) -> list[ErasedFrom]:
        """Write the database anew if a receipt asks for it; how far each has come.

        What was put aside of it as damaged goes.
        """
        marks = [told(row, PLACE) or _BLANK for row in receipts]
        if all(mark.done for mark in marks):
            return marks
        done = await self._compact(owner, store)
        reach("erase.compacted")
        for aside in self._folder.glob(f"{owner.name}.damaged-*"):
            await asyncio.to_thread(shutil.rmtree, aside, ignore_errors=True)
        return [mark if mark.done else structs.replace(mark, done=done) for mark in marks]

    async def _compact(self, owner: PartitionOwner, store: PartitionStore) -> bool:
        done = await store.compact()
        if done:
            self._compacted[owner.tp] = store
        else:
            self._compacted.pop(owner.tp, None)
        return done

    async def compact_again(self, owner: PartitionOwner) -> None:
        """Write a database anew that may come from before an erasure that others have told of.

        Before its first snapshot, and else soon after it was opened.
        """
        store = owner.store
        if store is None or self.are_new(owner):
            return
        tried, at = self._tried.get(owner.tp, (None, 0.0))
        if tried is store and time.monotonic() < at + AGAIN_SECONDS:
            return
        self._tried[owner.tp] = (store, time.monotonic())
        since = store.log_time - self._settings.erase_deadline_hours * HOUR
        rows = store.reader.scan(ReceiptRow, ReceiptRow.kind)
        if any(row.rows_at is None or row.rows_at >= since for _, row in rows):
            await self._compact(owner, store)
        else:
            self._compacted[owner.tp] = store

    async def drop_unowned(self, owned: Callable[[], Iterable[PartitionOwner]]) -> None:
        """Drop state of partitions that went elsewhere long ago: nobody looks after it here."""
        before = self._now() - self._settings.erase_deadline_hours * HOUR // 4
        log_name = topology.name(self._settings, topology.TENANT_LOG)
        checkpoints = self._folder / "checkpoints"
        found = [*self._folder.glob(f"{log_name}-[0-9]*"), *checkpoints.glob(f"{log_name}-[0-9]*")]
        for path in found:
            # Owned are also those that wait: for a take-over, or in it.
            names = {owner.name for owner in owned()}
            try:
                if path.name in names or not path.is_dir() or _written_at(path) >= before:
                    continue
                # Without a pause in between: whoever opens it from here on finds none.
                gone = path.rename(self._folder / f"{DROPPED}{time.time_ns()}-{path.name}")
            except OSError as error:
                log.warning("%s is not dropped: %s", path, error)
                continue
            log.info("state of a partition that went elsewhere is dropped: %s", path)
            await asyncio.to_thread(shutil.rmtree, gone, ignore_errors=True)
        # Of who was killed while it dropped them.
        for path in self._folder.glob(f"{DROPPED}*"):
            await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)


def _written_at(folder: Path) -> int:
    """When something in a folder was last written, microseconds."""
    times = [path.stat().st_mtime_ns for path in folder.iterdir()]
    return max(times, default=folder.stat().st_mtime_ns) // 1000
