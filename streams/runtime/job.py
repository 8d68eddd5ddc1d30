"""What a partition's folds are, and between which topics they stand."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from streams.core.fold import Effect, Entry, View
from streams.core.rows import Row
from streams.core.schema import SCHEMAS


class Job(msgspec.Struct, frozen=True):
    """What a store folds, and between which topics (full names)."""

    topic: str
    changelog: str
    dedupe: str | None
    """None: the job's records carry no identities."""
    group: str
    decode: Callable[[bytes | None], Any]
    fold: Callable[[View, Entry], list[Effect]]
    output: Callable[[str], str]
    """Full name of a topic that is written to."""
    partitions: int
    """Of the tenant log and of the outputs."""
    tell_offsets_every: float = 1.0
    """Seconds. Telling the group's offsets takes two of a transaction's five requests, and under
    light load a transaction is all that an event costs. The ticks see to it that what is idle is
    told too."""
    schemas: Sequence[str] = SCHEMAS
    """Those that its folds know; a state of a later one is not touched."""
    kinds: Mapping[bytes, type[Row]] = {}
    """Its kinds of rows by the beginnings of their keys: those that older versions may have written
    are brought up to date."""
    owner_kind: str = "owner"
    """What announcements of its partitions' owners are called on streams.owners.v1."""

    def transactional_id(self, partition: int) -> str:
        """Transactional id; the topic is in it, so that two topics never fence each other."""
        return f"{self.group}-{self.topic}-{partition}"
