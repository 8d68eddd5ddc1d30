"""Search: which of a tenant's memories answer a question best, and why.

Relevance is the sum of two standard scores, BM25's and the cosine's, each over all of the tenant's
memories; a memory also takes from its neighbours in the session, from related memories, and from
what it carries. Memories that are linked, for they say the same in other words, take one place: the
best of them; the others come behind all that was not said yet. All of it is whole multiples of
1/65536: parts sum to the score to the last digit, and no library, cache or order of building can
change a rank. Ties go by id.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

from streams.core.time import DAY
from streams.memory import facets, fixed
from streams.memory.analyzer import query_terms
from streams.memory.document import CRITICAL, LONG_TERM, LOW, MEDIUM, WORKING
from streams.memory.fixed import ONE, Ints
from streams.memory.index import TenantIndex

_UNIT = 256


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """What a memory must be to be found at all; each narrows, none is a boost."""

    min_priority: int = LOW
    context_tags: tuple[str, ...] = ()
    """All of them."""
    agent: str | None = None
    session: str | None = None
    cluster: str | None = None
    pipeline: str | None = None
    """One of the memory's pipelines."""
    cost_attribution: str | None = None
    subject: str | None = None
    metadata: tuple[tuple[str, str], ...] = ()
    """Pairs of key and value (compact JSON), all of them."""
    since: int | None = None
    """Event time, included."""
    until: int | None = None
    """Event time, excluded."""
    tiers: tuple[int, ...] = (WORKING, LONG_TERM)


class Weights(msgspec.Struct, frozen=True, kw_only=True):
    """In 1/256 where nothing else is said.

    Chosen with bench/locomo.py; docs/decisions/0008-hybrid-retrieval.md tells how.
    """

    k1: int = 922
    """BM25's, in 1/1024."""
    b: int = 410
    """BM25's, in 1/1024."""
    lexical: int = 256
    dense: int = 256
    date: int = 256
    """Of a bit of information in the words of the day, beside those of the text."""
    lexical_best: int = 12
    """Standard deviations: in a large tenant one rare word is hundreds of them."""
    neighbours: tuple[int, ...] = (102, 64, 38, 26, 13)
    """Of the relevance one, two, .. places before and after in the session."""
    related: int = 64
    tags: int = 64
    """Of a bit of information in the rarest word of the memory's tags that the question has."""
    cluster: int = 64
    pipeline: int = 64
    cost_attribution: int = 64
    agent: int = 32
    priority: int = 16
    """For each step above MEDIUM, and less for each below."""
    recency: int = 26
    """Halved each week."""
    use: int = 5
    """For each doubling of the accesses, less one for each week since the last."""


DEFAULT = Weights()
_FACETS = (
    ("tags", facets.TAG),
    ("cluster", facets.CLUSTER),
    ("pipeline", facets.PIPELINE),
    ("cost_attribution", facets.COST_ATTRIBUTION),
    ("agent", facets.AGENT),
)
PARTS = (
    "lexical",
    "dense",
    "neighbours",
    "related",
    *(name for name, _ in _FACETS),
    "priority",
    "recency",
    "use",
    "linked",
)
HALF_LIFE = 7 * DAY


class Found(msgspec.Struct, frozen=True):
    """One result. The score is the sum of the parts; 65536 is one standard deviation."""

    id: str
    score: int
    parts: dict[str, int]
    """In the order of ``PARTS``; those that are 0 too."""


def search(
    index: TenantIndex,
    query: str,
    filters: Filters,
    limit: int,
    now: int,
    *,
    vector: bytes | None = None,
    model: str = "",
    weights: Weights = DEFAULT,
) -> list[Found]:
    """Rank the memories that pass the filters and return the best.

    Parameters
    ----------
    index
        The tenant's memories; statistics are of all of them, whatever the filters.
    query
        A question in words.
    filters
        What must hold.
    limit
        So many are returned whenever that many pass: there is no least score.
    now
        Microseconds, for recency and use.
    vector, model
        The query's embedding (int8) and whose it is. Without one the ranking is lexical; memories
        that have none of this model count as average ones.
    """
    chosen = np.flatnonzero(_passing(index, filters))
    if not len(chosen) or limit < 1:
        return []
    words = query_terms(query)
    lexical = _lexical(index, words, weights)
    dense = _dense(index, vector, model, weights)
    relevance = lexical + dense
    parts = {
        "lexical": lexical[chosen],
        "dense": dense[chosen],
        "neighbours": index.sessions.spread(relevance, chosen, weights.neighbours) // _UNIT,
    }
    linked = index.related.best(relevance, index.alive)
    if linked is not None:
        parts["related"] = weights.related * linked[chosen] // _UNIT
    for name, kind in _FACETS:
        rarity = index.facets.rarities(kind, words, index.alive)
        if rarity is not None:
            parts[name] = getattr(weights, name) * rarity[chosen] // _UNIT
    parts |= _standing(index, chosen, now, weights)
    score = np.zeros(len(chosen), np.int64)
    for part in parts.values():
        score += part
    first, again = _places(index, chosen, score, limit)
    # Behind all others, in their order.
    behind = int(score.min()) - int(score.max()) - 1 if again else 0
    return [
        Found(
            index.ids[chosen[at]],
            int(score[at]) + linked,
            {name: int(parts[name][at]) if name in parts else 0 for name in PARTS}
            | {"linked": linked},
        )
        for places, linked in ((first, 0), (again, behind))
        for at in places
    ]


