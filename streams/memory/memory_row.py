"""A memory's row in every version that there was, each with the step from the one before it."""

from typing import Any, ClassVar

from msgspec import structs

from streams.core.rows import Row, Step


def with_cost(row: "MemoryRow100") -> "MemoryRow110":
    """1.0.0 -> 1.1.0: nobody is named."""
    return MemoryRow110(**_fields(row), cost_attribution="")


def with_deletion(row: "MemoryRow110") -> "MemoryRow200":
    """1.1.0 -> 2.0.0: kept until something else removes it, and nobody's personal data."""
    return MemoryRow200(**_fields(row), ttl_seconds=None, subject=None)


def with_clusters(row: "MemoryRow200") -> "MemoryRow":
    """2.0.0 -> 2.1.0: of no cluster and no pipeline."""
    return MemoryRow(**_fields(row), cluster_state=None, pipeline_context=None)


def _fields(row: Row) -> dict[str, Any]:
    return structs.asdict(row)


class MemoryRow100(Row, frozen=True, array_like=True):
    """Schema 1.0.0."""

    kind: ClassVar[bytes] = b"m/"
    version: ClassVar[int] = 1

    text: str
    timestamp: int
    place: int
    agent: str
    session: str
    priority: int
    context_tags: tuple[str, ...]
    related_memories: tuple[str, ...]
    metadata: bytes | None
    use: int
    working: bool
    revision: int
    access_count: int
    last_accessed: int | None
    embedding_model: str | None
    vector_bytes: int
    size: int
    consolidated: bool
    sources: tuple[str, ...]
    consolidated_into: str | None


class MemoryRow110(Row, frozen=True, array_like=True):
    """Schema 1.1.0: who pays for it."""

    kind: ClassVar[bytes] = b"m/"
    version: ClassVar[int] = 2
    step: ClassVar[Step | None] = Step(MemoryRow100, with_cost)

    text: str
    timestamp: int
    place: int
    agent: str
    session: str
    priority: int
    context_tags: tuple[str, ...]
    cost_attribution: str
    related_memories: tuple[str, ...]
    metadata: bytes | None
    use: int
    working: bool
    revision: int
    access_count: int
    last_accessed: int | None
    embedding_model: str | None
    vector_bytes: int
    size: int
    consolidated: bool
    sources: tuple[str, ...]
    consolidated_into: str | None


class MemoryRow200(Row, frozen=True, array_like=True):
    """Schema 2.0.0: whose data it is, and until when (gdpr_deletion_date follows from the ttl)."""

    kind: ClassVar[bytes] = b"m/"
    version: ClassVar[int] = 3
    step: ClassVar[Step | None] = Step(MemoryRow110, with_deletion)

    text: str
    timestamp: int
    place: int
    agent: str
    session: str
    priority: int
    context_tags: tuple[str, ...]
    cost_attribution: str
    related_memories: tuple[str, ...]
    ttl_seconds: int | None
    subject: str | None
    metadata: bytes | None
    use: int
    working: bool
    revision: int
    access_count: int
    last_accessed: int | None
    embedding_model: str | None
    vector_bytes: int
    size: int
    consolidated: bool
    sources: tuple[str, ...]
    consolidated_into: str | None


class MemoryRow(Row, frozen=True, array_like=True):
    """A memory, all but its vector. Missing texts are empty; JSON is compact."""

    kind: ClassVar[bytes] = b"m/"
    version: ClassVar[int] = 4
    step: ClassVar[Step | None] = Step(MemoryRow200, with_clusters)

    text: str
    timestamp: int
    """Event time of the message that made it."""
    place: int
    """Offset in the log of that message: orders memories of one event time."""
    agent: str
    session: str
    priority: int
    context_tags: tuple[str, ...]
    cost_attribution: str
    related_memories: tuple[str, ...]
    ttl_seconds: int | None
    cluster_state: bytes | None
    pipeline_context: tuple[str, ...] | None
    subject: str | None
    metadata: bytes | None
    use: int
    """Uses, fading (streams/memory/use.py): being written is one."""
    working: bool = True
    """Of its agent's working memory; long-term otherwise."""
    revision: int = 1
    access_count: int = 0
    last_accessed: int | None = None
    embedding_model: str | None = None
    vector_bytes: int = 0
    size: int = 0
    """What it counts for in its tenant's bytes."""
    consolidated: bool = False
    sources: tuple[str, ...] = ()
    consolidated_into: str | None = None
