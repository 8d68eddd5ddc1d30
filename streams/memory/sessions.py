"""Which memories stand next to each other in a session."""

import sys
from array import array
from bisect import bisect_left
from collections.abc import Callable

import numpy as np

from streams.memory.columns import Column
from streams.memory.fixed import Ints

NONE = -1

Key = tuple[int, int, str]
"""What orders a session: event time, place in the log, id."""


class Sessions:
    """The memories of each session in order, linked to the one before and the one after."""

    def __init__(self, key_of: Callable[[int], Key]) -> None:
        self._key_of = key_of
        self._numbers: dict[str, int] = {}
        self._members: list[array[int]] = []
        self._held = 0
        self._session = Column(np.int32)
        self._before = Column(np.int32)
        self._after = Column(np.int32)

    def append(self, slot: int, session: str | None) -> None:
        """Put the next slot at its place; nearly always the last one of its session."""
        self._before.append(NONE)
        self._after.append(NONE)
        if session is None:
            self._session.append(NONE)
            return
        number = self._numbers.get(session)
        if number is None:
            number = self._numbers[session] = len(self._members)
            self._members.append(array("i"))
            self._held += sys.getsizeof(session) + sys.getsizeof(number)
            self._held += sys.getsizeof(self._members[-1])
        self._session.append(number)
        members = self._members[number]
        at = len(members)
        if members and self._key_of(members[-1]) > self._key_of(slot):
            at = bisect_left(members, self._key_of(slot), key=self._key_of)
        size = sys.getsizeof(members)
        members.insert(at, slot)
        self._held += sys.getsizeof(members) - size
        self._link(members[at - 1] if at else NONE, slot)
        self._link(slot, members[at + 1] if at + 1 < len(members) else NONE)

    def remove(self, slot: int) -> None:
        """Link the slot's neighbours with each other."""
        number = int(self._session.values[slot])
        if number == NONE:
            return
        members = self._members[number]
        size = sys.getsizeof(members)
        del members[bisect_left(members, self._key_of(slot), key=self._key_of)]
        self._held += sys.getsizeof(members) - size
        before, after = int(self._before.values[slot]), int(self._after.values[slot])
        self._link(before, after)
        if before == NONE and after != NONE:
            self._before.values[after] = NONE
        if after == NONE and before != NONE:
            self._after.values[before] = NONE

    def _link(self, left: int, right: int) -> None:
        if left != NONE and right != NONE:
            self._after.values[left] = right
            self._before.values[right] = left

    def keep(self, kept: Ints, slots: Ints) -> None:
        """Drop the dead: ``kept`` are the old slots that stay, ``slots`` all their new numbers."""
        # A link to nothing is -1, which finds the -1 put after the last.
        moved = np.append(slots, NONE)
        for links in (self._before, self._after):
            links.keep(kept)
            links.values[:] = moved[links.values]
        old = {session: self._members[number] for session, number in self._numbers.items()}
        self._session.keep(kept)
        renumbered = np.full(len(self._members) + 1, NONE, np.int32)
        numbers = self._numbers
        self._numbers, self._members, self._held = {}, [], 0
        for session, members in old.items():
            if not members:
                continue
            number = renumbered[numbers[session]] = len(self._members)
            now = slots[np.frombuffer(members, np.int32)].astype(np.int32)
            self._members.append(array("i", now.tobytes()))
            self._numbers[session] = int(number)
            self._held += sys.getsizeof(session) + sys.getsizeof(int(number))
            self._held += sys.getsizeof(self._members[-1])
        self._session.values[:] = renumbered[self._session.values]

    def spread(self, values: Ints, at: Ints, weights: tuple[int, ...]) -> Ints:
        """For each slot of ``at`` the weighted sum of its neighbours' values, nearest first."""
        total = np.zeros(len(at), np.int64)
        # A slot without a neighbour has -1, which finds what is put after the last here.
        padded = np.append(values, 0)
        for links in (self._before, self._after):
            next_one = np.append(links.values.astype(np.int64), NONE)
            reached = at
            for weight in weights:
                reached = next_one[reached]
                total += weight * padded[reached]
        return total

    @property
    def nbytes(self) -> int:
        containers = sys.getsizeof(self._numbers) + sys.getsizeof(self._members) + self._held
        return containers + self._session.nbytes + self._before.nbytes + self._after.nbytes
