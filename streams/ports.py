"""Protocols for the outside: what the agents and the API need and the runtime or adapters give."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from streams.core.fold import Reader, Rows
from streams.core.log import Call, Vector
from streams.memory.question import Question

Told = Callable[[str], None]
"""Hears in a line how far something long is."""


class PriceBook(Protocol):
    """Catalogue of model prices."""

    version: str

    def cost(self, call: Call, at: int) -> int | None:
        """Nano-USD of a call at an event time (microseconds); None for an unknown model."""


class Embedder(Protocol):
    """A loaded model. Blocks and is thread-safe: called off the event loop."""

    @property
    def model(self) -> str:
        """Name of what makes its vectors comparable: the model and its weights."""

    def embed(self, texts: Sequence[str]) -> list[Vector]:
        """Return a vector for each text, in their order, unit length before quantising."""


class QueryEmbedder(Protocol):
    """What a process with a model has: `AdmitRole.embedding` (None without a model)."""

    async def embed_query(self, text: str) -> Vector:
        """Return the vector of a query, ahead of what is being admitted; loads the model once."""


class Produced(msgspec.Struct, frozen=True):
    """Where an acknowledged record lies (full topic name)."""

    topic: str
    partition: int
    offset: int


class Outgoing(msgspec.Struct, frozen=True):
    """A record to be produced."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


class Producer(Protocol):
    """Plain idempotent producer, acks=all, for what users send through the API."""

    async def produce(self, records: Sequence[Outgoing]) -> list[Produced]:
        """Send all and wait until all are acknowledged."""


class Owner(msgspec.Struct, frozen=True):
    """Who folds a partition, as announced on streams.owners.v1."""

    partition: int
    url: str
    worker: str


class PartitionStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What /v1/partitions shows of one partition."""

    topic: str
    partition: int
    worker: str
    url: str
    state: str
    """opening | running | red"""
    error: str | None
    offset: int
    """Last folded offset of the log, -1 for none."""
    end_offset: int
    lag: int
    log_time: str | None
    changelog_offset: int
    recovered_from: str
    """local | s3 | changelog | defaults"""
    snapshot_age_seconds: float | None
    rows: int | None = None
    digest: str | None = None


class SnapshotTaken(msgspec.Struct, frozen=True):
    """What became of one partition's snapshot."""

    topic: str
    partition: int
    name: str = ""
    """Of the manifest."""
    digest: str = ""
    rows: int = 0
    files: int = 0
    """Uploaded ones."""
    bytes: int = 0
    """Uploaded ones."""
    total_bytes: int = 0
    """Of the whole snapshot."""
    seconds: float = 0.0
    error: str | None = None


class Looked(msgspec.Struct, frozen=True):
    """What was found of erased contents in one place."""

    place: str
    looked: int
    """Records or rows, those too that are deleted but still there."""
    found: int
    where: tuple[str, ...]
    """The first few of them."""
    error: str | None = None
    """What could not be read."""


class Snapshot(Rows, Protocol):
    """Committed rows of one moment, for any thread."""

    def close(self) -> None:
        """Let go of them: until then the partition can't be closed."""


class MigrationStatus(msgspec.Struct, frozen=True):
    """In which versions one partition's rows are."""

    topic: str
    partition: int
    worker: str = ""
    schema: str = ""
    """That rows are written in."""
    newest: str = ""
    """That the partition's owner knows."""
    rewriting: bool = False
    """Whether older rows are being brought into the schema."""
    rows: dict[str, dict[str, int]] | None = None
    """Rows by kind and by the schema that brought their shape; null where nobody asked."""
    error: str | None = None


class Watcher(Protocol):
    """Hears what becomes of a partition's committed rows."""

    def committed(self, rows: Iterable[tuple[bytes, bytes | None]]) -> None:
        """These rows have changed just now; None was removed. Must be quick and never raise."""

    async def closing(self) -> None:
        """The partition is about to be closed: let go of its snapshots."""


