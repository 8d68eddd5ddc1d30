"""A process that writes batches into a database until it is killed, and what it must have written.

``python tests/runtime/killed.py FOLDER SEED`` goes on from where the folder stands.
"""

import subprocess
import sys
import time
from pathlib import Path
from random import Random

from rocksdict import Rdict, WriteBatch

from streams.runtime import positions, view

KEYS = 3_000
BUFFER = 1 << 16
"""Bytes of a memtable: flushes and compactions at all times."""


def rows_of(seed: int, number: int) -> dict[bytes, bytes | None]:
    """Changes of one batch."""
    rng = Random(seed * 1_000_003 + number)
    return {
        b"r/%05d" % rng.randrange(KEYS): None
        if rng.random() < 0.1
        else rng.randbytes(rng.randrange(20, 300))
        for _ in range(rng.randrange(1, 30))
    }


class Truth:
    """Rows after so many batches."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._number = 0
        self._rows: dict[bytes, bytes] = {}

    def after(self, number: int) -> dict[bytes, bytes]:
        if number < self._number:
            self._number, self._rows = 0, {}
        for each in range(self._number, number):
            for key, value in rows_of(self.seed, each).items():
                if value is None:
                    self._rows.pop(key, None)
                else:
                    self._rows[key] = value
        self._number = number
        return dict(self._rows)


def write(db: Rdict, seed: int, number: int) -> None:
    """Write one batch, with the changelog position after it."""
    batch = WriteBatch(raw_mode=True)
    view.write(batch, list(rows_of(seed, number).items()))
    batch.put(positions.CHANGELOG_KEY, positions.number(number + 1))
    db.write(batch)


def position(db: Rdict) -> int:
    return positions.read_number(db, positions.CHANGELOG_KEY) or 0


def write_and_kill(folder: Path, seed: int, seconds: float) -> None:
    """Let a process write for so long."""
    process = subprocess.Popen(
        [sys.executable, "-P", __file__, str(folder), str(seed)], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"open\n"
    time.sleep(seconds)
    process.kill()
    process.communicate()


def _main() -> None:
    folder, seed = Path(sys.argv[1]), int(sys.argv[2])
    view.WRITE_BUFFER_BYTES = BUFFER
    db = view.open_database(folder)
    number = position(db)
    print("open", flush=True)
    while True:
        write(db, seed, number)
        number += 1


if __name__ == "__main__":
    _main()
