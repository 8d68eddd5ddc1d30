"""Which slots a term stands in: sorted runs of arrays, and a short unsorted end of what is new.

Four bytes a posting and twelve a term: a dict of arrays took five times as much, most of it for the
identifiers that stand in one memory only. Terms are known by 64 bits of their BLAKE2b.
"""

import sys
from array import array
from collections.abc import Mapping
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.memory.fixed import Ints

_SLOT_BITS = 24
MAX_SLOTS = 1 << _SLOT_BITS
MAX_COUNT = 255
_NEW = 4_096
"""Postings that are looked through one by one before they become a run."""
_NONE: Ints = np.zeros(0, np.int64)


class _Run(NamedTuple):
    """Postings sorted by term and, within it, by slot."""

    keys: NDArray[np.uint64]
    ends: NDArray[np.uint32]
    """Where each key's postings end; they begin where those of the key before end."""
    packed: NDArray[np.uint32]


class Postings:
    """For each term its slots, each with how often it stands there (at most 255)."""

    def __init__(self) -> None:
        self._runs: list[_Run] = []
        """Older ones first, each more than twice as long as the next: few, and each posting is
        moved a logarithmic number of times."""
        self._new_keys = array("Q")
        self._new_packed = array("I")

    def add(self, slot: int, counts: Mapping[str, int]) -> None:
        """Note a slot's terms and how often each; slots come in ascending order."""
        self._new_keys.extend(map(_key, counts))
        self._new_packed.extend(
            [min(count, MAX_COUNT) << _SLOT_BITS | slot for count in counts.values()]
        )
        if len(self._new_keys) >= _NEW:
            self._settle()

    def get(self, term: str) -> tuple[Ints, Ints]:
        """Slots (ascending) and counts."""
        key = np.uint64(_key(term))
        found = []
        for run in self._runs:
            at = int(run.keys.searchsorted(key))
            if at < len(run.keys) and run.keys[at] == key:
                found.append(run.packed[run.ends[at - 1] if at else 0 : run.ends[at]])
        # The views end here: an array that is looked at can't grow.
        new = np.frombuffer(self._new_keys, np.uint64) == key
        if new.any():
            found.append(np.frombuffer(self._new_packed, np.uint32)[new])
        if not found:
            return _NONE, _NONE
        wide = (found[0] if len(found) == 1 else np.concatenate(found)).astype(np.int64)
        return wide & (MAX_SLOTS - 1), wide >> _SLOT_BITS

    def renumber(self, slots: Ints) -> None:
        """Give each old slot its new number; -1 means that it is gone."""
        self._settle()
        runs = self._runs
        self._runs = []
        for run in runs:
            moved = slots[run.packed & (MAX_SLOTS - 1)]
            kept = moved >= 0
            packed = run.packed[kept] & ~np.uint32(MAX_SLOTS - 1) | moved[kept].astype(np.uint32)
            ends = np.append(0, np.cumsum(kept))[run.ends]
            still = np.diff(ends, prepend=0) > 0
            if len(packed):
                self._push(_Run(run.keys[still], ends[still].astype(np.uint32), packed))

    def _settle(self) -> None:
        """Make a run of what is new."""
        if self._new_keys:
            keys = np.frombuffer(self._new_keys, np.uint64)
            order = np.argsort(keys, kind="stable")
            unique, counts = np.unique(keys, return_counts=True)
            packed = np.frombuffer(self._new_packed, np.uint32)[order]
            self._new_keys, self._new_packed = array("Q"), array("I")
            self._push(_Run(unique, np.cumsum(counts).astype(np.uint32), packed))

    def _push(self, run: _Run) -> None:
        while self._runs and len(self._runs[-1].packed) <= 2 * len(run.packed):
            run = _merged(self._runs.pop(), run)
        self._runs.append(run)

    @property
    def nbytes(self) -> int:
        runs = sum(part.nbytes for run in self._runs for part in run)
        return runs + sys.getsizeof(self._new_keys) + sys.getsizeof(self._new_packed)


def _merged(old: _Run, new: _Run) -> _Run:
    """One run of two; of each term the old one's postings come first, as their slots are lower."""
    keys = np.union1d(old.keys, new.keys)
    old_at, new_at = np.searchsorted(keys, old.keys), np.searchsorted(keys, new.keys)
    old_counts, new_counts = _counts(old), _counts(new)
    before_new = np.zeros(len(keys), np.int64)
    before_new[old_at] = old_counts
    totals = before_new.copy()
    totals[new_at] += new_counts
    ends = np.cumsum(totals)
    starts = ends - totals
    packed = np.empty(len(old.packed) + len(new.packed), np.uint32)
    packed[_places(starts[old_at], old_counts)] = old.packed
    packed[_places((starts + before_new)[new_at], new_counts)] = new.packed
    return _Run(keys, ends.astype(np.uint32), packed)


def _counts(run: _Run) -> Ints:
    counts = run.ends.astype(np.int64)
    counts[1:] -= run.ends[:-1]
    return counts


def _places(starts: Ints, counts: Ints) -> Ints:
    """All places of runs that begin at ``starts`` and are ``counts`` long."""
    ends = np.cumsum(counts)
    return np.repeat(starts - (ends - counts), counts) + np.arange(ends[-1])


def _key(term: str) -> int:
    return int.from_bytes(blake2b(term.encode(), digest_size=8).digest(), "little")