class LocalPartition(Protocol):
    """A partition that this process owns and that is open for reads."""

    watcher: Watcher | None

    @property
    def reader(self) -> Reader:
        """Committed rows."""

    def snapshot(self) -> Snapshot:
        """Committed rows as they are now; StoreLost when the partition is closed."""

    @property
    def log_time(self) -> int:
        """Log time, microseconds."""

    @property
    def offset(self) -> int:
        """Last folded offset of the log."""

    @property
    def caught_up(self) -> bool:
        """False while it was built from nothing and has not folded what its log held then."""

    async def wait_folded(self, next_offset: int, timeout: float) -> bool:
        """Wait until everything below ``next_offset`` is folded; False when time ran out."""


class Cluster(Protocol):
    """What the API knows of this process and of the others."""

    partitions: int

    def local(self, partition: int) -> LocalPartition | None:
        """Return the partition if this process owns it and it is open for reads."""

    def owner(self, partition: int) -> Owner | None:
        """Return the announced owner, perhaps another process."""

    def owners(self) -> list[Owner]:
        """All announced owners."""

    def control(self) -> Owner | None:
        """Who folds tenant.control.v1."""

    async def status(self, *, digest: bool) -> list[PartitionStatus]:
        """Status of this process's own partitions, control's among them."""

    async def snapshot(self) -> list[SnapshotTaken]:
        """Take snapshots of this process's own partitions, control's among them."""

    async def erased(self, tenant: str, texts: Sequence[str]) -> list[Looked]:
        """Look for what was erased of a tenant of this process's own, and for texts."""

    async def migrations(self, *, rows: bool) -> list[MigrationStatus]:
        """Versions of this process's own partitions, control's among them; ``rows``: counted."""

    async def migrate(self, *, finalize: bool) -> None:
        """Bring the rows of this process's own partitions up to their schema, a part at a time.

        ``finalize`` raises the schema to the newest that this process knows before.
        """

    async def admitted(self, topic: str, partition: int, offset: int, timeout: float) -> bool:
        """Wait until admit's committed offset is past ``offset``; False when time ran out."""

    async def decided(self, partition: int, offset: int, timeout: float) -> bool:
        """Wait until control has answered a command, if it is for control.

        ``partition`` and ``offset`` are those of the command, admitted already; False when time
        ran out.
        """

    async def log_end(self, partition: int) -> int:
        """End offset of the tenant log's partition, now."""

    def ready(self) -> str | None:
        """None when this process does its work, else what it waits for."""


class Finder(Protocol):
    """Answers questions about the memories of a tenant."""

    async def find(self, local: LocalPartition, tenant: str, question: Question) -> msgspec.Raw:
        """Body of the answer, from the tenant's partition; counts accesses.

        Raises
        ------
        StoreLost
            The partition went away meanwhile.
        """


class StoredObject(msgspec.Struct, frozen=True):
    """An object as a listing shows it."""

    name: str
    size: int
    modified: int
    """Microseconds, by the store's clock."""


class ObjectStore(Protocol):
    """A bucket, or a folder in its place. Blocks and is thread-safe: called off the event loop.

    An object is seen whole or not at all, and by every listing that begins after it was written.
    Whatever fails raises ObjectStoreError: one line, no secret in it.
    """

    @property
    def where(self) -> str:
        """What this is, for a person."""

    def put(self, name: str, data: bytes | Path) -> None:
        """Write an object, over one of this name."""

    def put_if_absent(self, name: str, data: bytes) -> bool:
        """Write an object unless there is one of this name; return whether it was written."""

    def get(self, name: str) -> bytes:
        """Read a small object; ObjectMissing when there is none."""

    def fetch(self, name: str, path: Path) -> None:
        """Read an object into a file; ObjectMissing when there is none."""

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """List objects whose names begin with this, by name."""

    def delete(self, names: Sequence[str]) -> None:
        """Delete objects; one that is not there is no error."""
