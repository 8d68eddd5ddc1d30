"""Named points at which a test may kill this process with SIGKILL; off unless a setting names one.

The setting is ``NAME@FLAGFILE``: whoever manages to create the file is killed, so that of all
workers and all their later lives exactly one dies at that point. ``NAME+N@FLAGFILE`` lets a process
pass N times first.
"""

import os
import signal
from pathlib import Path

NAMES = (
    "fold.folded",
    "fold.begun",
    "fold.rows_sent",
    "fold.outputs_sent",
    "fold.acknowledged",
    "fold.offsets_sent",
    "fold.committed",
    "fold.written",
    "recovery.fenced",
    "recovery.replayed",
    "recovery.announced",
    "admit.decoded",
    "admit.acknowledged",
    "admit.committed",
)

SNAPSHOT_NAMES = (
    "archive.sealed",
    "archive.written",
    "archive.rewritten",
    "snapshot.checkpointed",
    "snapshot.looked",
    "snapshot.uploaded",
    "snapshot.committing",
    "snapshot.committed",
    "changelog.written",
    "restore.forbidden",
    "restore.written",
    "restore.fetched",
    "restore.assembled",
    "erase.compacted",
    "erase.retired",
    "collect.listed",
    "collect.retired",
    "collect.deleted",
    "migrate.read",
    "migrate.written",
)
ALL = NAMES + SNAPSHOT_NAMES
"""What fault plans draw from."""

_armed: tuple[str, Path] | None = None
_passes = 0


def arm(setting: str) -> None:
    """Read the ``failpoint`` setting; an unknown name is an error, so that no test is void.

    Raises
    ------
    ValueError
        No such failpoint.
    """
    global _armed, _passes
    point, _, flag = setting.partition("@")
    name, _, passes = point.partition("+")
    if name and name not in ALL:
        there_are = ", ".join(ALL)
        raise ValueError(f"no failpoint {name!r}; there are: {there_are}")
    _armed, _passes = (name, Path(flag)) if name else None, int(passes or 0)


def reach(name: str) -> None:
    """Die here if this point is armed and nobody died at it yet."""
    global _passes
    if _armed is None or _armed[0] != name:
        return
    if _passes:
        _passes -= 1
        return
    try:
        os.close(os.open(_armed[1], os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)
