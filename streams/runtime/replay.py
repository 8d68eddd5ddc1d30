"""Replay: the state as it was, built beside the live one from snapshot, archive and log.

It folds with the code of the live store (runtime/folding.py) and sends nothing. As at TIME means:
all records up to the first whose append time is past it, so that the log time is not.
"""

import asyncio
import math
from collections.abc import Callable, Sequence
from contextlib import aclosing
from itertools import takewhile
from pathlib import Path
from typing import Any

import msgspec
from aiokafka import TopicPartition
from rocksdict import Rdict, WriteBatch

import streams
from streams.core.log import DEFAULT_CONFIG, VERSION
from streams.core.time import format_time
from streams.ports import Told
from streams.runtime import positions
from streams.runtime.archive import read_follows
from streams.runtime.fold_jobs import control_job, fold_job
from streams.runtime.folding import Folding
from streams.runtime.job import Job
from streams.runtime.log_sources import LogGap, LogSource, Span, Step, plan
from streams.runtime.recovery import load_fences
from streams.runtime.replayed import Replayed, ReplayedPartition, write_replayed
from streams.runtime.restoring import Passed, restore
from streams.runtime.snapshots import Bin
from streams.runtime.view import open_database
from streams.settings import Settings
from streams.snapshots.manifest import Wanted
from streams.snapshots.names import Place

RECORDS = 4_000
"""Folded between two writes."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be replayed."""

    settings: Settings
    sources: Sequence[LogSource]
    """Each has a part of the log; the first that has a record gives it."""
    snapshots: Bin | None
    """Where to begin from; None: from zero."""
    partitions: int
    """Of the tenant log."""
    until: int | None = None
    """Log time, microseconds."""
    same_folds: bool = True
    """Whether a snapshot must be of these folds: else it is not what they make of the log."""
    told: Told = lambda _: None
    advanced: Callable[[int, int], None] = lambda _done, _total: None
    """Hears of offsets done and of how many there are."""


def open_folding(job: Job, partition: int, db: Rdict) -> Folding:
    """Go on from where a database stands, sending nothing."""
    source = positions.read_source(db) or positions.NOTHING
    config = positions.read_config(db) or DEFAULT_CONFIG
    return Folding(job, partition, db, source, load_fences(db), config, sends=False)


def fold_all(folding: Folding, db: Rdict, records: Sequence[Any]) -> None:
    """Fold records and write what comes of them.

    Raises
    ------
    PartitionRed
        One can't be read or folded; what stands before it is written if it can't be read.
    """
    work = folding.take(records)
    while work.left:
        folding.fold(work, math.inf)
        rows, _ = folding.rows()
        batch = WriteBatch(raw_mode=True)
        folding.write(batch, rows)
        db.write(batch)
        folding.committed()
    if work.unreadable is not None:
        raise work.unreadable


async def steps_from(
    source: positions.Source | None,
    tp: TopicPartition,
    sources: Sequence[LogSource],
    *,
    last: int | None = None,
) -> list[Step]:
    """Plan how to read on from a position; None: from zero."""
    found = [(one, await one.spans(tp)) for one in sources]
    after = None if source is None else (source.incarnation, source.offset)
    return plan(after, found, last=last)


async def advance(
    folding: Folding,
    db: Rdict,
    tp: TopicPartition,
    steps: Sequence[Step],
    *,
    until: int | None = None,
    advanced: Callable[[int], None] = lambda _: None,
) -> int:
    """Fold on, through these steps, up to a log time; returns how many records were folded.

    Raises
    ------
    LogGap
        Some of them are nowhere.
    """
    folded = before = 0
    for step in steps:
        span = step.span
        if step.source is None:
            raise LogGap(_missing(tp, span))
        if span.incarnation != folding.source.incarnation:
            folding.enter(span.incarnation)
        async with aclosing(step.source.read(tp, span)) as batches:
            async for records in batches:
                wanted = _wanted(records, span, until)
                for start in range(0, len(wanted), RECORDS):
                    fold_all(folding, db, wanted[start : start + RECORDS])
                    await asyncio.sleep(0)
                    advanced(before + folding.source.offset + 1 - span.begin)
                folded += len(wanted)
                if len(wanted) < len(records) and records[len(wanted)].offset < span.end:
                    return folded
        before += span.end - span.begin
        advanced(before)
    return folded


def _wanted(records: Sequence[Any], span: Span, until: int | None) -> Sequence[Any]:
    """Those within the span and before the first that is past the time."""
    end = len(records)
    if records and records[-1].offset >= span.end:
        end = sum(1 for _ in takewhile(lambda record: record.offset < span.end, records))
    if until is None:
        return records[:end]
    for at in range(end):
        if records[at].timestamp * 1000 > until:
            return records[:at]
    return records[:end]


