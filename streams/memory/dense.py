"""Cosines of int8 vectors in integers, the same whatever the BLAS.

The products are made by float32 matrix multiplication, the fastest there is on any CPU, and are
exact all the same: each partial sum of 1,024 products of int8 is a whole number of at most 2^24,
which float32 holds, so neither the order of adding nor a fused multiply-add can change a digit.
"""

from math import isqrt

import numpy as np
from numpy.typing import NDArray

from streams.memory.columns import Column
from streams.memory.fixed import BITS, Ints

_ROWS = 512
"""Rows of a full block: one block as float32 fits a core's second-level cache."""
_EXACT = 1024
"""Dimensions whose products can be summed in float32 without rounding."""
_NORM_BITS = 8


def quantise(vector: NDArray[np.float32]) -> tuple[bytes, float]:
    """An int8 vector and the scale that gives the original back (the largest becomes 127)."""
    largest = float(np.abs(vector).max()) if len(vector) else 0.0
    scale = largest / 127 if largest else 1.0
    return np.rint(vector / scale).astype(np.int8).tobytes(), scale


class Dense:
    """Vectors of one model and length, each belonging to a slot."""

    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions
        self._blocks: list[NDArray[np.int8]] = []
        self._slots = Column(np.int32)
        self._norms = Column(np.int32)

    def __len__(self) -> int:
        return len(self._slots)

    def append(self, slot: int, vector: bytes) -> None:
        """Hold a slot's vector."""
        row = len(self._slots)
        block, at = divmod(row, _ROWS)
        if block == len(self._blocks):
            # Only a first block begins small: most tenants have few memories.
            self._blocks.append(np.zeros((_ROWS if block else 8, self.dimensions), np.int8))
        elif at == len(self._blocks[block]):
            self._blocks[block] = np.concatenate([self._blocks[block]] * 2)
        values = np.frombuffer(vector, np.int8)
        self._blocks[block][at] = values
        self._slots.append(slot)
        self._norms.append(_norm(values))

    def keep(self, slots: Ints) -> None:
        """Drop the dead: ``slots`` has the new number of each old slot, -1 for none."""
        moved = slots[self._slots.values]
        kept = np.flatnonzero(moved >= 0)
        old = self._blocks
        self._blocks, self._slots, self._norms = [], Column(np.int32), Column(np.int32)
        for row in kept:
            block, at = divmod(int(row), _ROWS)
            self.append(int(moved[row]), old[block][at].tobytes())
            if at == _ROWS - 1:
                old[block] = old[block][:0]

    def cosines(self, vector: bytes) -> tuple[Ints, Ints]:
        """Slots and their cosines to a query of the same model, in 1/65536."""
        query = np.frombuffer(vector, np.int8)
        dots = self._dots(query.astype(np.float32))
        lengths = self._norms.values.astype(np.int64) * _norm(query)
        # A zero vector has no direction: its dot is 0 and so is its cosine.
        cosines = (dots << (BITS + 2 * _NORM_BITS)) // np.maximum(lengths, 1)
        return self._slots.values.astype(np.int64), cosines

    def _dots(self, query: NDArray[np.float32]) -> Ints:
        rows = len(self._slots)
        dots = np.zeros(rows, np.int64)
        wide = np.empty((_ROWS, min(self.dimensions, _EXACT)), np.float32)
        for number, block in enumerate(self._blocks):
            first = number * _ROWS
            height = min(_ROWS, rows - first)
            for left in range(0, self.dimensions, _EXACT):
                part = query[left : left + _EXACT]
                floats = wide[:height, : len(part)]
                np.copyto(floats, block[:height, left : left + _EXACT])
                dots[first : first + height] += (floats @ part).astype(np.int64)
        return dots

    @property
    def nbytes(self) -> int:
        return sum(block.nbytes for block in self._blocks) + self._slots.nbytes + self._norms.nbytes


def _norm(values: NDArray[np.int8]) -> int:
    """Length in 1/256."""
    wide = values.astype(np.int64)
    return isqrt(int((wide * wide).sum()) << (2 * _NORM_BITS))
