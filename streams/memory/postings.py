"""Which slots a term stands in: a small dict of what is new, sorted arrays of all else.

Four bytes a posting and twelve a term: a dict of arrays took five times as much, most of it for the
identifiers that stand in one memory only. Terms are known by 64 bits of their BLAKE2b.
"""

import sys
from array import array
from functools import lru_cache
from hashlib import blake2b
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.memory.fixed import Ints

_SLOT_BITS = 24
MAX_SLOTS = 1 << _SLOT_BITS
MAX_COUNT = 255
_RECENT = 2_048
"""Postings kept in the dict at least; it is emptied when it has a quarter of all."""
_NO_KEYS: NDArray[np.uint64] = np.zeros(0, np.uint64)
_NO_SLOTS: NDArray[np.uint32] = np.zeros(0, np.uint32)
_NONE: Ints = np.zeros(0, np.int64)


class Postings:
    """For each term its slots, each with how often it stands there (at most 255)."""

    def __init__(self) -> None:
        self._recent: dict[int, int | array[int]] = {}
        """A term of one posting, which most are, is an int and no array."""
        self._recent_count = 0
        self._held = 0
        self._keys = _NO_KEYS
        self._ends = _NO_SLOTS
        """Where each key's postings end; they begin where the last key's end."""
        self._packed = _NO_SLOTS

    def add(self, term: str, slot: int, count: int = 1) -> None:
        """Note a term of a slot, which is not below any slot noted before."""
        packed = min(count, MAX_COUNT) << _SLOT_BITS | slot
        key = _key(term)
        there = self._recent.get(key)
        if there is None:
            self._recent[key] = packed
            self._held += sys.getsizeof(key) + sys.getsizeof(packed)
        elif isinstance(there, int):
            both = array("I", (there, packed))
            self._recent[key] = both
            self._held += sys.getsizeof(both) - sys.getsizeof(there)
        else:
            before = sys.getsizeof(there)
            there.append(packed)
            self._held += sys.getsizeof(there) - before
        self._recent_count += 1
        if self._recent_count > _RECENT + len(self._packed) // 4:
            self._settle()

    def get(self, term: str) -> tuple[Ints, Ints]:
        """Slots (ascending) and counts."""
        key = _key(term)
        at = int(self._keys.searchsorted(np.uint64(key)))
        there = self._recent.get(key)
        if at < len(self._keys) and self._keys[at] == key:
            packed = self._packed[self._ends[at - 1] if at else 0 : self._ends[at]]
            if there is not None:
                packed = np.concatenate([packed, _as_array(there)])
        elif there is not None:
            packed = _as_array(there)
        else:
            return _NONE, _NONE
        wide = packed.astype(np.int64)
        return wide & (MAX_SLOTS - 1), wide >> _SLOT_BITS

    def renumber(self, slots: Ints) -> None:
        """Give each old slot its new number; -1 means that it is gone."""
        self._settle()
        moved = slots[self._packed & (MAX_SLOTS - 1)]
        kept = moved >= 0
        counts = self._packed[kept] & ~np.uint32(MAX_SLOTS - 1)
        self._packed = counts | moved[kept].astype(np.uint32)
        before = np.append(0, np.cumsum(kept))
        ends = before[self._ends]
        still = np.diff(ends, prepend=0) > 0
        self._keys, self._ends = self._keys[still], ends[still].astype(np.uint32)

    def _settle(self) -> None:
        """Move what is new into the arrays."""
        if not self._recent:
            return
        new = sorted(self._recent.items())
        keys = np.array([key for key, _ in new], np.uint64)
        counts = np.array([1 if isinstance(row, int) else len(row) for _, row in new])
        flat = chain.from_iterable((row,) if isinstance(row, int) else row for _, row in new)
        packed = np.fromiter(flat, np.uint32, self._recent_count)
        self._recent, self._recent_count, self._held = {}, 0, 0
        every = np.union1d(self._keys, keys)
        old_at = np.searchsorted(every, self._keys)
        new_at = np.searchsorted(every, keys)
        old_counts = np.zeros(len(every), np.int64)
        old_counts[old_at] = np.diff(self._ends.astype(np.int64), prepend=0)
        totals = old_counts.copy()
        totals[new_at] += counts
        starts = np.cumsum(totals) - totals
        merged = np.empty(len(self._packed) + len(packed), np.uint32)
        # A key's old postings come first: their slots are lower.
        merged[_places(starts[old_at], old_counts[old_at])] = self._packed
        merged[_places(starts[new_at] + old_counts[new_at], counts)] = packed
        self._keys, self._packed = every, merged
        self._ends = np.cumsum(totals).astype(np.uint32)

    @property
    def nbytes(self) -> int:
        settled = self._keys.nbytes + self._ends.nbytes + self._packed.nbytes
        return sys.getsizeof(self._recent) + self._held + settled


def _places(starts: Ints, counts: NDArray[Any]) -> Ints:
    """All places of runs that begin at ``starts`` and are ``counts`` long."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    return np.repeat(starts - (ends - counts), counts) + np.arange(total)


def _as_array(row: "int | array[int]") -> NDArray[np.uint32]:
    return np.array([row] if isinstance(row, int) else row, np.uint32)


@lru_cache(maxsize=1 << 16)
def _key(term: str) -> int:
    return int.from_bytes(blake2b(term.encode(), digest_size=8).digest(), "little")
