"""The ranking again, in plain Python over a list of memories: slow, and easy to believe."""

from collections import Counter
from math import isqrt

from streams.memory import facets, fixed
from streams.memory.analyzer import query_terms, terms
from streams.memory.document import MEDIUM, Document
from streams.memory.ranking import HALF_LIFE, PARTS, Filters, Weights

ONE = 1 << 16


def search(
    documents: list[Document],
    query: str,
    filters: Filters,
    limit: int,
    now: int,
    vector: bytes | None,
    model: str,
    weights: Weights,
) -> list[tuple[str, int, dict[str, int]]]:
    if not documents:
        return []
    words = query_terms(query)
    lexical = _lexical(documents, words, weights)
    dense = _dense(documents, vector, model, weights)
    relevance = {d.id: lexical[d.id] + dense[d.id] for d in documents}
    found = []
    for document in documents:
        if not passes(document, filters):
            continue
        parts = dict.fromkeys(PARTS, 0)
        parts["lexical"] = lexical[document.id]
        parts["dense"] = dense[document.id]
        parts["neighbours"] = _neighbours(documents, document, relevance, weights)
        linked = [
            relevance[other.id]
            for other in documents
            if other.id in document.related or document.id in other.related
        ]
        parts["related"] = weights.related * max([0, *linked]) // 256
        for name, values in _boosted(document).items():
            rarest = max(
                (
                    _rarity(documents, [w in _words(_boosted(d)[name]) for d in documents])
                    for w in words
                    if w in _words(values)
                ),
                default=0,
            )
            parts[name] = getattr(weights, name) * rarest // 256
        parts["priority"] = (document.priority - MEDIUM) * (weights.priority * ONE // 256)
        parts["recency"] = weights.recency * _halved(max(now - document.timestamp, 0)) // 256
        weeks = max(now - document.used_at, 0)
        weeks = weeks // HALF_LIFE * ONE + weeks % HALF_LIFE * ONE // HALF_LIFE
        parts["use"] = weights.use * max(fixed.log2(document.uses + 1) - weeks, 0) // 256
        found.append((document.id, sum(parts.values()), parts))
    found.sort(key=lambda each: (-each[1], each[0]))
    return _apart(documents, found)[:limit]


def _apart(
    documents: list[Document], found: list[tuple[str, int, dict[str, int]]]
) -> list[tuple[str, int, dict[str, int]]]:
    """What is linked with something better that has a place of its own comes last."""
    links = {document.id: set(document.linked) for document in documents}
    first: list[tuple[str, int, dict[str, int]]] = []
    again = []
    for each in found:
        said = any(better in links[each[0]] for better, *_ in first)
        (again if said else first).append(each)
    behind = found[-1][1] - found[0][1] - 1 if found else 0
    return first + [(i, score + behind, parts | {"linked": behind}) for i, score, parts in again]


def passes(document: Document, filters: Filters) -> bool:
    return (
        document.priority >= filters.min_priority
        and document.tier in filters.tiers
        and set(filters.context_tags) <= set(document.context_tags)
        and set(filters.metadata) <= set(document.metadata)
        and filters.agent in (None, document.agent)
        and filters.session in (None, document.session)
        and filters.cluster in (None, document.cluster)
        and (filters.pipeline is None or filters.pipeline in document.pipelines)
        and filters.cost_attribution in (None, document.cost_attribution)
        and filters.subject in (None, document.subject)
        and (filters.since is None or document.timestamp >= filters.since)
        and (filters.until is None or document.timestamp < filters.until)
    )


def _lexical(documents: list[Document], words: dict[str, int], weights: Weights) -> dict[str, int]:
    counts = {d.id: Counter(terms(d.content)) for d in documents}
    lengths = {d.id: len(terms(d.content)) for d in documents}
    total = max(1, sum(lengths.values()))
    raw = {}
    for document in documents:
        score = dates = 0
        for word, times in words.items():
            holds = [word in counts[d.id] for d in documents]
            here = counts[document.id][word]
            if here:
                gain = min(times, 2) * _rarity(documents, holds) * here * (weights.k1 + 1024) * 1024
                norm = (
                    weights.k1
                    * (
                        (1024 - weights.b) * total
                        + weights.b * len(documents) * lengths[document.id]
                    )
                ) // total
                score += gain // (here * 1024 * 1024 + norm)
            if word in facets.date_words(document.timestamp):
                holds = [word in facets.date_words(d.timestamp) for d in documents]
                dates += _rarity(documents, holds)
        raw[document.id] = (score >> 6) + (weights.date * dates // 256 >> 6)
    standard = _standardised(raw)
    highest = max(standard.values())
    if highest > weights.lexical_best * ONE:
        standard = {i: z * (weights.lexical_best * ONE) // highest for i, z in standard.items()}
    return {i: weights.lexical * z // 256 for i, z in standard.items()}


def _dense(
    documents: list[Document], vector: bytes | None, model: str, weights: Weights
) -> dict[str, int]:
    scores = {d.id: 0 for d in documents}
    if not vector:
        return scores
    cosines = {
        d.id: _cosine(vector, d.vector)
        for d in documents
        if d.model == model and d.vector and len(d.vector) == len(vector)
    }
    return scores | {i: weights.dense * z // 256 for i, z in _standardised(cosines).items()}


def _cosine(left: bytes, right: bytes) -> int:
    a, b = ([byte - 256 if byte > 127 else byte for byte in each] for each in (left, right))
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    lengths = isqrt(sum(x * x for x in a) << 16) * isqrt(sum(y * y for y in b) << 16)
    return (dot << 32) // max(lengths, 1)


def _neighbours(
    documents: list[Document], document: Document, relevance: dict[str, int], weights: Weights
) -> int:
    if document.session is None:
        return 0
    session = sorted(
        (d for d in documents if d.session == document.session),
        key=lambda d: (d.timestamp, d.place, d.id),
    )
    at = session.index(document)
    total = 0
    for away, weight in enumerate(weights.neighbours, 1):
        for other in (at - away, at + away):
            if 0 <= other < len(session):
                total += weight * relevance[session[other].id]
    return total // 256


def _boosted(document: Document) -> dict[str, tuple[str, ...]]:
    def one(value: str | None) -> tuple[str, ...]:
        return () if value is None else (value,)

    return {
        "tags": document.context_tags,
        "cluster": one(document.cluster),
        "pipeline": document.pipelines,
        "cost_attribution": one(document.cost_attribution),
        "agent": one(document.agent),
    }


def _words(values: tuple[str, ...]) -> set[str]:
    return {word for value in values for word in terms(value)}


def _rarity(documents: list[Document], holds: list[bool]) -> int:
    return fixed.log2(2 * len(documents) + 2) - fixed.log2(2 * sum(holds) + 1)


def _halved(age: int) -> int:
    start = ONE >> min(age // HALF_LIFE, 17)
    return start - (start - (start >> 1)) * (age % HALF_LIFE) // HALF_LIFE


def _standardised(values: dict[str, int]) -> dict[str, int]:
    if not values:
        return values
    mean = sum(values.values()) // len(values)
    variance = (sum((x - mean) ** 2 for x in values.values()) << 16) // len(values)
    deviation = isqrt(variance)
    return {i: (x - mean << 24) // deviation if deviation else 0 for i, x in values.items()}
