"""Links between memories that name each other as related."""

import sys

import numpy as np
from numpy.typing import NDArray

from streams.memory.columns import Column
from streams.memory.fixed import Ints

NONE = -1


class Related:
    """Edges from a slot to an id, which may not exist yet and may go again."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._numbers: dict[str, int] = {}
        self._held = 0
        self._slots = Column(np.int32)
        """Where each mentioned id is now."""
        self._from = Column(np.int32)
        self._to = Column(np.int32)

    def append(self, slot: int, mentioned: tuple[str, ...], slot_of: dict[str, int]) -> None:
        for target in mentioned:
            number = self._numbers.get(target)
            if number is None:
                number = self._numbers[target] = len(self._slots)
                self._held += sys.getsizeof(target) + sys.getsizeof(number)
                self._slots.append(slot_of.get(target, NONE))
            self._from.append(slot)
            self._to.append(number)

    def moved(self, memory_id: str, slot: int) -> None:
        """The memory is at ``slot`` from now on (``NONE``: gone)."""
        number = self._numbers.get(memory_id)
        if number is not None:
            self._slots.values[number] = slot

    def keep(self, slots: Ints, slot_of: dict[str, int]) -> None:
        """Drop the dead: ``slots`` has the new number of each old slot, -1 for none."""
        ids = list(self._numbers)
        came = slots[self._from.values]
        edges = [
            (int(slot), ids[int(number)])
            for slot, number in zip(came, self._to.values, strict=True)
            if slot >= 0
        ]
        self._begin()
        for slot, target in edges:
            self.append(slot, (target,), slot_of)

    def best(self, values: Ints, alive: NDArray[np.bool_]) -> Ints | None:
        """For each slot the highest positive value among those it is linked with, either way."""
        if not len(self._from):
            return None
        left, right = self._from.values, self._slots.values[self._to.values]
        both = (right != NONE) & alive[left]
        left, right = left[both], right[both]
        found = np.zeros(len(values), np.int64)
        np.maximum.at(found, left, values[right])
        np.maximum.at(found, right, values[left])
        return found

    @property
    def nbytes(self) -> int:
        columns = self._slots.nbytes + self._from.nbytes + self._to.nbytes
        return sys.getsizeof(self._numbers) + self._held + columns
