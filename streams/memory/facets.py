"""What a memory carries beside its text: exact values for filters, their words for boosts."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from streams.core.time import DAY
from streams.memory import fixed
from streams.memory.analyzer import terms
from streams.memory.document import Document
from streams.memory.fixed import Ints
from streams.memory.postings import Postings

TAG, AGENT, SESSION, CLUSTER, PIPELINE = "t", "a", "s", "c", "p"
COST_ATTRIBUTION, SUBJECT, METADATA = "$", "u", "m"
DATE = "d"
BOOSTED = (TAG, CLUSTER, PIPELINE, COST_ATTRIBUTION, AGENT)
"""Kinds whose words in a question speak for the memory."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Facets:
    """Values and their words, by slot."""

    def __init__(self) -> None:
        self._exact = Postings()
        self._words = Postings()

    def append(self, slot: int, document: Document) -> None:
        values = sorted(set(_values(document)))
        self._exact.add(slot, {kind + value: 1 for kind, value in values})
        words = {k + word for k, value in values if k in BOOSTED for word in terms(value)}
        words.update(DATE + word for word in date_words(document.timestamp))
        self._words.add(slot, dict.fromkeys(sorted(words), 1))

    def keep(self, slots: Ints) -> None:
        """Drop the dead: ``slots`` has the new number of each old slot, -1 for none."""
        self._exact.renumber(slots)
        self._words.renumber(slots)

    def holders(self, kind: str, value: str) -> Ints:
        """Slots that have exactly this value, dead ones among them."""
        return self._exact.get(kind + value)[0]

    def rarities(
        self, kind: str, words: Iterable[str], alive: NDArray[np.bool_], *, add: bool = False
    ) -> Ints | None:
        """For each slot the rarest of ``words`` in its values of a kind, in bits of information.

        With ``add`` all of them together. None when no living memory has any.
        """
        living = int(np.count_nonzero(alive))
        found: Ints | None = None
        for word in words:
            slots, _ = self._words.get(kind + word)
            if len(slots):
                slots = slots[alive[slots]]
            if not len(slots):
                continue
            if found is None:
                found = np.zeros(len(alive), np.int64)
            rarity = fixed.log2(2 * living + 2) - fixed.log2(2 * len(slots) + 1)
            found[slots] = found[slots] + rarity if add else np.maximum(found[slots], rarity)
        return found

    @property
    def nbytes(self) -> int:
        return self._exact.nbytes + self._words.nbytes


def metadata_value(key: str, value: str) -> str:
    """A pair of metadata as one value; ``value`` is JSON text."""
    return f"{len(key)} {key}{value}"


def date_words(timestamp: int) -> tuple[str, ...]:
    """What people call the (UTC) day of a time.

    Examples
    --------
    >>> date_words(1_683_554_160_000_000)
    ('2023-05-08', '2023', 'may', '8')
    """
    day = _EPOCH + timedelta(days=timestamp // DAY)
    words = terms(f"{_MONTHS[day.month - 1]} {day.day}")
    return (f"{day.year:04}-{day.month:02}-{day.day:02}", str(day.year), *words)


_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def _values(document: Document) -> Iterable[tuple[str, str]]:
    for tag in document.context_tags:
        yield TAG, tag
    for pipeline in document.pipelines:
        yield PIPELINE, pipeline
    for kind, value in (
        (AGENT, document.agent),
        (SESSION, document.session),
        (CLUSTER, document.cluster),
        (COST_ATTRIBUTION, document.cost_attribution),
        (SUBJECT, document.subject),
    ):
        if value is not None:
            yield kind, value
    if document.members is not None and document.members.subject:
        # A correction may have named another one: it is the members' all the same.
        yield SUBJECT, document.members.subject
    for key, text in document.metadata:
        yield METADATA, metadata_value(key, text)
