"""The public data of the inputs, as typed structs that hold every limit that a type can say.

The JSON Schemas are generated from these structs (streams/adapters/schemas.py). Unknown fields are
ignored, so that a newer sender is understood; a field that is there must be right.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from streams.core import envelope
from streams.core.amount import Usd, is_absent, usd
from streams.core.errors import Refused
from streams.core.time import parse_time, zone

MAX_NAME = 256
MAX_METADATA = 4096
"""Bytes of metadata as compact JSON."""
MAX_DEPTH = 16
"""How deep cluster_state may be nested."""
MAX_TTL = 31_557_600_000
"""A thousand years in seconds: beyond it a deletion date could not be written down."""
MAX_TOKENS = 1 << 53
PRIORITIES = {"LOW": 1, "MEDIUM": 2, "HIGH": 3, "CRITICAL": 4}

# (?![\s\S]) is the end of the text in every dialect; Python's $ also matches before a newline.
_END = r"(?![\s\S])"
# Checked in `decode`: the patterns would take as long as the rest of the decoding.
_LABEL = {"pattern": r"^[^\u0000-\u001f]*$"}
Name = Annotated[str, Meta(max_length=MAX_NAME, extra_json_schema=_LABEL)]
"""A label that usage may be grouped by: no control characters."""
Tokens = Annotated[int, Meta(ge=0, le=MAX_TOKENS)]
MemoryId = Annotated[str, Meta(min_length=1, max_length=200, pattern=rf"^[A-Za-z0-9._:-]+{_END}")]
ReservationId = Annotated[
    str, Meta(min_length=1, max_length=200, pattern=rf"^[A-Za-z0-9._:-]+{_END}")
]
BudgetId = Annotated[str, Meta(min_length=1, max_length=200, extra_json_schema=_LABEL)]
Zone = Annotated[
    str, Meta(max_length=64, description="IANA time zone.", examples=["UTC", "Europe/Berlin"])
]
ScopeKey = Literal["provider", "model", "agent", "cost_attribution", "job", "cluster"]


class Data(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What all inputs may say."""

    tenant: Annotated[
        str | None, Meta(description="Agrees with ce_tenant and the key, or stands for them.")
    ] = None

    def names(self) -> Iterator[str | None]:
        """All labels, for the check that they have no control characters."""
        yield self.tenant

    def check(self) -> None:
        """Check what its type can't say and needs the whole text to be read first.

        Raises
        ------
        ValueError
            An amount is none.
        Refused
            A value breaks a limit of its own.
        """


