"""Chunks: how records travel from Faust's consumer thread to a store or writer.

Faust hands a stream one record at a time; here one item is a run of records of one partition. Each
says after which offset it begins, so that a gap (a pause, a rebalance, a dropped item) is seen.
"""

import asyncio
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from faust.transport.utils import DefaultSchedulingStrategy
from faust.types import TP

MAX_RECORDS = 4_000
"""Records in one chunk; its bytes are bounded by the fetch (2 MiB, or one batch of 8 MiB)."""


class Chunk:
    """A run of one partition's records.

    Attributes
    ----------
    prev : int or None
        Last offset handed out before this chunk (the seek's target - 1 after a seek); None when it
        is not known, and then nobody may rely on the chunk.
    records : list
        aiokafka's ConsumerRecords, in order, never empty unless ``error`` is set.
    error : Exception or None
        What the fetch of this partition raised instead.
    """

    __slots__ = ("error", "nbytes", "prev", "records")

    def __init__(
        self, prev: int | None, records: list[Any], error: Exception | None = None
    ) -> None:
        self.prev = prev
        self.records = records
        self.error = error
        self.nbytes = sum(len(r.value) for r in records if r.value)

    @property
    def last(self) -> int:
        """Offset of the last record."""
        offset: int = self.records[-1].offset
        return offset

    def split(self) -> Iterator["Chunk"]:
        """Cut into chunks of at most MAX_RECORDS."""
        if len(self.records) <= MAX_RECORDS:
            yield self
            return
        prev = self.prev
        for start in range(0, len(self.records), MAX_RECORDS):
            part = Chunk(prev, self.records[start : start + MAX_RECORDS])
            yield part
            prev = None if prev is None else part.last


class Inbox:
    """Chunks that wait for their store or writer; small ones that follow each other are joined."""

    def __init__(self) -> None:
        self._chunks: deque[Chunk] = deque()
        self.nbytes = 0
        self.filled = asyncio.Event()

    def put(self, chunk: Chunk) -> None:
        self._chunks.append(chunk)
        self.nbytes += chunk.nbytes
        self.filled.set()

    def take(self) -> Chunk | None:
        """Return the next chunk, None when there is none."""
        if not self._chunks:
            self.filled.clear()
            return None
        chunk = self._chunks.popleft()
        self.nbytes -= chunk.nbytes
        if chunk.error is not None or len(chunk.records) >= MAX_RECORDS // 2:
            return chunk
        records = list(chunk.records)
        while self._chunks and self._follows(records):
            following = self._chunks.popleft()
            self.nbytes -= following.nbytes
            records += following.records
        return Chunk(chunk.prev, records)

    def _follows(self, records: list[Any]) -> bool:
        following = self._chunks[0]
        return (
            following.error is None
            and following.prev == records[-1].offset
            and len(records) + len(following.records) <= MAX_RECORDS
        )

    def clear(self) -> None:
        self._chunks.clear()
        self.nbytes = 0
        self.filled.clear()


class ChunkScheduler(DefaultSchedulingStrategy):  # type: ignore[misc]
    """Faust's ConsumerScheduler that yields chunks; the thread has already made one a partition."""

    def iterate(self, records: Mapping[TP, Chunk]) -> Iterator[tuple[TP, Chunk]]:
        for tp, fetched in records.items():
            for chunk in fetched.split():
                yield tp, chunk
