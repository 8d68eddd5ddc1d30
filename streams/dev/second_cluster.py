"""A fresh Kafka and fresh workers from what the bucket holds alone."""

import shutil
import time
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import msgspec
from aiokafka.errors import KafkaError
from rocksdict import Rdict

from streams import topology
from streams.adapters.object_folder import FolderStore
from streams.core.errors import Failed, Misuse
from streams.ports import Told
from streams.runtime import positions
from streams.runtime.clients import Inquiry
from streams.runtime.digest import digest
from streams.runtime.fold_jobs import job_of
from streams.runtime.log_sources import ArchivedLog
from streams.runtime.new_cluster import MovedIn, move_in
from streams.runtime.object_store import open_bin
from streams.runtime.rebuild import rebuild
from streams.runtime.replay import Asked, replay
from streams.runtime.replayed import Replayed, ReplayedPartition
from streams.runtime.snapshots import Bin, list_snapshots
from streams.runtime.view import open_database, scan_raw
from streams.settings import Settings
from streams.snapshots.names import Layout


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What a cluster was made from."""

    incarnation: int
    rows: int
    identities: int
    memories: int
    restored_to: str | None
    """Log time of the last record that is in it."""
    partitions: list[ReplayedPartition]
    read_seconds: float
    """Fetching snapshots and folding the archive's rest."""
    write_seconds: float


def bucket_of(settings: Settings, source: Path | None) -> Bin:
    """Where to restore from: the bucket, or the data folder of a system without one.

    Raises
    ------
    Misuse
        Neither is given.
    """
    if source is not None:
        folder = source / "snapshots"
        if not folder.is_dir():
            raise Misuse(f"{folder} does not exist: there is nothing to restore from")
        return Bin(FolderStore(folder), Layout.of(settings.s3_prefix))
    if not settings.s3_bucket and not (Path(settings.data) / "snapshots").is_dir():
        raise Misuse("nothing to restore from: set STREAMS_S3_BUCKET, or give --from DIR")
    return open_bin(settings)


class Restoring:
    """What brings states into a machine before its workers start.

    Parameters
    ----------
    of : Bin
        Where they come from.
    drill : bool
        Nothing is taken over, and what was written is read back and compared.
    """

    def __init__(
        self, of: Bin, folder: Path, told: Told, warn: Told, *, drill: bool = False
    ) -> None:
        self._of = of
        self._folder = folder
        self._told = told
        self._warn = warn
        self._drill = drill
        self.restored: Restored | None = None
        self.same = True

    async def __call__(self, settings: Settings) -> None:
        """Restore into the cluster of these settings.

        Raises
        ------
        Misuse
            There is nothing, or the cluster or the settings are not as they must be.
        Failed
            Kafka or the bucket does not do what it must.
        """
        try:
            await self._restore(settings)
        except KafkaError as error:
            raise Failed(f"Kafka at {settings.kafka}: {error!r}") from error

    async def _restore(self, settings: Settings) -> None:
        began = time.monotonic()
        await self._check(settings)
        shutil.rmtree(self._folder, ignore_errors=True)
        self._told("fetching snapshots and folding what came after them")
        found = await replay(
            Asked(
                settings=settings,
                sources=(ArchivedLog(self._of, settings.group),),
                snapshots=self._of,
                partitions=settings.partitions,
                # What older folds have made is better than nothing.
                same_folds=False,
                told=self._warn,
            ),
            self._folder,
        )
        self._check_partitions(settings, found)
        read = time.monotonic()
        moved = await move_in(
            *(settings, self._folder, found, self._of, self._told),
            into=open_bin(settings),
            takes_over=not self._drill,
        )
        written = time.monotonic()
        if self._drill:
            self.same = await self._as_written(settings, found)
        shutil.rmtree(self._folder, ignore_errors=True)
        self.restored = _restored(moved, found, read - began, written - read)

    async def _check(self, settings: Settings) -> None:
        log = topology.name(settings, topology.TENANT_LOG)
        places = [one.place for one in await list_snapshots(self._of)]
        mine = [at.partition for at in places if (at.group, at.topic) == (settings.group, log)]
        if not mine:
            raise Misuse(
                f"{self._of.store.where} has no snapshot of {log} of the group {settings.group}"
            )
        if max(mine) >= settings.partitions:
            raise _wrong_partitions(f"at least {max(mine) + 1}", settings)

    def _check_partitions(self, settings: Settings, found: Replayed) -> None:
        for each in found.tenants:
            with closing(open_database(self._folder / each.folder)) as db:
                config = positions.read_config(db)
            if config is not None and config.partitions != settings.partitions:
                raise _wrong_partitions(str(config.partitions), settings)

    async def _as_written(self, settings: Settings, found: Replayed) -> bool:
        """Compare what the new changelogs hold with the states that were replayed."""
        inquiry = Inquiry(settings.kafka)
        await inquiry.start()
        try:
            for each in found.partitions:
                job = job_of(settings, each.log)
                here = self._folder / each.folder
                there = here.with_name(f"{here.name}.written")
                with closing(open_database(here)) as old, closing(open_database(there)) as new:
                    await rebuild(inquiry, job, each.partition, new)
                    if digest(old.iter()) != digest(new.iter()) or _known(old) != _known(new):
                        return False
            return True
        finally:
            await inquiry.stop()


def _wrong_partitions(had: str, settings: Settings) -> Misuse:
    return Misuse(
        f"the log had {had} partitions and STREAMS_PARTITIONS is {settings.partitions}: "
        "their number is fixed for life"
    )


def _known(db: Rdict) -> str:
    """Digest of what keeps events from being counted twice: fences and identities."""
    total = sha256()
    for prefix in (positions.ORIGIN_PREFIX, positions.CONFIG_KEY, positions.DEDUPE_PREFIX):
        for key, value in scan_raw(db, prefix):
            total.update(b"%d %b%d %b" % (len(key), key, len(value), value))
    return total.hexdigest()


def _restored(moved: MovedIn, found: Replayed, read: float, write: float) -> Restored:
    times = [each.log_time for each in found.partitions if each.offset >= 0]
    return Restored(
        incarnation=moved.incarnation,
        rows=moved.rows,
        identities=moved.identities,
        memories=moved.memories,
        restored_to=max(times, default=None),
        partitions=found.partitions,
        read_seconds=round(read, 3),
        write_seconds=round(write, 3),
    )