class Usage(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    rename={
        "provider": "gen_ai.provider.name",
        "model": "gen_ai.request.model",
        "input_tokens": "gen_ai.usage.input_tokens",
        "output_tokens": "gen_ai.usage.output_tokens",
        "cache_read_tokens": "gen_ai.usage.cache_read.input_tokens",
        "cache_creation_tokens": "gen_ai.usage.cache_creation.input_tokens",
    },
):
    """One model call, in the names of OpenTelemetry GenAI."""

    provider: Name | None = None
    model: Name | None = None
    input_tokens: Annotated[
        Tokens | None, Meta(description="All input tokens, cached ones included.")
    ] = None
    output_tokens: Tokens | None = None
    cache_read_tokens: Tokens | None = None
    cache_creation_tokens: Tokens | None = None

    def __post_init__(self) -> None:
        cached = (self.cache_read_tokens or 0) + (self.cache_creation_tokens or 0)
        if cached > (self.input_tokens or 0):
            raise ValueError("input_tokens includes the cached tokens, so it can't be below them")


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What a memory brings along from another store: `streams import` sends it."""

    access_count: Annotated[int, Meta(ge=0, le=1 << 53)] = 0
    last_accessed: Annotated[str | None, Meta(description="RFC 3339.")] = None

    def __post_init__(self) -> None:
        self.accessed_at  # noqa: B018 - refused here if it is no time

    @property
    def accessed_at(self) -> int | None:
        """``last_accessed`` in microseconds."""
        return None if self.last_accessed is None else parse_time(self.last_accessed)


class AgentMessage(Data, frozen=True, kw_only=True):
    """Something that an agent said or did: a memory, a metered call, or both."""

    content: Annotated[
        str | None, Meta(description="What becomes a memory. Empty or missing: metering only.")
    ] = None
    priority: Annotated[
        Literal["LOW", "MEDIUM", "HIGH", "CRITICAL"] | None, Meta(description="Default MEDIUM.")
    ] = None
    agent: Name | None = None
    session: Name | None = None
    context_tags: Annotated[list[Name], Meta(max_length=1000)] | None = None
    ttl_seconds: Annotated[int, Meta(ge=1, le=MAX_TTL)] | None = None
    cost_attribution: Name | None = None
    cluster_state: Annotated[
        dict[str, Any] | Name | None,
        Meta(description=f"An object (nested at most {MAX_DEPTH} deep) or a cluster's name."),
    ] = None
    pipeline_context: Annotated[list[Name], Meta(max_length=1000)] | Name | None = None
    related_memories: Annotated[list[MemoryId], Meta(max_length=1000)] | None = None
    subject: Annotated[Name | None, Meta(description="Whose personal data this is.")] = None
    memory_id: MemoryId | None = None
    metadata: Annotated[
        dict[str, str | int | float | bool | None] | None,
        Meta(description=f"Flat; at most {MAX_METADATA} bytes as compact JSON."),
    ] = None
    usage: Usage | None = None
    cost_usd: Annotated[
        Usd, Meta(description="The reported cost; wins over a computed one. USD, 0 to 1e9.")
    ] = msgspec.field(default_factory=msgspec.Raw)
    reservation_id: Annotated[
        ReservationId | None,
        Meta(description="The budget reservation that this call was made under: spent once."),
    ] = None
    imported: Imported | None = None

    def __post_init__(self) -> None:
        if self.usage is None:
            if not self.content:
                raise ValueError("either content or usage is needed")
        elif (
            self.usage.input_tokens is None
            and self.usage.output_tokens is None
            and is_absent(self.cost_usd)
        ):
            raise ValueError("usage without any tokens and without cost_usd says nothing")
        if self.metadata is not None and len(msgspec.json.encode(self.metadata)) > MAX_METADATA:
            raise ValueError(f"metadata is larger than {MAX_METADATA} bytes")
        if isinstance(self.cluster_state, dict):
            if _deeper(self.cluster_state, MAX_DEPTH):
                raise ValueError(f"cluster_state is nested more than {MAX_DEPTH} deep")
            self.cluster  # noqa: B018 - refused here if it is not a name

    def names(self) -> Iterator[str | None]:
        yield from (self.agent, self.session, self.cost_attribution, self.subject, self.cluster)
        yield from self.context_tags or ()
        pipeline = self.pipeline_context or ()
        yield from (pipeline,) if isinstance(pipeline, str) else pipeline
        if self.usage is not None:
            yield from (self.usage.provider, self.usage.model)

    def check(self) -> None:
        self.reported  # noqa: B018 - raises if it is no amount

    @property
    def cluster(self) -> str:
        """The cluster's name, "" when there is none."""
        state = self.cluster_state
        if isinstance(state, dict):
            name = state.get("cluster")
            if name is not None and not (isinstance(name, str) and len(name) <= MAX_NAME):
                raise ValueError(f"cluster_state.cluster is not text of at most {MAX_NAME}")
            return name or ""
        return state or ""

    @property
    def reported(self) -> int | None:
        """``cost_usd`` in nano-USD."""
        return None if is_absent(self.cost_usd) else usd(self.cost_usd)


