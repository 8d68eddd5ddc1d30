"""Faults of a worker's disk: files damaged while it is dead, and a disk that is full."""

import random
import resource
from pathlib import Path

STATES = "*tenant.*-[0-9]"
"""Folders of a worker's databases."""


def damage(folder: Path, draw: random.Random) -> list[str]:
    """Flip a byte or cut off a file, of each kind of file by chance, in each of its databases.

    Returns
    -------
    list of str
        What was done to which file.
    """
    done = []
    for state in sorted(folder.glob(STATES)):
        kinds = [
            [path for path in sorted(state.glob(pattern)) if path.stat().st_size]
            for pattern in ("*.sst", "*.log", "MANIFEST-*", "CURRENT")
        ]
        files = draw.choice([paths for paths in kinds if paths] or [[]])
        if not files:
            continue
        path = draw.choice(files)
        data = bytearray(path.read_bytes())
        at = draw.randrange(len(data))
        if draw.random() < 0.4:
            del data[at:]
            what = "cut off"
        else:
            data[at] ^= 1 << draw.randrange(8)
            what = "flipped"
        path.write_bytes(data)
        done.append(f"{state.name}/{path.name} {what} at {at} of {path.stat().st_size}")
    return done


def fill(pid: int) -> None:
    """No file of this process grows any more: all writes fail, as on a full disk."""
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))


def empty(pid: int) -> None:
    """There is room again."""
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
