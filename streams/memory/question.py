"""A question to search: what the API takes as its body, and what it means."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from streams.core.errors import Refused
from streams.core.time import parse_time
from streams.memory.document import LONG_TERM, WORKING
from streams.memory.documents import metadata_text
from streams.memory.ranking import Filters
from streams.memory.record import PRIORITIES, Priority

MAX_LIMIT = 100
MAX_QUERY = 65_536
Exactly = Annotated[str, Meta(min_length=1, max_length=256)]
Time = Annotated[str, Meta(description="RFC 3339", examples=["2026-11-22T00:00:00Z"])]


class Question(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is looked for, and what every result must have; null counts as not given."""

    query: Annotated[str, Meta(max_length=MAX_QUERY, description="A question, or words")]
    limit: Annotated[
        int,
        Meta(
            ge=1,
            le=MAX_LIMIT,
            description="So many results there are whenever that many memories pass the filters",
        ),
    ] = 10
    min_priority: Priority | None = None
    context_tags: (
        Annotated[list[Exactly], Meta(max_length=100, description="All of them")] | None
    ) = None
    agent: Exactly | None = None
    session: Exactly | None = None
    cluster: Exactly | None = None
    pipeline: Annotated[Exactly | None, Meta(description="One of pipeline_context")] = None
    cost_attribution: Exactly | None = None
    subject: Exactly | None = None
    metadata: (
        Annotated[
            dict[str, str | int | float | bool | None],
            Meta(max_length=100, description="All of these keys with these values"),
        ]
        | None
    ) = None
    since: Annotated[Time | None, Meta(description="Event time, included")] = None
    until: Annotated[Time | None, Meta(description="Event time, excluded")] = None
    tiers: list[Literal["working", "long_term"]] | None = None
    explain: Annotated[
        bool, Meta(description="Give every part of each score; counts no access")
    ] = False

    def filters(self) -> Filters:
        """What must hold.

        Raises
        ------
        Refused
            bad_time.
        """
        tiers = ("working", "long_term") if self.tiers is None else self.tiers
        metadata: dict[str, Any] = self.metadata or {}
        return Filters(
            min_priority=PRIORITIES.index(self.min_priority or "LOW") + 1,
            context_tags=tuple(self.context_tags or ()),
            agent=self.agent,
            session=self.session,
            cluster=self.cluster,
            pipeline=self.pipeline,
            cost_attribution=self.cost_attribution,
            subject=self.subject,
            metadata=tuple((key, metadata_text(metadata[key])) for key in sorted(metadata)),
            since=_moment("since", self.since),
            until=_moment("until", self.until),
            tiers=tuple(WORKING if tier == "working" else LONG_TERM for tier in tiers),
        )


def _moment(name: str, text: str | None) -> int | None:
    try:
        return None if text is None else parse_time(text)
    except ValueError as error:
        raise Refused("bad_time", f"{name}: {error}") from None


_decoder = msgspec.json.Decoder(Question)


def decode(body: bytes) -> Question:
    """Read the body of a search.

    Raises
    ------
    Refused
        not_json, or schema: the message names what is wrong.
    """
    try:
        return _decoder.decode(body)
    except msgspec.ValidationError as error:
        raise Refused("schema", str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused("not_json", f"not JSON: {error}") from None
