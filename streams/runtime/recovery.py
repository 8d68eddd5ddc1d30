"""Take-over: bring a partition's database up to the changelog's end, and check where it stands."""

import asyncio
import errno
import logging
import os
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from aiokafka import TopicPartition
from rocksdict import Rdict, WriteBatch

from streams.core.errors import PartitionRed, StoreLost
from streams.runtime import clients, dedupe, positions
from streams.runtime.clients import Inquiry
from streams.runtime.damage import look
from streams.runtime.view import check, open_database

log = logging.getLogger(__name__)


_NO_ROOM = tuple(map(os.strerror, (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)))
_OF_THE_MACHINE = _NO_ROOM + tuple(
    os.strerror(number)
    for number in (
        *(errno.EROFS, errno.EACCES, errno.EPERM, errno.EMLINK, errno.ENOTSUP),
        *(errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOLCK, errno.EAGAIN),
    )
)
"""What says nothing against the files: RocksDB tells errors apart by their texts only."""


class Recovered(msgspec.Struct, frozen=True):
    """How a database was brought up to date."""

    source: str
    """local | s3 | changelog | defaults"""
    rows: int
    """Changelog records applied."""
    seconds: float


def open_local(path: Path) -> Rdict:
    """Open the local database; a damaged one is put aside, the changelog has it all."""
    try:
        look(path)
        return open_database(path)
    except Exception as error:
        if any(text in str(error) for text in _OF_THE_MACHINE):
            raise
        log.error("local state can't be used: %s", error)
        put_aside(path)
        return open_database(path)


def no_room(error: Exception) -> bool:
    """Whether the disk is full: nothing is wrong, and a person can make room."""
    return any(text in str(error) for text in _NO_ROOM)


def close(db: Rdict) -> None:
    """Close a database that is not used; it may be damaged, and then says so here too."""
    try:
        db.close()
    except Exception as error:
        log.warning("closing a database: %s", error)


def put_aside(path: Path) -> None:
    """Keep local state that can't be used for a person to look at, out of the way."""
    aside = path.with_name(f"{path.name}.damaged-{time.time_ns()}")
    path.rename(aside)
    log.error("local state %s put aside as %s", path, aside.name)


async def replay_changelog(
    inquiry: Inquiry,
    changelog: TopicPartition,
    db: Rdict,
    begun_from: str = "local",
    start: int = 0,
) -> Recovered:
    """Apply the changelog's committed tail to the database.

    Parameters
    ----------
    begun_from : str
        Where a database that is not empty came from: local or s3.
    start : int
        Where the changelog begins for an empty one.

    Raises
    ------
    StoreLost
        The local position is beyond the changelog's end: it is of another changelog.
    """
    began = time.monotonic()
    local = positions.read_number(db, positions.CHANGELOG_KEY)
    begin, end = await inquiry.bounds(changelog)
    if local is not None and local > end:
        raise StoreLost(
            f"local state is at offset {local} of {changelog.topic}, which ends at {end}"
        )
    rows = await _apply(
        clients.tail(inquiry.bootstrap, changelog, max(local or start, begin), end), db
    )
    source = begun_from if local else "changelog" if rows else "defaults"
    return Recovered(source, rows, time.monotonic() - began)


async def _apply(tail: AsyncIterator[Sequence[Any]], db: Rdict) -> int:
    """Write the tail, one fetch behind what is read: RocksDB works while Python decodes."""
    rows, writing = 0, None
    try:
        async for records in tail:
            changes = _changes(records)
            await _written(writing)
            writing = asyncio.create_task(asyncio.to_thread(db.write, changes))
            rows += len(records)
    finally:
        # Even who is cancelled waits: the database can't be closed under the write.
        await _written(writing)
    return rows


async def _written(writing: asyncio.Task[None] | None) -> None:
    if writing is not None:
        await asyncio.wait((writing,))
        writing.result()


def _changes(records: Sequence[Any]) -> WriteBatch:
    batch = WriteBatch(raw_mode=True)
    for record in records:
        if record.value is None:
            batch.delete(record.key)
        else:
            batch.put(record.key, record.value)
    batch.put(positions.CHANGELOG_KEY, positions.number(records[-1].offset + 1))
    batch.put(positions.CHANGELOG_TIME_KEY, positions.number(records[-1].timestamp * 1000))
    return batch


async def replay_dedupe(inquiry: Inquiry, tp: TopicPartition, db: Rdict, window: int) -> None:
    """Unpack the identities that the local database does not know yet.

    Those that were applied later than the state stands are left out: it is to apply them again.
    """
    begin, end = await inquiry.bounds(tp)
    at = (positions.read_source(db) or positions.NOTHING).running_time
    local = positions.read_number(db, positions.DEDUPE_POSITION_KEY) or 0
    async for records in clients.tail(inquiry.bootstrap, tp, max(local, begin), end):
        batch = WriteBatch(raw_mode=True)
        for record in records:
            dedupe.put(batch, dedupe.unpack(dedupe.applied_by(record.value, at)), window)
        batch.put(positions.DEDUPE_POSITION_KEY, positions.number(records[-1].offset + 1))
        db.write(batch)


def load_fences(db: Rdict) -> positions.Fences:
    """Read the origin fences."""
    from_rows = {}
    it = db.iter()
    it.seek(positions.ORIGIN_PREFIX)
    while it.valid() and it.key().startswith(positions.ORIGIN_PREFIX):
        from_rows[it.key()] = positions.decode_fence(it.value())
        it.next()
    check(it)
    return positions.Fences(from_rows)


async def check_position(
    inquiry: Inquiry, tp: TopicPartition, stored: int, fingerprint: str, *, adopt_hint: str
) -> int:
    """Check that the log still is the one that was read up to ``stored``.

    Parameters
    ----------
    stored : int
        Offset of the last record done, -1 for none.
    fingerprint : str
        Of that record, as remembered.

    Returns
    -------
    int
        The offset at which to go on.

    Raises
    ------
    PartitionRed
        Going on would skip or repeat records silently.
    """
    begin, end = await inquiry.bounds(tp)
    where = f"{tp.topic}/{tp.partition}"
    if stored < 0:
        if begin > 0:
            log.warning("%s begins at %d and nothing was read of it before", where, begin)
        return begin
    if stored + 1 > end:
        raise PartitionRed(
            f"{where} ends at {end} but was read up to {stored}: it was made anew. {adopt_hint}"
        )
    if stored + 1 < begin:
        raise PartitionRed(
            f"{where} begins at {begin} but was read up to {stored} only: the records between "
            f"are gone. {adopt_hint}"
        )
    # An operator's reset of the group's offsets leaves no fingerprint: that is meant.
    known = fingerprint and stored >= begin
    if known and await _fingerprint_at(inquiry, tp, stored) != fingerprint:
        raise PartitionRed(
            f"{where} has another record at {stored} than the one that was read: it was made "
            f"anew. {adopt_hint}"
        )
    return stored + 1


async def _fingerprint_at(inquiry: Inquiry, tp: TopicPartition, offset: int) -> str:
    async for records in clients.tail(inquiry.bootstrap, tp, offset, offset + 1):
        if records[0].offset == offset:
            return positions.fingerprint(records[0])
        break
    return "no record"
