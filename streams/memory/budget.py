"""What one record of the log may still do for consolidation."""

from streams.core.fold import View, changes_left

READ, CHANGED = 400, 36
"""A record does no more after it has read, or merged and linked, so many memories."""
NEEDED = 600
"""Row changes that there must be room for: what comes next may take 400."""


class Budget:
    """What is left of it."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._read, self._changed = READ, CHANGED

    def spend(self, read: int, changed: int = 0) -> None:
        self._read -= read
        self._changed -= changed

    @property
    def left(self) -> bool:
        return self._read > 0 and self._changed > 0 and changes_left(self._view) >= NEEDED
