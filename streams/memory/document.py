"""What the index takes of a memory."""

import msgspec

from streams.memory.consolidation_rows import MembersRow

WORKING, LONG_TERM = 0, 1
NO_TTL = -1
"""Ttl of a memory that has none of its own: a default may count for it."""
LOW, MEDIUM, HIGH, CRITICAL = 1, 2, 3, 4


class Document(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A memory as search sees it. Times are microseconds."""

    id: str
    content: str
    timestamp: int
    """Event time."""
    place: int = 0
    """Orders memories of one session and one event time: where in the log it first came."""
    revision: int = 1
    """Rises whenever anything but tier, uses, used_at and linked changes."""
    priority: int = MEDIUM
    tier: int = WORKING
    agent: str | None = None
    session: str | None = None
    context_tags: tuple[str, ...] = ()
    cluster: str | None = None
    pipelines: tuple[str, ...] = ()
    cost_attribution: str | None = None
    subject: str | None = None
    metadata: tuple[tuple[str, str], ...] = ()
    """Pairs of key and value, the value as compact JSON."""
    related: tuple[str, ...] = ()
    """Ids, of memories that may not exist (yet)."""
    linked: tuple[str, ...] = ()
    """Ids of those that say the same in other words."""
    uses: int = 0
    """How often it was accessed."""
    used_at: int = 0
    """When it was last accessed."""
    model: str | None = None
    """Whose vector it is; vectors of different models are never compared."""
    vector: bytes | None = None
    """int8; its scale does not matter for a cosine."""
    ttl: int = NO_TTL
    """Its own, seconds."""
    members: MembersRow | None = None
    """Of a consolidated memory: when its members are due, and whose they are."""
