"""Postings against a dict of lists, over many merges and renumberings."""

from unittest.mock import patch

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.memory import postings
from streams.memory.postings import Postings

terms = st.sampled_from("abcdefgh")
memories = st.lists(st.dictionaries(terms, st.integers(1, 300), max_size=5), max_size=60)


@given(memories=memories, new=st.integers(1, 40), kept=st.lists(st.booleans(), min_size=60))
def test_every_term_has_its_slots_in_order(memories, new, kept):
    with patch.object(postings, "_NEW", new):
        ours = Postings()
        for slot, counts in enumerate(memories):
            ours.add(slot, counts)
        alive = np.array(kept[: len(memories)], np.bool_)
        assert _all(ours) == _expected(memories, [True] * len(memories))
        ours.renumber(np.where(alive, np.cumsum(alive) - 1, -1))
        assert _all(ours) == _expected(memories, alive.tolist())


def test_runs_stay_few_and_their_bytes_are_told():
    ours = Postings()
    for slot in range(20_000):
        ours.add(slot, {f"term {slot % 7_000}": 1, "every": 2})
    assert len(ours._runs) <= 5
    assert 4 * 40_000 < ours.nbytes < 10 * 40_000
    slots, counts = ours.get("every")
    assert slots.tolist() == list(range(20_000))
    assert set(counts.tolist()) == {2}


def _all(ours: Postings) -> dict[str, list[tuple[int, int]]]:
    found = {
        term: list(zip(*(a.tolist() for a in ours.get(term)), strict=True)) for term in "abcdefgh"
    }
    return {term: rows for term, rows in found.items() if rows}


def _expected(memories: list, alive: list[bool]) -> dict[str, list[tuple[int, int]]]:
    expected: dict[str, list[tuple[int, int]]] = {}
    left = [counts for counts, lives in zip(memories, alive, strict=True) if lives]
    for slot, counts in enumerate(left):
        for term, count in counts.items():
            expected.setdefault(term, []).append((slot, min(count, 255)))
    return expected
