"""One tenant's memories, ready to be searched: built from rows, or grown by facts.

Memories stand in slots in the order in which they came. A removed one only stops being alive; when
a third of the slots is dead, all are renumbered. So adding, replacing and removing cost the same at
100,000 memories as at 1,000, over time, and what a search finds never depends on the slots.

Not for two threads at once: its owner takes turns between facts and searches.
"""

import sys
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from streams.core.time import SECOND
from streams.memory.analyzer import terms
from streams.memory.columns import Column
from streams.memory.dense import Dense
from streams.memory.document import NO_TTL, Document
from streams.memory.facets import Facets
from streams.memory.forget_rows import RulesRow
from streams.memory.lexical import Lexical
from streams.memory.linked import Linked
from streams.memory.members import begins
from streams.memory.postings import MAX_SLOTS
from streams.memory.related import NONE, Related
from streams.memory.sessions import Sessions

_DEAD_BEFORE_COMPACTION = 64
_FAR = 2**63 - 1
"""A time that never comes."""


class TenantIndex:
    """The memories of one tenant and every statistic that ranking takes of them."""

    def __init__(self) -> None:
        self._slots: dict[str, int] = {}
        self._begin()

    def _begin(self) -> None:
        self.ids: list[str] = []
        self._held = 0
        self._alive = Column(np.bool_)
        self._timestamps = Column(np.int64)
        self._places = Column(np.int64)
        self._revisions = Column(np.int64)
        self._priorities = Column(np.uint8)
        self._tiers = Column(np.uint8)
        self._uses = Column(np.uint32)
        self._used_at = Column(np.int64)
        self._firsts = Column(np.int64)
        self._dues = Column(np.int64)
        self._bares = Column(np.int64)
        self._columns = (
            self._alive,
            self._timestamps,
            self._places,
            self._revisions,
            self._priorities,
            self._tiers,
            self._uses,
            self._used_at,
            self._firsts,
            self._dues,
            self._bares,
        )
        self.withheld: dict[str, tuple[str, ...] | None] = {}
        """What was taken out though it is in the rows: all of a memory, or these members of it."""
        self.obeyed: RulesRow | None = None
        """The rules by which that was."""
        self.lexical = Lexical()
        self.facets = Facets()
        self.related = Related()
        self.linked = Linked()
        self.sessions = Sessions(self._session_key)
        self._dense: dict[str, Dense] = {}

    @classmethod
    def of(cls, documents: Iterable[Document]) -> "TenantIndex":
        """Build an index: the same as by adding them in whatever order, but sooner."""
        index = cls()
        for document in sorted(documents, key=lambda each: (each.timestamp, each.place, each.id)):
            index.put(document)
        return index

    def __len__(self) -> int:
        return len(self._slots)

    def __contains__(self, memory_id: str) -> bool:
        return memory_id in self._slots

    def put(self, document: Document) -> None:
        """Add a memory, or replace the one that has its id.

        Raises
        ------
        OverflowError
            The tenant has more than sixteen million memories.
        """
        self.remove(document.id)
        slot = len(self.ids)
        if slot == MAX_SLOTS:
            raise OverflowError("an index holds at most 16,777,216 memories")
        self._slots[document.id] = slot
        self.ids.append(document.id)
        self._held += sys.getsizeof(document.id) + sys.getsizeof(slot)
        for column, value in zip(
            self._columns,
            (
                True,
                document.timestamp,
                document.place,
                document.revision,
                document.priority,
                document.tier,
                min(document.uses, 0xFFFFFFFF),
                document.used_at,
                *_keeping(document),
            ),
            strict=True,
        ):
            column.append(value)
        self.lexical.append(terms(document.content))
        self.facets.append(slot, document)
        self.sessions.append(slot, document.session)
        self.linked.put(document)
        self.related.append(slot, document.related, self._slots)
        self.related.moved(document.id, slot)
        if document.model is not None and document.vector:
            self._vectors(document.model, len(document.vector)).append(slot, document.vector)

    def update(self, document: Document) -> None:
        """Make a memory what it is now, at little cost where it was only used or moved."""
        slot = self._slots.get(document.id)
        if (
            slot is None
            or self._places.values[slot] != document.place
            or self._revisions.values[slot] != document.revision
        ):
            self.put(document)
        else:
            self.used(document.id, document.uses, document.used_at)
            self.moved(document.id, document.tier)
            self.linked.put(document)

    def withhold(self, memory_id: str) -> None:
        """Take out a memory that is in the rows, so that it may come back."""
        self.remove(memory_id)
        self.withheld[memory_id] = None

    def remove(self, memory_id: str) -> bool:
        """Forget a memory; False when there is none of this id."""
        self.withheld.pop(memory_id, None)
        slot = self._slots.get(memory_id)
        if slot is None:
            return False
        self.linked.remove(memory_id)
        self.sessions.remove(slot)
        self.related.moved(memory_id, NONE)
        self._alive.values[slot] = False
        del self._slots[memory_id]
        if len(self.ids) - len(self._slots) > _DEAD_BEFORE_COMPACTION + len(self._slots) // 2:
            self._compact()
        return True

    def used(self, memory_id: str, uses: int, used_at: int) -> None:
        """A memory was accessed: ``uses`` is the new count."""
        slot = self._slots.get(memory_id)
        if slot is not None:
            self._uses.values[slot] = min(uses, 0xFFFFFFFF)
            self._used_at.values[slot] = used_at

    def moved(self, memory_id: str, tier: int) -> None:
        """A memory went to another tier."""
        slot = self._slots.get(memory_id)
        if slot is not None:
            self._tiers.values[slot] = tier

    def slot(self, memory_id: str) -> int:
        """Where a memory stands until the next change.

        Raises
        ------
        KeyError
            There is none of this id.
        """
        return self._slots[memory_id]

    def dense(self, model: str, dimensions: int) -> Dense | None:
        """Vectors that may be compared with one of this model and length."""
        return self._dense.get(_space(model, dimensions))

    @property
    def alive(self) -> NDArray[np.bool_]:
        return self._alive.values

    @property
    def timestamps(self) -> NDArray[np.int64]:
        return self._timestamps.values

    @property
    def priorities(self) -> NDArray[np.uint8]:
        return self._priorities.values

    @property
    def tiers(self) -> NDArray[np.uint8]:
        return self._tiers.values

    @property
    def uses(self) -> NDArray[np.uint32]:
        return self._uses.values

    @property
    def used_at(self) -> NDArray[np.int64]:
        return self._used_at.values

    @property
    def firsts(self) -> NDArray[np.int64]:
        """Event time; of a consolidated memory that of its first member."""
        return self._firsts.values

    @property
    def dues(self) -> NDArray[np.int64]:
        """Deadline by its own ttl; of a consolidated memory the first of its members'."""
        return self._dues.values

    @property
    def bares(self) -> NDArray[np.int64]:
        """Event time without a ttl; of a consolidated memory the first of such members'."""
        return self._bares.values

    @property
    def nbytes(self) -> int:
        """Bytes that the index holds: arrays with their spare room, dicts, strings, ints."""
        arrays = sum(column.nbytes for column in self._columns)
        vectors = sum(dense.nbytes for dense in self._dense.values())
        structures = (
            self.lexical.nbytes + self.facets.nbytes + self.sessions.nbytes + self.related.nbytes
        ) + self.linked.nbytes
        containers = sys.getsizeof(self._slots) + sys.getsizeof(self.ids) + self._held
        return arrays + vectors + structures + containers

    def _vectors(self, model: str, dimensions: int) -> Dense:
        space = _space(model, dimensions)
        if space not in self._dense:
            self._dense[space] = Dense(dimensions)
        return self._dense[space]

    def _session_key(self, slot: int) -> tuple[int, int, str]:
        return int(self.timestamps[slot]), int(self._places.values[slot]), self.ids[slot]

    def _compact(self) -> None:
        alive = self.alive.copy()
        kept = np.flatnonzero(alive)
        slots = np.where(alive, np.cumsum(alive) - 1, -1)
        for column in self._columns:
            column.keep(kept)
        self.ids = [self.ids[slot] for slot in kept]
        self._slots = {each: slot for slot, each in enumerate(self.ids)}
        self._held = sum(sys.getsizeof(i) + sys.getsizeof(s) for i, s in self._slots.items())
        self.lexical.keep(kept, slots)
        self.facets.keep(slots)
        self.sessions.keep(kept, slots)
        self.related.keep(slots, self._slots)
        for space in sorted(self._dense):
            self._dense[space].keep(slots)
            if not len(self._dense[space]):
                del self._dense[space]


def _keeping(document: Document) -> tuple[int, int, int]:
    """When a memory happened and is due by its own ttl, and when it happened if it has none."""
    members, time = document.members, document.timestamp
    if members is not None:
        due = _FAR if members.due is None else members.due[0]
        return begins(members), due, _FAR if members.bare is None else members.bare[0]
    if document.ttl == NO_TTL:
        return time, _FAR, time
    return time, min(time + document.ttl * SECOND, _FAR), _FAR


def _space(model: str, dimensions: int) -> str:
    return f"{dimensions} {model}"
