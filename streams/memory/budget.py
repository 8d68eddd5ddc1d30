"""What one record of the log may still do for consolidation."""

READ, CHANGED = 400, 36
"""A record does no more after it has read, or merged and linked, so many memories."""


class Budget:
    """What is left of it."""

    def __init__(self) -> None:
        self._read, self._changed = READ, CHANGED

    def spend(self, read: int, changed: int = 0) -> None:
        self._read -= read
        self._changed -= changed

    @property
    def left(self) -> bool:
        return self._read > 0 and self._changed > 0
