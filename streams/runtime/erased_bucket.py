"""Archive and snapshots without what was erased."""

import asyncio
import logging
from collections.abc import Callable, Sequence

from msgspec import structs

from streams.core.log import ErasedFrom
from streams.memory.forget_rows import ReceiptRow
from streams.memory.receipts import told
from streams.runtime.archiver import Archiver
from streams.runtime.cleaning import clean
from streams.runtime.collecting import unnamed
from streams.runtime.erased_records import without_erased
from streams.runtime.failpoints import reach
from streams.runtime.owner import PartitionOwner
from streams.runtime.snapshots import Bin, list_snapshots, read_manifest
from streams.runtime.snapshotter import COLLECT_EVERY, Snapshotter
from streams.runtime.store import PartitionStore
from streams.snapshots.garbage import COMMIT_WITHIN, GRACE, SLACK
from streams.snapshots.names import Position

log = logging.getLogger(__name__)

ARCHIVE, SNAPSHOTS = "archive", "snapshots"
RETIRE_AFTER = COMMIT_WITHIN + SLACK
"""Uploads that began with an earlier snapshot have ended by then (streams/snapshots/garbage.py)."""
_BLANK = ErasedFrom(ARCHIVE, None, (), False)


class ErasedBucket:
    """Of the partitions that a process owns.

    Parameters
    ----------
    now : callable
        Wall clock, microseconds.
    """

    def __init__(
        self,
        into: Bin,
        archiver: Archiver,
        snapshotter: Snapshotter,
        now: Callable[[], int],
    ) -> None:
        self._into = into
        self._archiver = archiver
        self._snapshotter = snapshotter
        self._now = now

    async def archive(
        self, owner: PartitionOwner, store: PartitionStore, receipts: Sequence[ReceiptRow]
    ) -> list[ErasedFrom]:
        """Rewrite segments at once, and look again when no earlier owner can still write any."""
        now = self._now()
        marks = [told(row, ARCHIVE) or _BLANK for row in receipts]
        due = [not each.upto or now >= each.upto[0] + RETIRE_AFTER for each in marks]
        wanted = any(is_due and not each.done for each, is_due in zip(marks, due, strict=True))
        rewritten = await self._clean(owner, store) if wanted else None
        if rewritten and any(each.upto and not each.done for each in marks):
            # Perhaps for newer erasures alone: they must not keep the older ones waiting.
            rewritten = await self._clean(owner, store)
        if rewritten is None:
            return marks
        first = ErasedFrom(ARCHIVE, now + RETIRE_AFTER, (now,), False)
        found = []
        for mark, is_due in zip(marks, due, strict=True):
            if is_due and not mark.done:
                stayed_clean = mark.upto and not rewritten
                mark = structs.replace(mark, done=True) if stayed_clean else first
            found.append(mark)
        return found

    async def _clean(self, owner: PartitionOwner, store: PartitionStore) -> int | None:
        """Return how many segments had to be rewritten; None: nobody knows."""
        # What is archived from here on is without it.
        if await self._archiver.one(owner) is None:
            return None
        found = await clean(self._into, owner.place, without_erased(store.reader))
        if found.damaged:
            log.warning("nobody knows what is in %s", ", ".join(found.damaged))
            return None
        return found.rewritten

    async def snapshots(
        self, owner: PartitionOwner, receipts: Sequence[ReceiptRow], *, files_are_new: bool
    ) -> list[ErasedFrom]:
        """Take one without it, retire those before once no upload rests on them."""
        fresh = ErasedFrom(SNAPSHOTS, None, (), False)
        marks = [told(row, SNAPSHOTS) or fresh for row in receipts]
        if files_are_new and not all(mark.upto for mark in marks):
            fresh = await self._new(owner) or fresh
        marks = [mark if mark.upto else fresh for mark in marks]
        due = [mark for mark in marks if not mark.done and self._is_due(mark)]
        left = await self._retire(owner, due) if due else []
        return [
            structs.replace(mark, done=True)
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
        newest = (await list_snapshots(self._into, owner.place))[-1]
        if (await read_manifest(self._into, newest)).created_at < began:
            return None  # nothing was folded since: it is of the files before
        by = began + RETIRE_AFTER + GRACE + COLLECT_EVERY
        upto = (newest.position.incarnation, newest.position.offset, newest.modified)
        return ErasedFrom(SNAPSHOTS, by, upto, False)

    async def _retire(self, owner: PartitionOwner, due: Sequence[ErasedFrom]) -> list[int]:
        """Retire snapshots before these marks; when what is left was written."""
        incarnation, offset, _ = max(mark.upto for mark in due)
        before = Position(incarnation, offset)
        listed = await list_snapshots(self._into, owner.place)
        old = [one for one in listed if one.position < before]
        if old and len(old) == len(listed):
            return [0]  # somebody has taken the newer ones away: these are needed
        if old:
            await asyncio.to_thread(self._into.store.delete, [one.name for one in old])
            reach("erase.retired")
        # Their files go with the next collection.
        return await unnamed(self._into)
