"""BM25 in integers over one tenant's memories.

Document frequency, length and mean length are counted among the living at the time of the query:
what was removed leaves no trace, and no forward index is needed to remove it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from streams.memory import fixed
from streams.memory.columns import Column
from streams.memory.fixed import Ints
from streams.memory.postings import Postings

UNIT = 1024
"""1.0 of ``k1`` and ``b``."""


MAX_TERMS = 64
"""Of a longer query only the rarest terms count."""
MAX_WEIGHT = 2
"""A word that a query says more often counts twice."""


class Lexical:
    """Term counts of memories by slot."""

    def __init__(self) -> None:
        self.postings = Postings()
        self._lengths = Column(np.int32)

    def append(self, terms: Sequence[str]) -> None:
        """Index the next slot's terms."""
        slot = len(self._lengths)
        self._lengths.append(len(terms))
        self.postings.add(slot, Counter(terms))

    def keep(self, kept: Ints, slots: Ints) -> None:
        """Drop the dead: ``kept`` are the old slots that stay, ``slots`` all their new numbers."""
        self.postings.renumber(slots)
        self._lengths.keep(kept)

    def scores(self, terms: Mapping[str, int], alive: NDArray[np.bool_], k1: int, b: int) -> Ints:
        """BM25 of each slot for weighted query terms, in 1/1024 bits; 0 for the dead."""
        scores = np.zeros(len(self._lengths), np.int64)
        living = int(np.count_nonzero(alive))
        found = []
        for term, weight in terms.items():
            slots, counts = self.postings.get(term)
            stands = alive[slots]
            slots, counts = slots[stands], counts[stands]
            if len(slots):
                found.append((len(slots), term, min(weight, MAX_WEIGHT), slots, counts))
        if not found:
            return scores
        found.sort(key=lambda each: each[:2])
        lengths = self._lengths.values.astype(np.int64)
        total = max(1, int(lengths[alive].sum()))
        norms = k1 * ((UNIT - b) * total + b * living * lengths) // total
        for holders, _, weight, slots, counts in found[:MAX_TERMS]:
            # ln((N - n + 0.5) / (n + 0.5) + 1), to base 2.
            rarity = fixed.log2(2 * living + 2) - fixed.log2(2 * holders + 1)
            gain = weight * rarity * counts * (k1 + UNIT) * UNIT
            scores[slots] += gain // (counts * (UNIT * UNIT) + norms[slots])
        return scores >> (fixed.BITS - fixed.RAW_BITS)

    @property
    def nbytes(self) -> int:
        return self.postings.nbytes + self._lengths.nbytes
