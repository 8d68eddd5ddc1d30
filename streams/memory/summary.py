"""What a consolidated memory has of its members, beside its words and its vector."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from msgspec import structs

from streams.memory.memory_row import MemoryRow
from streams.memory.rows import VectorRow

RELATED = 1000
"""Links of a memory."""


class Member(NamedTuple):
    """A memory that is merged, or was: its row as that of a memory of its own."""

    id: str
    row: MemoryRow


def summary(
    text: str,
    members: Sequence[tuple[int, int, str]],
    rows: Sequence[MemoryRow],
    vector: VectorRow | None,
) -> MemoryRow:
    """Make the row of a consolidated memory.

    Parameters
    ----------
    members : sequence
        Event time, place and id of all of its members, in order.
    rows : sequence of MemoryRow
        Of those of which it has what they have; of an extended one those that are new.
    """
    timestamp, place, _ = members[-1]
    one = rows[-1]
    accessed = [row.last_accessed for row in rows if row.last_accessed is not None]
    ids = tuple(member[-1] for member in members)
    return MemoryRow(
        text=text,
        timestamp=timestamp,
        place=place,
        agent=one.agent,
        session=_agreed([row.session for row in rows], ""),
        priority=max(row.priority for row in rows),
        context_tags=one.context_tags,
        cost_attribution=one.cost_attribution,
        related_memories=_linked([row.related_memories for row in rows], ids),
        ttl_seconds=None,
        cluster_state=one.cluster_state,
        pipeline_context=one.pipeline_context,
        subject=one.subject,
        metadata=_agreed([row.metadata for row in rows], None),
        use=max(row.use for row in rows),
        working=any(row.working for row in rows),
        access_count=sum(row.access_count for row in rows),
        last_accessed=max(accessed, default=None),
        embedding_model=None if vector is None else vector.model,
        vector_bytes=0 if vector is None else len(vector.data),
        consolidated=True,
        sources=ids,
    )


def summed(before: MemoryRow, now: MemoryRow) -> MemoryRow:
    """Add to what a consolidated memory had what its new members have."""
    both = (before, now)
    accessed = [row.last_accessed for row in both if row.last_accessed is not None]
    return structs.replace(
        now,
        session=_agreed([row.session for row in both], ""),
        priority=max(row.priority for row in both),
        related_memories=_linked([row.related_memories for row in both], now.sources),
        metadata=_agreed([row.metadata for row in both], None),
        use=max(row.use for row in both),
        working=before.working or now.working,
        revision=before.revision + 1,
        access_count=before.access_count + now.access_count,
        last_accessed=max(accessed, default=None),
    )


def _agreed(values: Sequence[Any], otherwise: Any) -> Any:
    """What all of them are."""
    return values[0] if all(value == values[0] for value in values) else otherwise


def _linked(links: Iterable[tuple[str, ...]], own: tuple[str, ...]) -> tuple[str, ...]:
    """All links in order, each once, without those among the members."""
    members = set(own)
    found = dict.fromkeys(each for link in links for each in link if each not in members)
    return tuple(found)[:RELATED]