def _passing(index: TenantIndex, filters: Filters) -> NDArray[np.bool_]:
    wanted_tier = np.zeros(256, np.bool_)
    wanted_tier[list(filters.tiers)] = True
    passing = index.alive & wanted_tier[index.tiers]
    if filters.min_priority > LOW:
        passing &= index.priorities >= filters.min_priority
    if filters.since is not None:
        passing &= index.timestamps >= filters.since
    if filters.until is not None:
        passing &= index.timestamps < filters.until
    for kind, value in _wanted(filters):
        holds = np.zeros(len(passing), np.bool_)
        holds[index.facets.holders(kind, value)] = True
        passing &= holds
    return passing


def _wanted(filters: Filters) -> list[tuple[str, str]]:
    wanted = [(facets.TAG, tag) for tag in filters.context_tags]
    wanted += [
        (facets.METADATA, facets.metadata_value(key, value)) for key, value in filters.metadata
    ]
    singles = (
        (facets.AGENT, filters.agent),
        (facets.SESSION, filters.session),
        (facets.CLUSTER, filters.cluster),
        (facets.PIPELINE, filters.pipeline),
        (facets.COST_ATTRIBUTION, filters.cost_attribution),
        (facets.SUBJECT, filters.subject),
    )
    return wanted + [(kind, value) for kind, value in singles if value is not None]


def _lexical(index: TenantIndex, words: dict[str, int], weights: Weights) -> Ints:
    """Weighted standard scores of BM25 plus the date's words; 0 for the dead."""
    alive = index.alive
    raw = index.lexical.scores(words, alive, weights.k1, weights.b)
    dates = index.facets.rarities(facets.DATE, words, alive, add=True)
    if dates is not None:
        raw = raw + ((weights.date * dates // _UNIT) >> (fixed.BITS - fixed.RAW_BITS))
    scores = np.zeros(len(alive), np.int64)
    standard = fixed.standardised(raw[alive])
    highest = int(standard.max())
    # All of them shrink alike: the order by words stays, and the cosine still has a say.
    if highest > weights.lexical_best * ONE:
        standard = standard * (weights.lexical_best * ONE) // highest
    scores[alive] = weights.lexical * standard // _UNIT
    return scores


def _dense(index: TenantIndex, vector: bytes | None, model: str, weights: Weights) -> Ints:
    """Weighted standard scores of the cosine; 0 for the dead and the incomparable."""
    scores = np.zeros(len(index.alive), np.int64)
    vectors = index.dense(model, len(vector)) if vector else None
    if vector is None or vectors is None:
        return scores
    slots, cosines = vectors.cosines(vector)
    living = index.alive[slots]
    scores[slots[living]] = weights.dense * fixed.standardised(cosines[living]) // _UNIT
    return scores


def _standing(index: TenantIndex, chosen: Ints, now: int, weights: Weights) -> dict[str, Ints]:
    """What a memory is worth whatever the question."""
    priorities = index.priorities[chosen].astype(np.int64)
    age = np.maximum(now - index.timestamps[chosen], 0)
    standing = {
        "priority": (np.minimum(priorities, CRITICAL) - MEDIUM) * (weights.priority * ONE // _UNIT),
        "recency": weights.recency * fixed.halved(age, HALF_LIFE) // _UNIT,
    }
    uses = index.uses[chosen]
    if uses.any():
        counts, which = np.unique(uses, return_inverse=True)
        doublings = np.array([fixed.log2(int(count) + 1) for count in counts], np.int64)[which]
        since = np.maximum(now - index.used_at[chosen], 0)
        weeks = since // HALF_LIFE * ONE + since % HALF_LIFE * ONE // HALF_LIFE
        standing["use"] = weights.use * np.maximum(doublings - weeks, 0) // _UNIT
    return standing


def _places(
    index: TenantIndex, chosen: Ints, score: Ints, limit: int
) -> tuple[list[int], list[int]]:
    """Positions in ``chosen`` of what takes a place, and of what only fills the limit.

    The latter are linked with something better that has a place.
    """
    if not index.linked:
        return _best(index, chosen, score, limit), []
    looked_at = limit
    while True:
        first: list[int] = []
        again: list[int] = []
        placed: set[str] = set()
        for at in _best(index, chosen, score, looked_at):
            memory_id = index.ids[chosen[at]]
            if placed.isdisjoint(index.linked.of(memory_id)):
                placed.add(memory_id)
                first.append(at)
            else:
                again.append(at)
        if len(first) >= limit or looked_at >= len(chosen):
            return first[:limit], again[: max(0, limit - len(first))]
        looked_at *= 2


def _best(index: TenantIndex, chosen: Ints, score: Ints, limit: int) -> list[int]:
    """Positions in ``chosen`` of the highest scores, ties by id."""
    at = np.arange(len(chosen))
    if len(chosen) > limit:
        least = np.partition(score, len(score) - limit)[len(score) - limit]
        at = np.flatnonzero(score >= least)
    return sorted(at.tolist(), key=lambda each: (-int(score[each]), index.ids[chosen[each]]))[
        :limit
    ]
