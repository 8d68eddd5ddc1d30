"""The public data of commands about keeping and forgetting memories."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from msgspec import Meta

from streams.core.events import MAX_NAME, MAX_TTL, Data, MemoryId
from streams.core.meter_events import MAX_REASON

MAX_IDS = 100

Ttl = Annotated[int, Meta(ge=1, le=MAX_TTL)]


class RetentionSet(Data, frozen=True, kw_only=True):
    """Set how long the tenant's memories are kept, old ones too, in the place of what was set."""

    default_ttl_seconds: Annotated[
        Ttl | None,
        Meta(description="Of memories without a ttl of their own. Without it: no end."),
    ] = None
    min_ttl_seconds: Annotated[Ttl | None, Meta(description="A shorter ttl is raised to it.")] = (
        None
    )


Subject = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MAX_NAME,
        description="Whose personal data this is, as messages say it.",
        extra_json_schema={"pattern": r"^[^\u0000-\u001f]*$"},
    ),
]
Ids = Annotated[list[MemoryId], Meta(min_length=1, max_length=MAX_IDS)]


class _About(Data, frozen=True, kw_only=True):
    subject: Subject | None = None
    memory_ids: Ids | None = None

    def __post_init__(self) -> None:
        if (self.subject is None) == (self.memory_ids is None):
            raise ValueError("either subject or memory_ids is needed, and not both")

    def names(self) -> Iterator[str | None]:
        yield self.subject


class HoldSet(_About, frozen=True, kw_only=True):
    """Keep a subject's memories, or these, whatever would remove them: erase, ttl or pressure."""


class HoldRelease(_About, frozen=True, kw_only=True):
    """End a hold: what was erased, or came due, meanwhile goes now."""


class MemoryErase(Data, frozen=True, kw_only=True):
    """Erase memories for good: these, a subject's, or all; late copies stay erased."""

    memory_ids: Ids | None = None
    subject: Subject | None = None
    all: Literal[True] | None = None
    reason: Annotated[str, Meta(min_length=1, max_length=MAX_REASON)]

    def __post_init__(self) -> None:
        if sum(each is not None for each in (self.memory_ids, self.subject, self.all)) != 1:
            raise ValueError("one of memory_ids, subject and all is needed")

    def names(self) -> Iterator[str | None]:
        yield self.subject


FORGET_TYPES: Mapping[str, type[Data]] = {
    "retention.set": RetentionSet,
    "memory.erase": MemoryErase,
    "hold.set": HoldSet,
    "hold.release": HoldRelease,
}
"""ce_type of each command to its data."""
