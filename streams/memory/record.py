"""A memory's public record: what memory.records.v1 and the API show, and how many bytes it is."""

from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta

from streams.core.time import SECOND, format_time
from streams.memory.rows import MemoryRow

Priority = Literal["LOW", "MEDIUM", "HIGH", "CRITICAL"]
PRIORITIES: tuple[Priority, ...] = get_args(Priority)
"""Names of the priorities 1 to 4."""
Tier = Literal["working", "long_term", "archived"]
"""Archived: merged into a consolidated memory, and still there."""
_json = msgspec.json.Encoder().encode


class MemoryRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A memory. What it does not have is null, or an empty list."""

    id: str
    tenant: str
    agent: str | None
    session: str | None
    content: str
    timestamp: Annotated[str, Meta(description="Event time of the message that made it.")]
    priority: Priority
    context_tags: list[str]
    tier: Tier
    kind: Literal["observed", "consolidated"]
    sources: list[str]
    related_memories: list[str]
    access_count: Annotated[int, Meta(ge=0)]
    last_accessed: str | None
    ttl_seconds: int | None
    gdpr_deletion_date: Annotated[
        str | None,
        Meta(
            description="timestamp + ttl_seconds; null without a ttl. Of a consolidated memory, "
            "which has no ttl of its own, the last of its members'; null where one has none."
        ),
    ]
    cost_attribution: str | None
    cluster_state: dict[str, Any] | None
    pipeline_context: list[str] | None
    subject: str | None
    metadata: dict[str, Any] | None
    revision: Annotated[int, Meta(ge=1, description="Rises with each correction.")]
    consolidated_into: str | None
    embedding_model: str | None
    bytes: (
        Annotated[
            int,
            Meta(
                ge=0,
                description="UTF-8 length of this record as compact JSON without this field, and "
                "the bytes of its vector.",
            ),
        ]
        | msgspec.UnsetType
    ) = msgspec.UNSET


def tier_of(row: MemoryRow) -> Tier:
    """Where a memory is."""
    if row.consolidated_into is not None:
        return "archived"
    return "working" if row.working else "long_term"


def deletion_date(timestamp: int, ttl_seconds: int | None) -> int | None:
    """Event time from which a memory is due; None: never."""
    return None if ttl_seconds is None else timestamp + ttl_seconds * SECOND


def shown(tenant: str, memory_id: str, row: MemoryRow, last: int | None = None) -> msgspec.Raw:
    """Write a record as the API shows it."""
    return msgspec.Raw(measured(tenant, memory_id, row, last)[0])


def measured(
    tenant: str, memory_id: str, row: MemoryRow, last: int | None = None
) -> tuple[bytes, int]:
    """Write a record as JSON, and count its bytes.

    Parameters
    ----------
    last : int, optional
        Of a consolidated memory: when all its members are due.

    Returns
    -------
    json, size
        ``size`` stands in the JSON already.
    """
    bare = _json(public(tenant, memory_id, row, last))
    size = len(bare) + row.vector_bytes
    return b'%b,"bytes":%d}' % (bare[:-1], size), size


def public(tenant: str, memory_id: str, row: MemoryRow, last: int | None = None) -> MemoryRecord:
    """Make the record of a row, without its bytes."""
    # A consolidated memory is kept as long as its members are, whatever a correction gave it.
    ttl_seconds = None if row.consolidated else row.ttl_seconds
    due = last if row.consolidated else deletion_date(row.timestamp, ttl_seconds)
    # Objects are kept as JSON; the encoder takes them in as they are.
    cluster_state: Any = None if row.cluster_state is None else msgspec.Raw(row.cluster_state)
    metadata: Any = None if row.metadata is None else msgspec.Raw(row.metadata)
    pipeline = row.pipeline_context
    return MemoryRecord(
        id=memory_id,
        tenant=tenant,
        agent=row.agent or None,
        session=row.session or None,
        content=row.text,
        timestamp=format_time(row.timestamp),
        priority=PRIORITIES[row.priority - 1],
        context_tags=list(row.context_tags),
        tier=tier_of(row),
        kind="consolidated" if row.consolidated else "observed",
        sources=list(row.sources),
        related_memories=list(row.related_memories),
        access_count=row.access_count,
        last_accessed=None if row.last_accessed is None else format_time(row.last_accessed),
        ttl_seconds=ttl_seconds,
        gdpr_deletion_date=None if due is None else format_time(due),
        cost_attribution=row.cost_attribution or None,
        cluster_state=cluster_state,
        pipeline_context=None if pipeline is None else list(pipeline),
        subject=row.subject,
        metadata=metadata,
        revision=row.revision,
        consolidated_into=row.consolidated_into,
        embedding_model=row.embedding_model,
    )
