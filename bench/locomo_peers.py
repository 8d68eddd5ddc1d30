"""What LoCoMo retrieval is compared with: textbook methods in floats, written here from scratch."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
"""Questions x turns."""


def bm25(turns: Sequence[str], questions: Sequence[str]) -> Scores:
    """Okapi BM25, k1 1.5, b 0.75, over lower-case words: no stop words, no stemming."""
    documents = [Counter(_words(turn)) for turn in turns]
    lengths = np.array([sum(document.values()) for document in documents])
    norms = 1.5 * (0.25 + 0.75 * lengths / lengths.mean())
    holders = Counter(word for document in documents for word in document)
    scores = np.zeros((len(questions), len(turns)))
    for row, question in enumerate(questions):
        for word in _words(question):
            if word in holders:
                rest = len(turns) - holders[word]
                rarity = math.log(1 + (rest + 0.5) / (holders[word] + 0.5))
                counts = np.array([document[word] for document in documents])
                scores[row] += rarity * counts * 2.5 / (counts + norms)
    return scores


def standard_sum(first: Scores, second: Scores, sessions: Sequence[str], share: float) -> Scores:
    """Sum of standard scores, plus a share of both neighbours' in the session."""
    total = _standard(first) + _standard(second)
    same = np.array([a == b for a, b in pairwise(sessions)])
    smoothed = total.copy()
    smoothed[:, 1:] += share * total[:, :-1] * same
    smoothed[:, :-1] += share * total[:, 1:] * same
    return smoothed


def _standard(scores: Scores) -> Scores:
    apart: Scores = scores - scores.mean(1, keepdims=True)
    return apart / np.maximum(scores.std(1, keepdims=True), 1e-9)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())
