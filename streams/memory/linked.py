"""Which memories of an index say the same in other words, by id: few have any."""

import sys

from streams.memory.document import Document


class Linked:
    """Links of memories; what they name may not be in the index."""

    def __init__(self) -> None:
        self._links: dict[str, tuple[str, ...]] = {}
        self._held = 0

    def __bool__(self) -> bool:
        return bool(self._links)

    def put(self, document: Document) -> None:
        """Know the links of a memory, in the place of those that it had."""
        self.remove(document.id)
        if document.linked:
            self._links[document.id] = document.linked
            self._held += _size(document.linked)

    def remove(self, memory_id: str) -> None:
        self._held -= _size(self._links.pop(memory_id, ()))

    def of(self, memory_id: str) -> tuple[str, ...]:
        """Return the memories with which one is linked."""
        return self._links.get(memory_id, ())

    @property
    def nbytes(self) -> int:
        return sys.getsizeof(self._links) + self._held


def _size(links: tuple[str, ...]) -> int:
    return sum(map(sys.getsizeof, links), sys.getsizeof(links)) if links else 0
