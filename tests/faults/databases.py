"""What must hold of the states once all workers have stopped: all ways to them agree.

Live state = rebuilt from the changelog = a snapshot and the changelog's tail = the log, of archive
and Kafka, folded from zero; and what an owner told of its state = the log folded that far.
"""

import tempfile
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import msgspec
from aiokafka import TopicPartition
from rocksdict import Rdict

from streams import topology
from streams.core.errors import StoreDamaged
from streams.core.ids import partition_of
from streams.runtime import positions
from streams.runtime.digest import digest
from streams.runtime.fold_jobs import control_job, fold_job
from streams.runtime.job import Job
from streams.runtime.log_sources import ArchivedLog, KafkaLog, kafka_log
from streams.runtime.rebuild import rebuild
from streams.runtime.replay import advance, open_folding, steps_from
from streams.runtime.restoring import restore
from streams.runtime.snapshots import Bin
from streams.runtime.view import check, open_database
from streams.settings import Settings
from streams.snapshots.manifest import Wanted
from streams.snapshots.names import Place
from tests.faults.checks import CONTROL, Told
from tests.faults.fleet import Fleet
from tests.faults.forgetting import TENANTS as FORGETFUL
from tests.faults.quotas import check_leases
from tests.faults.wrong import Wrong

Rows = dict[bytes, bytes]
_OWN = b"\x01"


@dataclass(frozen=True)
class Bucket:
    """Where snapshots and archive are, past the proxy."""

    bin: Bin
    damaged: bool
    """Whether some of it was: then there may be no snapshot that is whole."""


@dataclass
class Compared:
    """What was compared: none of it may be left out unseen."""

    restored: int = 0
    replayed: int = 0
    archived: int = 0
    """Records of the replayed ones that only the archive was asked for."""


async def check_databases(
    settings: Settings, fleet: Fleet, told: Mapping[int, Told], bucket: Bucket, done: Compared
) -> list[Wrong]:
    """Hold the last owner's databases against all other ways to the same state.

    Against changelog and snapshots everything is compared, fences and identities too, but the
    position in the changelog; against the folded log, the digest.
    """
    wrong: list[Wrong] = []
    final: dict[int, Rows] = {}
    async with kafka_log(settings) as log:
        for partition in (CONTROL, *range(settings.partitions)):
            job = control_job(settings) if partition == CONTROL else fold_job(settings)
            each = _Partition(settings, job, max(partition, 0), log, bucket, done)
            live = each.live(fleet)
            final[partition] = live
            wrong += await each.check(live, told[partition]) if partition in told else []
    control = final.pop(CONTROL)
    return wrong + check_leases(settings, control, final)