class BudgetSet(Data, frozen=True, kw_only=True):
    """Set or change a budget of the tenant."""

    budget_id: BudgetId
    limit_usd: Usd
    period: Literal["hour", "day", "week", "month"]
    timezone: Zone = "UTC"
    thresholds: Annotated[
        list[Annotated[int, Meta(ge=1, le=1000)]],
        Meta(min_length=1, max_length=10, description="Percent of the limit."),
    ] = msgspec.field(default_factory=lambda: [50, 80, 100])
    forecast: bool = True
    scope: Annotated[
        dict[ScopeKey, Name],
        Meta(description="What counts: all of these must be equal. {} is everything."),
    ] = {}

    def __post_init__(self) -> None:
        zone(self.timezone)

    def names(self) -> Iterator[str | None]:
        yield self.budget_id
        yield from self.scope.values()

    def check(self) -> None:
        self.limit  # noqa: B018 - raises if it is no amount

    @property
    def limit(self) -> int:
        """``limit_usd`` in nano-USD."""
        return usd(self.limit_usd)


class BudgetDelete(Data, frozen=True, kw_only=True):
    """Remove a budget of the tenant."""

    budget_id: BudgetId

    def names(self) -> Iterator[str | None]:
        yield self.budget_id


class TenantSet(Data, frozen=True, kw_only=True):
    """Set the time zone of the tenant's usage periods that open from now on."""

    timezone: Zone

    def __post_init__(self) -> None:
        zone(self.timezone)


class QuotaSet(Data, frozen=True, kw_only=True):
    """Give the tenant memory of its own, in the place of what it had."""

    quota_mb: Annotated[
        int, Meta(ge=0, le=1 << 40, description="MB of 1,048,576 bytes.", examples=[512])
    ]
    tier: Annotated[
        Literal["standard", "critical", "compliance"],
        Meta(description="How far the reserve serves it when it is full."),
    ] = msgspec.field(default="standard", name="class")


TENANT_TYPES: Mapping[str, type[Data]] = {
    "tenant.set": TenantSet,
    "quota.set": QuotaSet,
    "budget.set": BudgetSet,
    "budget.delete": BudgetDelete,
}
"""ce_type of messages and commands to their data; all inputs are in streams/core/inputs.py."""

# msgspec quotes a wrong enum value, and a message never holds content.
_CONTROL = re.compile(r"[\x00-\x1f]")
# As a number it is found in a fifth of the time.
_BACKSLASH = ord("\\")
_QUOTED = re.compile(r"^Invalid enum value .* - at (`\$[^`]*`)$", re.DOTALL)


def decode(kind: type[Data], data: bytes | msgspec.Raw) -> Data | Refused:
    """Decode an event's data.

    Returns
    -------
    Data or Refused
        The refusal ``schema`` is returned and not raised: checks that come first are still to do.

    Raises
    ------
    Refused
        ``not_json``.
    """
    try:
        decoded: Data = _decoder(kind).decode(data)
        decoded.check()
        # A control character gets into a JSON string by an escape alone.
        if _BACKSLASH in bytes(data) and _CONTROL.search("".join(filter(None, decoded.names()))):
            return Refused("schema", "a label has control characters")
    except Refused as refused:
        return refused
    except msgspec.ValidationError as error:
        # A type error may come before the end of the text was read.
        envelope.check_json(data)
        return Refused("schema", _QUOTED.sub(r"Invalid value - at \1", str(error)))
    except ValueError as error:
        if isinstance(error, (msgspec.DecodeError, UnicodeDecodeError)):
            raise Refused("not_json", "the data is not JSON") from None
        return Refused("schema", str(error))
    except RecursionError:
        raise Refused("not_json", "the data is nested too deep") from None
    return decoded


@cache
def _decoder(kind: type[Data]) -> "msgspec.json.Decoder[Data]":
    return msgspec.json.Decoder(kind)


def _deeper(value: object, levels: int) -> bool:
    """Whether a JSON value is nested deeper than ``levels``, without recursion."""
    layer = [value]
    for _ in range(levels):
        layer = [
            item
            for one in layer
            if isinstance(one, (dict, list))
            for item in (one.values() if isinstance(one, dict) else one)
        ]
        if not layer:
            return False
    return any(isinstance(one, (dict, list)) for one in layer)
