"""Snapshotter: brings what a process owns into the object store, one partition after the other."""

import asyncio
import logging
import shutil
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

import msgspec
from faust.types import TP

import streams
from streams.core.errors import StoreDamaged, StoreLost, StreamsError
from streams.core.log import VERSION
from streams.core.time import HOUR, SECOND
from streams.ports import SnapshotTaken
from streams.runtime import metrics
from streams.runtime.archiver import Archiver
from streams.runtime.collecting import collect
from streams.runtime.described import described
from streams.runtime.owner import PartitionOwner
from streams.runtime.snapshots import Bin, Hashes, list_snapshots, upload
from streams.runtime.turns import Turns
from streams.settings import Settings
from streams.snapshots.manifest import Manifest

log = logging.getLogger(__name__)

LAST_SECONDS = 4.0
"""For all snapshots of a clean stop; what is not done by then the next owner has from Kafka."""
COLLECT_EVERY = HOUR


class _Last(msgspec.Struct, frozen=True):
    changes: int
    at: int


class Snapshotter:
    """Takes snapshots of the partitions that a process owns.

    Parameters
    ----------
    folder : Path
        The worker's; checkpoints are linked to databases, so they lie beside them.
    owners : callable
        The partitions that this process has now.
    collects : callable
        Whether this process collects garbage: one of all does.
    archiver : Archiver, optional
        Archives their logs first: a snapshot alone can't bring back what was folded after it.
    before : callable, optional
        Sees to it that nothing lies in a database's files that no snapshot may carry on.
    """

    def __init__(
        self,
        settings: Settings,
        into: Bin,
        folder: Path,
        owners: Callable[[], Iterable[PartitionOwner]],
        collects: Callable[[], bool],
        now: Callable[[], int],
        archiver: Archiver | None = None,
        before: Callable[[PartitionOwner], Awaitable[None]] | None = None,
    ) -> None:
        self._before = before
        self._archiver = archiver
        self._settings = settings
        self._into = into
        self._folder = folder / "checkpoints"
        self._owners = owners
        self._collects = collects
        self._now = now
        self._hashes: dict[TP, Hashes] = {}
        self._last: dict[TP, _Last] = {}
        self._turn = asyncio.Lock()
        self._collected_at = now()
        self._turns = Turns(
            self._take_and_collect,
            settings.snapshot_seconds,
            name="snapshots",
            log=log,
            failed="taking snapshots failed",
        )

    def start(self) -> None:
        self._turns.start()

    async def stop(self) -> None:
        """Take the last ones, within bounds."""
        await self._turns.stop()
        if self._turns.began:
            try:
                await asyncio.wait_for(self.take(), LAST_SECONDS)
            except TimeoutError:
                log.info("the last snapshots took too long: the changelog has what is not in them")
            except Exception:
                log.exception("taking the last snapshots failed")

    def age_seconds(self, tp: TP) -> float | None:
        """Seconds since this process took the partition's last snapshot, None if it took none."""
        last = self._last.get(tp)
        return None if last is None else (self._now() - last.at) / SECOND

    async def take(self, *, unchanged: bool = False) -> list[SnapshotTaken]:
        """Take snapshots of what has changed since the last ones.

        Parameters
        ----------
        unchanged : bool
            Of all partitions, whether they have changed or not.
        """
        taken = []
        async with self._turn:
            if self._archiver is not None:
                await self._archiver.take(unchanged=unchanged)
            for owner in list(self._owners()):
                if owner.store is not None and (unchanged or await self._changed(owner)):
                    taken.append(await self._one(owner))
        return taken

    async def one(self, owner: PartitionOwner) -> SnapshotTaken:
        """Take a snapshot of one partition as it is now."""
        async with self._turn:
            return await self._one(owner)

    async def _take_and_collect(self) -> None:
        await self.take()
        await self._collect()

    async def _changed(self, owner: PartitionOwner) -> bool:
        """Ticks alone are no change; but no snapshot may grow as old as the changelog's memory."""
        store = owner.store
        assert store is not None
        last = self._last.get(owner.tp) or await self._found(owner)
        if last is None:
            return store.changes > 0 or store.changelog_offset > 0
        old = self._now() - last.at > self._settings.log_retention_hours * HOUR // 4
        return store.changes != last.changes or old

    async def _found(self, owner: PartitionOwner) -> _Last | None:
        """Return what an earlier owner left: of a state that has not changed since, it will do."""
        try:
            listed = await list_snapshots(self._into, owner.place)
        except (StreamsError, OSError) as error:
            log.warning("snapshots of %s[%d] can't be listed: %s", *owner.tp, error)
            return None
        if not listed:
            return None
        self._last[owner.tp] = _Last(0, listed[-1].modified)
        return self._last[owner.tp]

    async def _one(self, owner: PartitionOwner) -> SnapshotTaken:
        began = time.monotonic()
        folder = self._folder / owner.name
        topic, partition = owner.tp
        store = owner.store
        try:
            if store is None:
                raise StoreLost("the partition is being taken over")
            changes = store.changes
            if self._before is not None:
                await self._before(owner)
            await store.checkpoint(folder)
            found = await described(folder)
            about = Manifest(
                group=self._settings.group,
                topic=topic,
                partition=partition,
                incarnation=owner.changelog_incarnation,
                fold_version=VERSION,
                code_version=streams.__version__,
                created_at=self._now(),
                files=(),
                **msgspec.structs.asdict(found),
            )
            hashes = self._hashes.setdefault(owner.tp, Hashes())
            done = await upload(self._into, folder, about, hashes=hashes, now=self._now)
        except Exception as error:
            # RocksDB's are no more than that, of a full disk too.
            if isinstance(error, StoreDamaged) and store is not None:
                # Its tables are the database's own: the owner begins anew before it goes on.
                store.reader.damage = error
            log.warning("no snapshot of %s/%d: %s", topic, partition, error)
            return SnapshotTaken(topic, partition, error=str(error))
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        self._last[owner.tp] = _Last(changes, about.created_at)
        metrics.SNAPSHOT_BYTES.inc(done.bytes)
        return SnapshotTaken(
            topic,
            partition,
            name=done.name,
            digest=about.digest,
            rows=about.rows,
            files=done.files,
            bytes=done.bytes,
            total_bytes=done.total_bytes,
            seconds=round(time.monotonic() - began, 3),
        )

    async def _collect(self) -> None:
        if not self._collects() or self._now() < self._collected_at + COLLECT_EVERY:
            return
        self._collected_at = self._now()
        settings = self._settings
        try:
            keep_for = settings.snapshot_keep_hours * HOUR
            done = await collect(
                self._into, keep=settings.snapshot_keep, keep_for=keep_for, now=self._now
            )
        except (StreamsError, OSError) as error:
            log.warning("nothing collected: %s", error)
            return
        log.info("%d snapshots retired, %d objects deleted", len(done.manifests), done.objects)