class _Partition:
    def __init__(
        self,
        settings: Settings,
        job: Job,
        number: int,
        log: KafkaLog,
        bucket: Bucket,
        done: Compared,
    ) -> None:
        self._settings, self._job, self._number = settings, job, number
        self._log, self._bucket, self._done = log, bucket, done
        self._name = f"{job.topic}[{number}]"

    def live(self, fleet: Fleet) -> Rows:
        """Rows of the one that has folded most; older ones may be damaged and unnoticed."""
        states = []
        for worker in fleet.workers.values():
            folder = worker.folder / f"{self._job.topic}-{self._number}"
            if folder.exists():
                try:
                    states.append(_rows(folder))
                except Exception as error:
                    if not isinstance(error, StoreDamaged) and "orruption" not in str(error):
                        raise
        return max(states, key=_offset)

    async def check(self, live: Rows, told: Told) -> list[Wrong]:
        wrong: list[Wrong] = []
        with tempfile.TemporaryDirectory(prefix="streams-check-") as folder:
            ways = {
                "the changelog": await self._rebuilt(Path(folder) / "rebuilt"),
                "a snapshot and the changelog": await self._restored(Path(folder) / "restored"),
            }
            for name, rows in ways.items():
                if rows is not None and rows != live:
                    keys = [k for k in live.keys() | rows.keys() if live.get(k) != rows.get(k)]
                    kinds = Counter(key[:3] for key in keys)
                    wrong.append(Wrong(f"{self._name}: live and {name} differ: {dict(kinds)}"))
            if ways["a snapshot and the changelog"] is None and not self._bucket.damaged:
                wrong.append(Wrong(f"{self._name}: no snapshot of it can be used"))
            last = _offset(live)
            then, now = await self._replayed(Path(folder) / "zero", told.offset, last)
            if self._erases:
                # The archive lacks what was erased: it gives the rows of those who erased nothing.
                given = _of_others(_rows(Path(folder) / "zero"))
                if given != _of_others(live):
                    wrong.append(
                        Wrong(f"{self._name}: archive and log give others' rows otherwise")
                    )
                whole = Path(folder) / "whole"
                then, now = await self._replayed(whole, told.offset, last, archived=False)
            rebuilt = _digest_of(Path(folder) / "rebuilt")
        if now != rebuilt:
            wrong.append(
                Wrong(f"{self._name}: the changelog gives {rebuilt}, the log from zero {now}")
            )
        if then != told.digest:
            wrong.append(
                Wrong(f"{self._name}: the log up to {told.offset} gives {then}, its owner {told}")
            )
        return wrong

    @property
    def _changelog(self) -> TopicPartition:
        return TopicPartition(self._job.changelog, self._number)

    async def _rebuilt(self, folder: Path) -> Rows:
        db = open_database(folder)
        try:
            await rebuild(self._log.inquiry, self._job, self._number, db)
            return _all(db)
        finally:
            db.close()

    async def _restored(self, folder: Path) -> Rows | None:
        """As a worker without a disk begins; None where no snapshot is whole."""
        _, end = await self._log.inquiry.bounds(self._changelog)
        place = Place(self._settings.group, self._job.topic, self._number)
        wanted = Wanted(place=place, incarnation=0, end=end)
        if await restore(self._bucket.bin, wanted, folder) is None:
            return None
        self._done.restored += 1
        return await self._rebuilt(folder)

    @property
    def _erases(self) -> bool:
        """Whether a tenant that erases what it remembers is in this partition."""
        if self._job.topic != topology.name(self._settings, topology.TENANT_LOG):
            return False
        return self._number in {partition_of(t, self._settings.partitions) for t in FORGETFUL}

    async def _replayed(self, folder: Path, *offsets: int, archived: bool = True) -> list[str]:
        """Fold the log from zero; the digest at each of these offsets, which rise."""
        tp = TopicPartition(self._job.topic, self._number)
        archive = ArchivedLog(self._bucket.bin, self._settings.group)
        sources = (archive, self._log) if archived else (self._log,)
        digests = []
        with closing(open_database(folder)) as db:
            for offset in offsets:
                steps = await steps_from(positions.read_source(db), tp, sources, last=offset)
                spans = [step.span for step in steps if step.source is archive]
                self._done.archived += sum(span.end - span.begin for span in spans)
                folding = open_folding(self._job, self._number, db)
                self._done.replayed += await advance(folding, db, tp, steps)
                digests.append(digest(db.iter()).hex)
        return digests


def _digest_of(folder: Path) -> str:
    db = open_database(folder)
    try:
        return digest(db.iter()).hex
    finally:
        db.close()


def _rows(folder: Path) -> Rows:
    db = open_database(folder)
    try:
        return _all(db)
    finally:
        db.close()


def _all(db: Rdict) -> Rows:
    rows: Rows = {}
    it = db.iter()
    it.seek_to_first()
    while it.valid():
        rows[it.key()] = it.value()
        it.next()
    check(it)
    # About this copy alone are all that is not in the changelog, but for the identities.
    own = [k for k in rows if k.startswith(_OWN) and not k.startswith(positions.DEDUPE_PREFIX)]
    for key in own:
        del rows[key]
    return rows


def _of_others(rows: Rows) -> Rows:
    """Rows of tenants that erased nothing."""
    names = tuple(tenant.encode() + b"\0" for tenant in FORGETFUL)
    return {k: v for k, v in rows.items() if b"\0" in k and not any(n in k for n in names)}


def _offset(rows: Rows) -> int:
    value = rows.get(positions.SOURCE_KEY)
    return -1 if value is None else msgspec.msgpack.decode(value, type=positions.Source).offset
