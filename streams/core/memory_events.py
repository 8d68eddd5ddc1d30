"""The public data of commands about memories that are merged."""

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta

from streams.core.events import Data, MemoryId

MAX_HOURS = 24 * 366 * 100
"""A century: longer than any event time reaches back."""


class MemoryConsolidate(Data, frozen=True, kw_only=True):
    """Merge what the tenant's memories of the last hours say alike, now."""

    window_hours: Annotated[
        Annotated[int, Meta(ge=1, le=MAX_HOURS)] | None,
        Meta(description="By event time. Default: STREAMS_CONSOLIDATE_WINDOW_HOURS."),
    ] = None


class MemorySplit(Data, frozen=True, kw_only=True):
    """Give the members of a consolidated memory back, as they were."""

    memory_id: MemoryId


MEMORY_TYPES: Mapping[str, type[Data]] = {
    "memory.consolidate": MemoryConsolidate,
    "memory.split": MemorySplit,
}
"""ce_type of each command to its data."""
