"""Archive and snapshots without what was erased."""

import asyncio
import logging
from collections.abc import Callable, Sequence

from streams.core.log import ErasedFrom
from streams.memory.forget_rows import ReceiptRow
from streams.memory.receipts import reached, told
from streams.runtime.archiver import Archiver
from streams.runtime.cleaning import clean
from streams.runtime.collecting import unnamed
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

ARCHIVE, SNAPSHOTS = "archive", "snapshots"
RETIRE_AFTER = COMMIT_WITHIN + SLACK
"""Uploads that began with an earlier snapshot have ended by then (streams/snapshots/garbage.py)."""


class ErasedBucket:
    """Of the partitions that a process owns.

    Parameters
    ----------
    now : callable
        Wall clock, microseconds.
    """

    def __init__(
        self,
        settings: Settings,
        into: Bin,
        archiver: Archiver,
        snapshotter: Snapshotter,
        now: Callable[[], int],
    ) -> None:
        self._settings = settings
        self._into = into
        self._archiver = archiver
        self._snapshotter = snapshotter
        self._now = now

    async def archive(
        self, owner: PartitionOwner, store: PartitionStore, receipts: Sequence[ReceiptRow]
    ) -> list[ErasedFrom]:
        """Rewrite segments if a receipt asks for it; how far each has come."""
        found = [reached(row, ARCHIVE) for row in receipts]
        done = None not in found or await self._clean(owner, store)
        return [each or ErasedFrom(ARCHIVE, None, (), done) for each in found]

    async def _clean(self, owner: PartitionOwner, store: PartitionStore) -> bool:
        # What is archived from here on is without it.
        if await self._archiver.one(owner) is None:
            return False
        found = await clean(self._into, self._place(owner), without_erased(store.reader))
        if found.damaged:
            log.warning("nobody knows what is in %s", ", ".join(found.damaged))
        return not found.damaged

    async def snapshots(
        self, owner: PartitionOwner, receipts: Sequence[ReceiptRow], *, files_are_new: bool
    ) -> list[ErasedFrom]:
        """Take one without it, retire those before once no upload rests on them."""
        fresh = ErasedFrom(SNAPSHOTS, None, (), False)
        if files_are_new and any(not _mark(row) for row in receipts):
            fresh = await self._new(owner) or fresh
        marks = [told(row, SNAPSHOTS) or fresh for row in receipts]
        marks = [fresh if not mark.upto else mark for mark in marks]
        due = [mark for mark in marks if not mark.done and self._is_due(mark)]
        left = await self._retire(owner, due) if due else []
        return [
            ErasedFrom(mark.place, mark.by, mark.upto, True)
            if mark in due and not any(one < mark.upto[2] for one in left)
            else mark
            for mark in marks
        ]

    def _is_due(self, mark: ErasedFrom) -> bool:
        return bool(mark.upto) and self._now() >= mark.upto[2] + RETIRE_AFTER

    async def _new(self, owner: PartitionOwner) -> ErasedFrom | None:
        began = self._now()
        if (await self._snapshotter.one(owner)).error is not None:
            return None
        newest = (await list_snapshots(self._into, self._place(owner)))[-1]
        if (await read_manifest(self._into, newest)).created_at < began:
            return None  # nothing was folded since: it is of the files before
        by = began + RETIRE_AFTER + GRACE + COLLECT_EVERY
        upto = (newest.position.incarnation, newest.position.offset, newest.modified)
        return ErasedFrom(SNAPSHOTS, by, upto, False)

    async def _retire(self, owner: PartitionOwner, due: Sequence[ErasedFrom]) -> list[int]:
        """Retire snapshots before these marks; when what is left was written."""
        incarnation, offset, _ = max(mark.upto for mark in due)
        before = Position(incarnation, offset)
        listed = await list_snapshots(self._into, self._place(owner))
        old = [one for one in listed if one.position < before]
        if old and len(old) == len(listed):
            return [0]  # somebody has taken the newer ones away: these are needed
        if old:
            await asyncio.to_thread(self._into.store.delete, [one.name for one in old])
            reach("erase.retired")
        # Their files go with the next collection.
        return await unnamed(self._into)

    def _place(self, owner: PartitionOwner) -> Place:
        return Place(self._settings.group, *owner.tp)


def _mark(row: ReceiptRow) -> tuple[int, ...]:
    before = told(row, SNAPSHOTS)
    return () if before is None else before.upto
