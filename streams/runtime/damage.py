"""Damage of a closed database that RocksDB does not tell of when it opens it.

A MANIFEST that was cut between two records names fewer tables than there were, and the logs that
are there are applied all the same: newer changes without the ones below them. But a log is deleted
only after the MANIFEST has said that its changes lie in a table. So where the oldest log that the
MANIFEST still counts on is missing, it once said more; and between this log and the newest no
change may be missing. What all of this leaves is a prefix of what was written, with the changelog
position that belongs to it (docs/decisions/0014-snapshots.md).
"""

import logging
import shutil
from pathlib import Path

import msgspec

from streams.core.errors import StoreDamaged
from streams.runtime.view import open_read_only
from streams.runtime.wal import read_wal

log = logging.getLogger(__name__)


def look(folder: Path) -> None:
    """Look at a database before it is opened; changes nothing.

    Raises
    ------
    StoreDamaged
        It was opened before, and is no prefix of what was written to it.
    Exception
        RocksDB's own, where it can't be opened.
    """
    wals = {int(path.stem): path for path in folder.glob("*.log")}
    try:
        current = (folder / "CURRENT").read_text()
    except FileNotFoundError:
        if any(folder.glob("*.sst")) or any(path.stat().st_size for path in wals.values()):
            raise StoreDamaged("CURRENT is missing") from None
        return
    tables = _tables(folder)
    needed = sorted(number for number in wals if number >= tables.next_log)
    # Opening makes a log, then a MANIFEST, which says of the logs before only that they are done
    # with: the first of a session has another number than the one that is said.
    manifest = int(current.strip().removeprefix("MANIFEST-"))
    if not needed or (needed[0] != tables.next_log and needed[0] != manifest - 1):
        raise StoreDamaged(
            f"the log {tables.next_log} is missing, or tables that MANIFEST-{manifest} must name"
        )
    following: int | None = None
    torn = False
    for number in needed:
        wal = read_wal(wals[number])
        if wal.first is None and not wal.torn:
            continue
        if following is not None:
            gap = torn or wal.first != following
        else:
            begins = number == needed[0]
            gap = not begins or (number != tables.next_log and wal.first != tables.next_change)
        if gap:
            raise StoreDamaged(f"changes before those of the log {number} are missing")
        following, torn = wal.next, wal.torn
    if torn:
        log.warning("%s: its log ends within a batch, the changelog has the rest", folder)


class _Tables(msgspec.Struct, frozen=True):
    """What a MANIFEST says of the logs."""

    next_log: int
    """The oldest log whose changes are in no table."""
    next_change: int
    """Number of the next change when it was written to last."""


def _tables(folder: Path) -> _Tables:
    """Open the tables without the logs, as links in a folder of their own."""
    alone = folder.with_name(f"{folder.name}.tables")
    shutil.rmtree(alone, ignore_errors=True)
    alone.mkdir()
    try:
        for path in folder.iterdir():
            if path.suffix == ".sst":
                (alone / path.name).hardlink_to(path)
            elif path.name == "CURRENT" or path.name.startswith("MANIFEST-"):
                shutil.copyfile(path, alone / path.name)
        db = open_read_only(alone)
        try:
            next_log = int(db.property_value("rocksdb.min-log-number-to-keep"))
            return _Tables(next_log, db.latest_sequence_number() + 1)
        finally:
            db.close()
    finally:
        shutil.rmtree(alone, ignore_errors=True)
