"""`streams migrate` on a data folder at rest: every row in the shape that its state's schema has.

It changes local states only. The changelog keeps the rows as they were written, and every version
reads both (docs/decisions/0015-migration.md).
"""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
from rocksdict import Rdict, WriteBatch

from streams.core.errors import Misuse
from streams.core.log import DEFAULT_CONFIG
from streams.core.schema import number_of
from streams.runtime import positions
from streams.runtime.failpoints import reach
from streams.runtime.processes import lock
from streams.runtime.rewriting import AT_ONCE, BYTES, Counts, Kinds, add, rewritten
from streams.runtime.row_kinds import KINDS
from streams.runtime.view import lost_by, open_database, scan_raw

_PARTITION = re.compile(r"(?P<topic>[A-Za-z0-9._-]+)-(?P<partition>\d+)")

Progress = Callable[[int], None]
"""Called with how many more rows were looked at."""


class Place(NamedTuple):
    """A partition's database in a data folder."""

    worker: str
    topic: str
    partition: int
    path: Path


class Migrated(msgspec.Struct, frozen=True):
    """What became of one database."""

    worker: str
    topic: str
    partition: int
    schema: str
    """That the rows are written in."""
    rows: Counts
    """As they were found."""
    rewritten: Counts
    """Those of them that are in a newer shape now; in a dry run, that would be."""
    error: str | None = None


class _Cursor(msgspec.Struct, array_like=True):
    """How far a migration has come: kept beside the rows, so that a killed one goes on."""

    schema: int
    at: bytes = positions.LOGICAL_START
    rows: Counts = {}
    rewritten: Counts = {}


def databases(data: Path) -> list[Place]:
    """Find the partitions' databases of all workers."""
    found = []
    for path in sorted(data.glob("*/*")):
        named = _PARTITION.fullmatch(path.name)
        if named is not None and (path / "CURRENT").is_file():
            number = int(named["partition"])
            found.append(Place(path.parent.name, named["topic"], number, path))
    return found


@contextmanager
def at_rest(data: Path) -> Iterator[list[Place]]:
    """Keep workers off a data folder, and give what databases are in it.

    Raises
    ------
    Misuse
        A worker has one of them open, or there are none.
    """
    places = databases(data)
    if not places:
        raise Misuse(f"there is no state in {data}")
    with ExitStack() as held:
        for folder in sorted({place.path.parent for place in places}):
            descriptor = lock(folder / "fold.lock")
            if descriptor is None:
                raise Misuse(f"{folder} is in use by a running worker; stop it first")
            held.callback(os.close, descriptor)
        yield places


def migrate(place: Place, *, dry_run: bool, progress: Progress = lambda _: None) -> Migrated:
    """Rewrite a database's older rows; what can't be done is told, not raised."""
    about = (place.worker, place.topic, place.partition)
    schema = ""
    try:
        db = open_database(place.path)
        try:
            schema = (positions.read_config(db) or DEFAULT_CONFIG).schema
            done = rewrite(db, number_of(schema), KINDS, dry_run=dry_run, progress=progress)
        finally:
            db.close()
    except Exception as error:
        known = lost_by(error) or error
        return Migrated(*about, schema, {}, {}, str(known) or type(known).__name__)
    return Migrated(*about, schema, done.rows, done.rewritten)


def rewrite(
    db: Rdict,
    schema: int,
    kinds: Kinds,
    *,
    dry_run: bool = False,
    progress: Progress = lambda _: None,
) -> _Cursor:
    """Rewrite the rows of a database that nobody else has open.

    Parameters
    ----------
    schema : int
        Number of the schema in whose shapes they are to be.
    """
    cursor = _Cursor(schema)
    stored = db.get(positions.MIGRATING_KEY)
    if stored is not None and not dry_run:
        before = msgspec.msgpack.decode(stored, type=_Cursor)
        cursor = before if before.schema == schema else cursor
    while True:
        batch = WriteBatch(raw_mode=True)
        looked = size = 0
        following = None
        for key, value in scan_raw(db, b"", start=cursor.at):
            if looked >= AT_ONCE or size >= BYTES:
                following = key
                break
            looked += 1
            kind = kinds.get(key[:2])
            add(cursor.rows, kind, value)
            new = None if kind is None else rewritten(kind, value, schema)
            if new is not None:
                add(cursor.rewritten, kind, value)
                batch.put(key, new)
                size += len(new)
        progress(looked)
        if following is not None:
            cursor.at = following
        if not dry_run:
            reach("migrate.read")
            if following is None:
                batch.delete(positions.MIGRATING_KEY)
            else:
                batch.put(positions.MIGRATING_KEY, msgspec.msgpack.encode(cursor))
            db.write(batch)
            reach("migrate.written")
        if following is None:
            return cursor
