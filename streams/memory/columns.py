"""Arrays that grow by appending, at the same cost whatever their length."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

_FIRST = 16


class Column:
    """One number a slot."""

    def __init__(self, dtype: DTypeLike) -> None:
        self._room: NDArray[Any] = np.zeros(_FIRST, dtype)
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def append(self, value: int) -> None:
        if self._length == len(self._room):
            # An eighth more: what is allocated and not used is part of what a memory costs.
            room = np.zeros(self._length + max(_FIRST, self._length >> 3), self._room.dtype)
            room[: self._length] = self._room
            self._room = room
        self._room[self._length] = value
        self._length += 1

    def keep(self, chosen: NDArray[Any]) -> None:
        """Leave only what ``chosen`` (booleans or places) names."""
        self._room = self._room[: self._length][chosen]
        self._length = len(self._room)

    @property
    def values(self) -> NDArray[Any]:
        """What is in it, as a view: good until the next append."""
        return self._room[: self._length]

    @property
    def nbytes(self) -> int:
        return self._room.nbytes
