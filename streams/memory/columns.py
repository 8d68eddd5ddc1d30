"""Arrays that grow by appending, at the same cost whatever their length."""

import sys
from array import array
from collections.abc import Iterator
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


_SLOT_BITS = 24
MAX_SLOTS = 1 << _SLOT_BITS
MAX_COUNT = 255


class Postings:
    """For each term the slots it stands in, each with how often (at most 255).

    Four bytes a posting. A term of one slot, which most identifiers are, is an int and no array.
    """

    def __init__(self) -> None:
        self._of: dict[str, int | array[int]] = {}
        self._held = 0

    def __len__(self) -> int:
        return len(self._of)

    def __iter__(self) -> Iterator[str]:
        return iter(self._of)

    def add(self, term: str, slot: int, count: int = 1) -> None:
        packed = min(count, MAX_COUNT) << _SLOT_BITS | slot
        there = self._of.get(term)
        if there is None:
            self._of[term] = packed
            self._held += sys.getsizeof(term) + sys.getsizeof(packed)
        elif isinstance(there, int):
            both = array("I", (there, packed))
            self._of[term] = both
            self._held += sys.getsizeof(both) - sys.getsizeof(there)
        else:
            before = sys.getsizeof(there)
            there.append(packed)
            self._held += sys.getsizeof(there) - before

    def get(self, term: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Slots (ascending) and counts; copies, so that appending stays possible."""
        there = self._of.get(term)
        if there is None:
            packed = np.zeros(0, np.int64)
        elif isinstance(there, int):
            packed = np.array([there], np.int64)
        else:
            packed = np.frombuffer(there, np.uint32).astype(np.int64)
        return packed & (MAX_SLOTS - 1), packed >> _SLOT_BITS

    def renumber(self, slots: NDArray[np.int64]) -> None:
        """Give each old slot its new number; -1 means that it is gone."""
        old, self._of, self._held = self._of, {}, 0
        for term, there in old.items():
            packed = (
                np.array([there], np.int64)
                if isinstance(there, int)
                else np.frombuffer(there, np.uint32).astype(np.int64)
            )
            moved = slots[packed & (MAX_SLOTS - 1)]
            kept = moved >= 0
            left = (packed[kept] & ~(MAX_SLOTS - 1)) | moved[kept]
            if not len(left):
                continue
            row: int | array[int]
            row = int(left[0]) if len(left) == 1 else array("I", left.astype(np.uint32).tobytes())
            self._of[term] = row
            self._held += sys.getsizeof(term) + sys.getsizeof(row)

    @property
    def nbytes(self) -> int:
        return sys.getsizeof(self._of) + self._held
