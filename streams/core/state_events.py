"""The public data of agents' state: its commands."""

from collections.abc import Iterator, Mapping
from typing import Annotated

from msgspec import Meta

from streams.core.events import MAX_NAME, MAX_TTL, Data
from streams.core.state_value import StateValue, compact

MAX_VERSION = 1 << 53

# (?![\s\S]) is the end of the text in every dialect; Python's $ also matches before a newline.
_END = r"(?![\s\S])"
StateName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MAX_NAME,
        pattern=rf"^(?!\.\.?{_END})[^\u0000-\u001f]*{_END}",
        description="Not . or .., which mean something else in a URL; no control characters.",
    ),
]


class _Key(Data, frozen=True, kw_only=True):
    agent: StateName
    key: StateName

    def names(self) -> Iterator[str | None]:
        yield from (self.agent, self.key)


class StateSet(_Key, frozen=True, kw_only=True):
    """Set one key of an agent's own state; each set raises the key's version by one."""

    value: StateValue
    if_version: Annotated[
        Annotated[int, Meta(ge=0, le=MAX_VERSION)] | None,
        Meta(description="Set only over this version; 0: only where there is no value."),
    ] = None
    ttl_seconds: Annotated[
        Annotated[int, Meta(ge=1, le=MAX_TTL)] | None,
        Meta(description="Gone after so long, in the log's time."),
    ] = None

    def check(self) -> None:
        compact(self.value)


class StateDelete(_Key, frozen=True, kw_only=True):
    """Remove one key of an agent's own state."""

    if_version: Annotated[
        Annotated[int, Meta(ge=1, le=MAX_VERSION)] | None,
        Meta(description="Remove only this version."),
    ] = None


STATE_TYPES: Mapping[str, type[Data]] = {"state.set": StateSet, "state.delete": StateDelete}
"""ce_type of each command to its data."""
