"""Makes a worker of a fault run collect garbage every few seconds, as all its fellows do."""

from typing import Any

from streams.core.time import SECOND
from streams.runtime import fold_role, snapshotter

COLLECT_EVERY = 2 * SECOND


class _Collector(snapshotter.Snapshotter):
    """Collects whoever else does: any number of them must be safe beside each other."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._collects = lambda: True


def hasten() -> None:
    """Change this process; only ever one that is a worker."""
    snapshotter.COLLECT_EVERY = COLLECT_EVERY
    fold_role.Snapshotter = _Collector  # type: ignore[misc]
