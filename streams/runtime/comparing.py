"""Digests of live partitions beside those of the same states had from elsewhere.

The live state goes on meanwhile. So the other one is made first, then the live digests are asked
for with their offsets, and the other one folds the log up to there: what differs then is no matter
of time.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Literal

import msgspec
from aiokafka import TopicPartition
from rocksdict import Rdict

from streams.core.errors import Failed, Misuse, StreamsError
from streams.core.log import VERSION
from streams.runtime import positions
from streams.runtime.differences import Difference, first_difference
from streams.runtime.digest import digest
from streams.runtime.fold_jobs import control_job, fold_job
from streams.runtime.job import Job
from streams.runtime.log_sources import ArchivedLog, KafkaLog, LogSource, kafka_log
from streams.runtime.object_store import open_bin
from streams.runtime.rebuild import rebuild
from streams.runtime.replay import advance, open_folding, steps_from
from streams.runtime.replayed import read_replayed
from streams.runtime.restoring import restore
from streams.runtime.view import open_database, open_read_only
from streams.settings import Settings
from streams.snapshots.manifest import Wanted
from streams.snapshots.names import Place

Beside = Literal["changelog", "replay", "snapshot"]

TRIES = 3
"""To open a database that its owner is writing: a file may go between two looks."""


class Live(msgspec.Struct, frozen=True):
    """A partition as its owner says it is."""

    topic: str
    partition: int
    worker: str
    offset: int
    digest: str | None
    state: str


class Compared(msgspec.Struct, frozen=True):
    """A partition's live digest beside the other one."""

    topic: str
    partition: int
    digest: str | None
    rebuilt: str | None
    """Of the other state, at the live offset; None: it could not be brought there."""
    same: bool
    offset: int
    """Of the log: the live state's."""
    beside: Beside
    begun_at: int | None = None
    """Offset of the other state before it was folded up to the live one."""
    difference: Difference | None = None
    """The first row that differs, where this machine has the live rows."""
    note: str | None = None
    """Why they can't be compared, or no row can be named."""


class _Other(msgspec.Struct, frozen=True):
    job: Job
    partition: int
    path: Path

    @property
    def tp(self) -> TopicPartition:
        return TopicPartition(self.job.topic, self.partition)


async def compare(
    settings: Settings, beside: Beside, folder: Path | None, ask: Callable[[], list[Live]]
) -> list[Compared]:
    """Compare every partition.

    Parameters
    ----------
    folder : Path, optional
        Of the replay.
    ask : callable
        Asks for all live partitions with their digests; blocks.

    Raises
    ------
    Misuse
        The folder is no replay.
    """
    with tempfile.TemporaryDirectory(prefix="streams-digest-") as temporary:
        async with kafka_log(settings) as kafka:
            others = await _listed(settings, kafka, Path(temporary), folder)
            notes = [await _made(settings, beside, kafka, other, folder) for other in others]
            live = {(each.topic, each.partition): each for each in await asyncio.to_thread(ask)}
            sources = (ArchivedLog(open_bin(settings), settings.group), kafka)
            return [
                await _compared(settings, beside, sources, other, live.get(other.tp), note)
                for other, note in zip(others, notes, strict=True)
            ]


async def _listed(
    settings: Settings, kafka: KafkaLog, temporary: Path, folder: Path | None
) -> list[_Other]:
    log, control = fold_job(settings), control_job(settings)
    if folder is None:
        size = await kafka.inquiry.partitions(log.topic)
        wanted = [*((log, n) for n in range(size)), (control, 0)]
    else:
        jobs = {job.topic: job for job in (log, control)}
        items = read_replayed(folder).partitions
        if unknown := [each.topic for each in items if each.topic not in jobs]:
            raise Misuse(f"{folder} is of another installation: it has {unknown[0]}")
        wanted = [(jobs[each.topic], each.partition) for each in items]
    return [_Other(job, n, temporary / f"{job.topic}-{n}") for job, n in wanted]