def _missing(tp: TopicPartition, span: Span) -> str:
    of = f" of incarnation {span.incarnation}" if span.incarnation else ""
    return (
        f"{tp.topic}[{tp.partition}]: offsets {span.begin} to {span.end - 1}{of} are gone from "
        "Kafka, and no archive has them"
    )


async def replay(asked: Asked, folder: Path) -> Replayed:
    """Build the state of every partition in a folder, which is empty or not there.

    Raises
    ------
    LogGap
        Records that are needed are nowhere.
    """
    jobs = [(fold_job(asked.settings), n) for n in range(asked.partitions)]
    jobs.append((control_job(asked.settings), 0))
    begun = []
    for job, partition in jobs:
        begun.append(await _begun(asked, job, partition, folder))
    total = sum(each.offsets for each in begun)
    done, replayed = 0, []
    for each in begun:
        replayed.append(await _replayed(asked, each, folder, done, total))
        done += each.offsets
        asked.advanced(done, total)
    until = None if asked.until is None else format_time(asked.until)
    found = Replayed(code_version=streams.__version__, until=until, partitions=replayed)
    write_replayed(folder, found)
    return found


class _Begun(msgspec.Struct, frozen=True):
    """A partition before its log is read."""

    job: Job
    partition: int
    begun_from: str
    steps: list[Step]

    @property
    def tp(self) -> TopicPartition:
        return TopicPartition(self.job.topic, self.partition)

    @property
    def offsets(self) -> int:
        return sum(step.span.end - step.span.begin for step in self.steps)


async def _begun(asked: Asked, job: Job, partition: int, folder: Path) -> _Begun:
    """Bring back the newest snapshot that may be used, and look what is to be read after it."""
    path = folder / f"{job.topic}-{partition}"
    begun_from = "zero"
    passed: list[Passed] = []
    if asked.snapshots is not None:
        name, passed = await _restored(asked, asked.snapshots, job, partition, path)
        begun_from = name or begun_from
    db = open_database(path)
    try:
        source = positions.read_source(db)
    finally:
        db.close()
    steps = await steps_from(source, TopicPartition(job.topic, partition), asked.sources)
    if source is None and passed and not steps:
        raise LogGap(
            f"{job.topic}[{partition}]: none of {len(passed)} snapshots can be used, and its log "
            f"is nowhere; {passed[0].name}: {passed[0].why}"
        )
    return _Begun(job, partition, begun_from, steps)


async def _restored(
    asked: Asked, snapshots: Bin, job: Job, partition: int, path: Path
) -> tuple[str | None, list[Passed]]:
    """Name of the snapshot that was brought back, None where there is none to be used."""
    place = Place(asked.settings.group, job.topic, partition)
    wanted = Wanted(
        place=place,
        fold_version=VERSION,
        same_folds=asked.same_folds,
        schemas=tuple(job.schemas),
        until=asked.until,
        cuts=tuple(await read_follows(snapshots, place)),
    )
    passed: list[Passed] = []
    restored = await restore(snapshots, wanted, path, passed=passed)
    for each in passed:
        asked.told(f"{job.topic}[{partition}]: not from {each.name}: {each.why}")
    return None if restored is None else restored.name, passed


async def _replayed(
    asked: Asked, begun: _Begun, folder: Path, done: int, total: int
) -> ReplayedPartition:
    job, partition = begun.job, begun.partition

    def advanced(offsets: int) -> None:
        asked.advanced(done + offsets, total)

    db = open_database(folder / f"{job.topic}-{partition}")
    try:
        folding = open_folding(job, partition, db)
        records = await advance(
            folding, db, begun.tp, begun.steps, until=asked.until, advanced=advanced
        )
        _sever(db)
    finally:
        db.close()
    source = folding.source
    return ReplayedPartition(
        topic=job.topic,
        partition=partition,
        log="control" if job.owner_kind == "control" else "tenant",
        incarnation=source.incarnation,
        offset=source.offset,
        log_time=format_time(source.log_time),
        begun_from=begun.begun_from,
        records=records,
    )


def _sever(db: Rdict) -> None:
    """Forget where it stood in the live changelog: it is no state to be gone on with."""
    batch = WriteBatch(raw_mode=True)
    for key in (
        positions.CHANGELOG_KEY,
        positions.CHANGELOG_TIME_KEY,
        positions.DEDUPE_POSITION_KEY,
    ):
        batch.delete(key)
    db.write(batch)
    db.flush()
