"""What a fold sees and what it may do: typed rows in, rows and outputs out, nothing else."""

from collections.abc import Hashable, Iterator
from typing import Protocol, TypeVar

import msgspec

from streams.core.log import Body, ControlBody, Record
from streams.core.rows import Row

R = TypeVar("R", bound=Row)


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A record at its place in the log."""

    record: Record
    partition: int
    offset: int
    timestamp: int
    """LogAppendTime, microseconds."""
    log_time: int
    """Highest LogAppendTime of the partition up to and including this record, microseconds."""


class Output(msgspec.Struct, frozen=True, gc=False):
    """One CloudEvent for an output topic, in the tenant's partition."""

    topic: str
    """Name in the topology, without prefix."""
    tenant: str
    type: str
    id: str
    subject: str
    data: bytes | None
    """JSON; None: a tombstone, by which a compacted topic forgets the key."""
    key: str | None = None
    """Kafka's key where it is not the tenant: compacted topics keep the last of each key."""


class Fact(msgspec.Struct, frozen=True, gc=False):
    """A record for another internal log, of which the folded one is the origin."""

    topic: str
    """Name in the topology, without prefix."""
    partition: int
    tenant: str
    body: Body | ControlBody
    source: str = ""
    id: str = ""


class DeadLetter(msgspec.Struct, frozen=True, gc=False):
    """What a fold refuses of an admitted event: it goes to the DLQ of the topic it came from."""

    code: str
    message: str
    type: str
    data: bytes
    """JSON: the data of the event, as far as it is refused."""
    whole: bool
    """Nothing of the event was applied: it may come again with the same id."""


Effect = Output | Fact | DeadLetter


class Rows(Protocol):
    """Typed rows by key."""

    def get(self, kind: type[R], key: bytes) -> R | None:
        """Return the row at ``key``, or None."""


class Reader(Rows, Protocol):
    """Typed rows of one partition; what the query side gets."""

    def scan(
        self, kind: type[R], prefix: bytes, *, reverse: bool = False, start: bytes | None = None
    ) -> Iterator[tuple[bytes, R]]:
        """Yield rows whose key begins with ``prefix``, in key order.

        ``start`` (inclusive) is a full key at which to begin instead of the prefix's first
        (reverse: last) key. Rows put during the scan may or may not be seen.
        """


class Deferred(Protocol):
    """Changes gathered over many records, because each alone would cost as much as all."""

    def settle(self, view: "View") -> None:
        """Make the rows what they would be without the delay."""


class View(Reader, Protocol):
    """Rows as a fold sees them: its own changes included, nothing durable yet."""

    deferred: dict[Hashable, Deferred]
    """Settled before anyone else sees the rows, in chunks of any size and any order: so what is
    deferred commutes, or is settled before a fold asks for a row that it may still change."""

    schema: int
    """Number of the state's schema: what came with a later one, rows can't say yet, so that folds
    leave it alone until it is finalized (streams/core/schema.py)."""

    kept: dict[Hashable, object]
    """What folds have made of rows and may take for them again, so long as they change it with the
    rows; all of it may be gone with any chunk, for it takes memory as rows do."""

    def put(self, key: bytes, row: Row) -> None:
        """Set the row at ``key``."""

    def delete(self, key: bytes) -> None:
        """Remove the row at ``key``, if there is one."""


MOST_CHANGES = 1_000
"""Rows that one record may change; larger work is for ticks to go on with."""


class Bounded:
    """A view that knows how many rows a record has changed in it."""

    def __init__(self, view: View) -> None:
        self.deferred = view.deferred
        self.schema = view.schema
        self.kept = view.kept
        self._view = view
        self._changed: set[bytes] = set()

    @property
    def left(self) -> int:
        """How many more it may change."""
        return MOST_CHANGES - len(self._changed)

    def get(self, kind: type[R], key: bytes) -> R | None:
        return self._view.get(kind, key)

    def scan(
        self, kind: type[R], prefix: bytes, *, reverse: bool = False, start: bytes | None = None
    ) -> Iterator[tuple[bytes, R]]:
        return self._view.scan(kind, prefix, reverse=reverse, start=start)

    def put(self, key: bytes, row: Row) -> None:
        self._changed.add(key)
        self._view.put(key, row)

    def delete(self, key: bytes) -> None:
        self._changed.add(key)
        self._view.delete(key)


def changes_left(view: View) -> int:
    """How many rows the record may still change, where somebody counts them."""
    return view.left if isinstance(view, Bounded) else MOST_CHANGES


def settle(view: View) -> None:
    """Bring the rows up to all that was folded."""
    for change in view.deferred.values():
        change.settle(view)
    view.deferred.clear()
