"""What a checkpoint holds, told by a process of its own: reading it whole takes a core for seconds.

``python -m streams.runtime.described FOLDER`` prints JSON.
"""

import asyncio
import os
import sys
from pathlib import Path

import msgspec

from streams.core.errors import Failed
from streams.core.log import DEFAULT_CONFIG
from streams.runtime import positions
from streams.runtime.digest import digest
from streams.runtime.view import lost_by, open_read_only

NICE = 10
SECONDS = 300.0


class Described(msgspec.Struct, frozen=True):
    """Where a checkpoint stands, and its logical rows."""

    changelog_offset: int
    changelog_time: int
    source_incarnation: int
    source_offset: int
    log_time: int
    rows: int
    digest: str
    schema_version: str
    """Of the newest rows in it."""


def describe(folder: Path) -> Described:
    """Read a checkpoint; blocks."""
    db = open_read_only(folder)
    try:
        source = positions.read_source(db) or positions.NOTHING
        found = digest(db.iter())
        return Described(
            positions.read_number(db, positions.CHANGELOG_KEY) or 0,
            positions.read_number(db, positions.CHANGELOG_TIME_KEY) or 0,
            source.incarnation,
            source.offset,
            source.log_time,
            found.rows,
            found.hex,
            (positions.read_config(db) or DEFAULT_CONFIG).schema,
        )
    finally:
        db.close()


async def described(folder: Path) -> Described:
    """Read a checkpoint in a process of its own.

    Raises
    ------
    Failed
        It can't be read.
    StoreDamaged
        Its bytes are wrong.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", __name__, str(folder)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(SECONDS):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode:
        last = err.decode(errors="replace").strip().rpartition("\n")[2]
        raise lost_by(Failed(last)) or Failed(f"a checkpoint can't be read: {last}")
    return msgspec.json.decode(out, type=Described)


if __name__ == "__main__":
    os.nice(NICE)
    print(msgspec.json.encode(describe(Path(sys.argv[1]))).decode())
