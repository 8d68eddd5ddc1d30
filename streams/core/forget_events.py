"""The public data of commands about keeping and forgetting memories."""

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta

from streams.core.events import MAX_TTL, Data

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


FORGET_TYPES: Mapping[str, type[Data]] = {"retention.set": RetentionSet}
"""ce_type of each command to its data."""
