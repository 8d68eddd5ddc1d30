"""What must hold of the workers' databases once all workers have stopped."""

import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import msgspec
from aiokafka import TopicPartition
from rocksdict import Rdict

from streams.core.log import DEFAULT_CONFIG
from streams.core.time import HOUR
from streams.runtime import positions, recovery
from streams.runtime.clients import Inquiry
from streams.runtime.digest import digest
from streams.runtime.fold_jobs import control_job, fold_job
from streams.runtime.job import Job
from streams.runtime.view import open_database
from streams.settings import Settings
from tests.faults.checks import CONTROL
from tests.faults.fleet import Fleet
from tests.faults.quotas import check_leases
from tests.faults.wrong import Wrong


async def check_databases(
    settings: Settings, fleet: Fleet, digests: Mapping[int, str]
) -> list[Wrong]:
    """After all have stopped: the last owner's database is what the topics alone give.

    Compares everything, fences and identities too, but the position in the changelog; and the
    state's digest with what its owner said (``digests``).
    """
    wrong: list[Wrong] = []
    final: dict[int, dict[bytes, bytes]] = {}
    for partition in (CONTROL, *range(settings.partitions)):
        job = control_job(settings) if partition == CONTROL else fold_job(settings)
        number = max(partition, 0)
        folders = [w.folder / f"{job.topic}-{number}" for w in fleet.workers.values()]
        states = [_rows(folder) for folder in folders if folder.exists()]
        live = max(states, key=lambda rows: _offset(rows))
        with tempfile.TemporaryDirectory(prefix="streams-check-") as folder:
            db = open_database(Path(folder) / "state")
            await _rebuild(settings, job, number, db)
            rebuilt, replayed = _all(db), digest(db.iter()).hex
            db.close()
        name = "control" if partition == CONTROL else f"partition {partition}"
        if replayed != digests.get(partition):
            what = f"the changelog gives {replayed}, its owner said {digests.get(partition)}"
            wrong.append(Wrong(f"{name}: {what}"))
        if live != rebuilt:
            keys = [k for k in live.keys() | rebuilt.keys() if live.get(k) != rebuilt.get(k)]
            kinds = Counter(key[:3] for key in keys)
            wrong.append(Wrong(f"{name}: database and topics differ: {dict(kinds)}"))
        final[partition] = live
    control = final.pop(CONTROL)
    return wrong + check_leases(settings, control, final)


async def _rebuild(settings: Settings, job: Job, partition: int, db: Rdict) -> None:
    inquiry = Inquiry(settings.kafka)
    await inquiry.start()
    try:
        await recovery.replay_changelog(inquiry, TopicPartition(job.changelog, partition), db)
        window = (positions.read_config(db) or DEFAULT_CONFIG).dedupe_hours * HOUR
        if job.dedupe is not None:
            dedupe = TopicPartition(job.dedupe, partition)
            await recovery.replay_dedupe(inquiry, dedupe, db, window)
    finally:
        await inquiry.stop()


def _rows(folder: Path) -> dict[bytes, bytes]:
    db = open_database(folder)
    try:
        return _all(db)
    finally:
        db.close()


def _all(db: Rdict) -> dict[bytes, bytes]:
    rows: dict[bytes, bytes] = dict(db.items())
    rows.pop(positions.CHANGELOG_KEY, None)
    rows.pop(positions.CHANGELOG_TIME_KEY, None)
    rows.pop(positions.DEDUPE_POSITION_KEY, None)
    return rows


def _offset(rows: dict[bytes, bytes]) -> int:
    value = rows.get(positions.SOURCE_KEY)
    return -1 if value is None else msgspec.msgpack.decode(value, type=positions.Source).offset
