"""What a partition begins from: local state, else the newest snapshot that is whole, else nothing.

The changelog's tail comes on top, so what is not usable is passed over with a word, never an end:
without anything the whole changelog is read.
"""

import asyncio
import logging
import shutil
from collections.abc import Collection
from pathlib import Path

import msgspec
from aiokafka import TopicPartition
from rocksdict import Rdict

from streams.core.errors import StreamsError
from streams.core.log import VERSION
from streams.core.schema import SCHEMAS
from streams.core.time import format_time
from streams.runtime import positions, recovery
from streams.runtime.clients import Inquiry
from streams.runtime.restoring import restore
from streams.runtime.snapshots import Bin
from streams.runtime.view import open_database
from streams.snapshots.manifest import Wanted
from streams.snapshots.names import Place

log = logging.getLogger(__name__)


class Begun(msgspec.Struct, frozen=True):
    """An open database, and where it came from: local or s3."""

    db: Rdict
    source: str
    snapshot: str = ""
    """Name of the one that it is, if it is."""


async def begin(
    inquiry: Inquiry,
    changelog: TopicPartition,
    path: Path,
    snapshots: Bin | None,
    place: Place,
    incarnation: int,
    not_before: int,
    distrusted: Collection[str] = (),
) -> Begun:
    """Open what there is.

    Parameters
    ----------
    snapshots : Bin, optional
        Where snapshots are; None: there are none.
    incarnation : int
        Of the changelog.
    not_before : int
        Microseconds. The changelog may have lost tombstones that are older: a state that is, and
        has missed something since, could bring removed rows back.
    distrusted : collection of str
        Names of snapshots that turned out to be damaged.
    """
    _, end = await inquiry.bounds(changelog)
    db = recovery.open_local(path)
    try:
        offset = positions.read_number(db, positions.CHANGELOG_KEY)
        why = None if offset is None else _unusable(db, offset, end, not_before)
    except Exception as error:
        # Its first rows show that it is damaged.
        offset, why = None, str(error)
    if offset is not None and why is None:
        return Begun(db, "local")
    recovery.close(db)
    if why is not None:
        log.error("local state of %s/%d: %s", place.topic, place.partition, why)
        recovery.put_aside(path)
    if snapshots is not None:
        await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)
        wanted = Wanted(
            place=place,
            incarnation=incarnation,
            end=end,
            not_before=not_before,
            fold_version=VERSION,
            schemas=SCHEMAS,
        )
        try:
            restored = await restore(snapshots, wanted, path, distrusted=distrusted)
        except (StreamsError, OSError) as error:
            log.error("no snapshot of %s/%d: %s", place.topic, place.partition, error)
            restored = None
        if restored is not None:
            log.info("%s/%d begins from %s", place.topic, place.partition, restored.name)
            # Not looked at: a checkpoint has no logs, and each file was verified.
            return Begun(open_database(path), "s3", restored.name)
    return Begun(recovery.open_local(path), "local")


def _unusable(db: Rdict, offset: int, end: int, not_before: int) -> str | None:
    if offset > end:
        return f"it is at offset {offset} of a changelog that ends at {end}"
    time = positions.read_number(db, positions.CHANGELOG_TIME_KEY)
    if offset < end and time is not None and time < not_before:
        return f"it ends at {format_time(time)}, and the changelog has lost tombstones since"
    return None