async def _made(
    settings: Settings, beside: Beside, kafka: KafkaLog, other: _Other, folder: Path | None
) -> str | None:
    """Make the other state; why there is none."""
    if beside == "changelog":
        with closing(open_database(other.path)) as db:
            await rebuild(kafka.inquiry, other.job, other.partition, db)
    elif folder is not None:
        source = folder / other.path.name
        await asyncio.to_thread(shutil.copytree, source, other.path, copy_function=_linked)
    else:
        place = Place(settings.group, *other.tp)
        wanted = Wanted(place=place, fold_version=VERSION, schemas=tuple(other.job.schemas))
        if await restore(open_bin(settings), wanted, other.path) is None:
            return "there is no snapshot of it that can be used"
    return None


def _linked(source: str, target: str) -> None:
    """Copy a file; tables are never changed, so a link will do."""
    if source.endswith(".sst"):
        try:
            os.link(source, target)
        except OSError:
            pass
        else:
            return
    shutil.copy2(source, target)


async def _compared(
    settings: Settings,
    beside: Beside,
    sources: Sequence[LogSource],
    other: _Other,
    live: Live | None,
    note: str | None,
) -> Compared:
    live = live or Live(other.tp.topic, other.partition, "", -1, None, "unknown")
    found = Compared(
        live.topic, live.partition, live.digest, None, False, live.offset, beside, note=note
    )
    if note is not None:
        return found
    if live.digest is None:
        return msgspec.structs.replace(found, note=f"the live one has no digest: {live.state}")
    with closing(open_database(other.path)) as db:
        begun_at, note = await _follow(other, db, sources, live.offset)
        found = msgspec.structs.replace(found, begun_at=begun_at, note=note)
        if note is not None:
            return found
        rebuilt = (await asyncio.to_thread(digest, db.iter())).hex
        found = msgspec.structs.replace(found, rebuilt=rebuilt, same=rebuilt == live.digest)
        if found.same:
            return found
        difference, note = await _difference(settings, other, db, sources, live)
        return msgspec.structs.replace(found, difference=difference, note=note)


async def _follow(
    other: _Other, db: Rdict, sources: Sequence[LogSource], to: int
) -> tuple[int, str | None]:
    """Fold on to an offset of the log; where it began, and why it did not get there."""
    source = positions.read_source(db)
    begun_at = -1 if source is None else source.offset
    try:
        steps = await steps_from(source, other.tp, sources, last=to)
        folding = open_folding(other.job, other.partition, db)
        await advance(folding, db, other.tp, steps)
    except StreamsError as error:
        return begun_at, f"it is at offset {begun_at}, the live one at {to}: {error}"
    if folding.source.offset != to:
        at = folding.source.offset
        return begun_at, f"it is at offset {at}, the live one at {to}: they can't be compared"
    return begun_at, None


async def _difference(
    settings: Settings, other: _Other, db: Rdict, sources: Sequence[LogSource], live: Live
) -> tuple[Difference | None, str | None]:
    """Name the first row that differs from the live one's, which may have gone on."""
    path = Path(settings.data) / live.worker / other.path.name
    try:
        rows = await asyncio.to_thread(_open_live, path)
    except Failed as error:
        return None, str(error)
    with closing(rows):
        source = positions.read_source(rows)
        at = live.offset if source is None else source.offset
        _, note = await _follow(other, db, sources, at)
        if note is not None:
            return None, note
        found = await asyncio.to_thread(first_difference, rows.iter(), db.iter())
        return found, None if found else f"at offset {at} no row differs any more"


def _open_live(path: Path) -> Rdict:
    """Open a database that its owner has open, for reading.

    Raises
    ------
    Failed
        It is not on this machine, or can't be opened.
    """
    if not path.is_dir():
        raise Failed(f"no row can be named: the live rows are not in {path} on this machine")
    for left in range(TRIES, 0, -1):
        try:
            return open_read_only(path)
        except Exception as error:
            if left == 1:
                raise Failed(f"no row can be named: {path} can't be opened: {error}") from None
    raise AssertionError("unreachable")
