"""AdmitSlice: what some records of an input partition have become, before any of it is sent."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from streams.agents.admit_vectors import with_vector
from streams.core import log as facts
from streams.core.log import Record, Vector
from streams.runtime.embedding import COUNTED_CHARS

SLICE_TEXTS = 256
SLICE_CHARS = 131_072
"""Contents of a slice, in number and in characters: a slice of them takes seconds to embed."""


class AdmitSlice:
    """Records for the internal logs by their partitions, in order; dead letters; texts to embed."""

    def __init__(self) -> None:
        self.logged: dict[int, list[tuple[bytes, bytes]]] = defaultdict(list)
        self.dead: list[tuple[Any, list[tuple[str, bytes]]]] = []
        self.texts: list[str] = []
        self.chars = 0
        self._waiting: list[tuple[list[tuple[bytes, bytes]], int, Record]] = []

    @property
    def full(self) -> bool:
        return len(self.texts) >= SLICE_TEXTS or self.chars >= SLICE_CHARS

    def add(self, partition: int, record: Record, text: str | None) -> None:
        """Take a record; one with a text keeps its place until its vector is there."""
        values = self.logged[partition]
        key = record.tenant.encode()
        if text is None:
            values.append((key, facts.encode(record)))
            return
        self._waiting.append((values, len(values), record))
        values.append((key, b""))
        self.texts.append(text)
        self.chars += min(len(text), COUNTED_CHARS)

    def give(self, vectors: Sequence[Vector]) -> None:
        """Take the vectors of the texts."""
        for (values, at, record), vector in zip(self._waiting, vectors, strict=True):
            values[at] = (values[at][0], facts.encode(with_vector(record, vector)))
