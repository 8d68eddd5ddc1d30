"""Which texts are linked, by the cosine that it takes: of the pairs, and of log lines.

A link costs no word, but search gives one place to both. So of lines it is asked whether those that
are linked are of one template: what is of two says something else.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from consolidation_pairs import OPPOSITES, PARAPHRASES, ROLES, VALUES
from embedding import embed

from streams.memory.dense import quantise
from streams.memory.likeness import LEAST, alike_enough
from streams.templates.alike import bucket
from streams.templates.hard import hard_tokens, may_link

Pair = tuple[str, str]
LEASTS = ((95, 100), LEAST, (85, 100), (80, 100), (75, 100), (70, 100), (0, 1))
"""Cosines as fractions; 0: whatever else allows a link is enough."""
KINDS = {
    "opposites": OPPOSITES,
    "values": VALUES,
    "roles": ROLES,
    "paraphrases": PARAPHRASES,
}


def links(texts: Iterable[str], labels: Iterable[Hashable], cache: Path) -> dict[str, Any]:
    """Count what is linked, for each cosine.

    Parameters
    ----------
    texts, labels
        Lines, and the template that each is of.
    cache : Path
        Where embeddings are kept.
    """
    label_of = dict(zip(texts, labels, strict=True))
    sets = {**KINDS, "lines": _candidates(label_of)}
    every = sorted({text for pairs in sets.values() for pair in pairs for text in pair})
    vectors = dict(zip(every, (quantise(each)[0] for each in embed(every, cache)), strict=True))
    found = {}
    for least in LEASTS:
        linked = {name: _linked(pairs, vectors, least) for name, pairs in sets.items()}
        counts = {name: len(pairs) for name, pairs in linked.items()}
        wrong = [pair for pair in linked["lines"] if label_of[pair[0]] != label_of[pair[1]]]
        found[f"{least[0] / least[1]:.2f}"] = counts | {"lines_of_two_templates": len(wrong)}
    return found


def _candidates(texts: Iterable[str]) -> list[Pair]:
    """Pairs of different lines that have the same hard tokens."""
    alike = defaultdict(list)
    for text in texts:
        alike[hard_tokens(text)].append(text)
    return [pair for each in alike.values() for pair in combinations(each, 2)]


def _linked(pairs: Sequence[Pair], vectors: dict[str, bytes], least: tuple[int, int]) -> list[Pair]:
    return [
        (one, other)
        for one, other in pairs
        if may_link(one, other)
        and bucket(one) != bucket(other)
        and alike_enough(vectors[one], [vectors[other]], least)
    ]
