"""What POST takes, for the OpenAPI document: an event in each of its forms."""

from dataclasses import dataclass
from typing import Any

from litestar.openapi.spec import (
    Example,
    OpenAPIMediaType,
    OpenAPIType,
    Operation,
    Reference,
    RequestBody,
    Schema,
)

from streams.web import openapi
from streams.web.intake import BATCH, JSON, STRUCTURED


def _event(event_type: str, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": "1",
        "source": "/cars/7",
        "type": event_type,
        "time": "2026-11-22T10:00:00Z",
        "data": data,
    }


def _text(description: str) -> Schema:
    return Schema(type=OpenAPIType.STRING, description=description)


def _cloud_event() -> Schema:
    return Schema(
        type=OpenAPIType.OBJECT,
        title="CloudEvent",
        description="A CloudEvent 1.0 in structured mode.",
        required=["specversion", "id", "source", "type"],
        properties={
            "specversion": Schema(const="1.0"),
            "id": _text("With the source: what makes the event the same as another"),
            "source": _text("Who sends it, a URI reference"),
            "type": _text("What it is"),
            "time": _text("Event time, RFC 3339; the time of receipt when absent"),
            "tenant": _text("If given, the tenant of the path"),
            "data": Schema(description="As the JSON Schema of the type says"),
        },
    )


def _body(
    bare: Schema | Reference, bare_example: Any, event_type: str, data: dict[str, Any]
) -> RequestBody:
    def media(schema: Schema | Reference, example: Any) -> OpenAPIMediaType:
        return OpenAPIMediaType(schema=schema, examples={"example": Example(value=example)})

    event = _event(event_type, data)
    many = Schema(type=OpenAPIType.ARRAY, items=_cloud_event(), min_items=1)
    return RequestBody(
        required=True,
        description=(
            "Bare data; or one CloudEvent, structured or in binary mode (the data, with ce-* "
            "headers); or a batch. At most 1 MiB."
        ),
        content={
            JSON: media(bare, bare_example),
            STRUCTURED: media(_cloud_event(), event),
            BATCH: media(many, [event]),
        },
    )


def _bare(event_type: str, data: dict[str, Any]) -> RequestBody:
    """Bare data alone."""
    media = OpenAPIMediaType(
        schema=openapi.input_schema(event_type), examples={"example": Example(value=data)}
    )
    return RequestBody(required=True, content={JSON: media})


def _data(title: str) -> Schema:
    return Schema(type=OpenAPIType.OBJECT, title=title)


def _command(event_type: str) -> Schema:
    return Schema(
        type=OpenAPIType.OBJECT,
        title=event_type,
        required=["type", "data"],
        properties={"type": Schema(const=event_type), "data": openapi.input_schema(event_type)},
    )


_MESSAGE = {
    "content": "Weld seam 14 failed its X-ray check.",
    "priority": "HIGH",
    "agent": "quality-1",
    "cost_attribution": "project-a",
    "usage": {
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": 1200,
        "gen_ai.usage.output_tokens": 80,
    },
}
_BUDGET = {
    "budget_id": "daily",
    "limit_usd": "40",
    "period": "day",
    "timezone": "UTC",
    "thresholds": [50, 80, 100],
}
_RESERVE = {"budget_id": "daily", "amount_usd": "0.75", "ttl_seconds": 60, "id": "call-17"}
_SETTLE = {"reservation_id": "call-17", "amount_usd": "0.4"}
_RUN = {"job": {"namespace": "argo", "name": "train"}, "run_id": "r-1", "state": "RUNNING"}
_QUERY = {"query": "What failed on line 3?", "max_tokens": 8192}


@dataclass
class Search(Operation):
    """POST /memories/search."""

    def __post_init__(self) -> None:
        shown = {"query": "Why did the quality gate fail?", "limit": 5, "min_priority": "MEDIUM"}
        media = OpenAPIMediaType(
            schema=openapi.component("question"), examples={"example": Example(value=shown)}
        )
        self.request_body = RequestBody(required=True, content={JSON: media})


@dataclass
class VerifyErasures(Operation):
    """POST /erasures/verify."""

    def __post_init__(self) -> None:
        texts = Schema(
            type=OpenAPIType.ARRAY,
            items=Schema(type=OpenAPIType.STRING, min_length=1, max_length=10_000),
            max_items=20,
            description="Looked for beside what the fences say",
        )
        body = Schema(type=OpenAPIType.OBJECT, properties={"texts": texts})
        shown = {"texts": ["what nobody may read any more"]}
        media = OpenAPIMediaType(schema=body, examples={"example": Example(value=shown)})
        self.request_body = RequestBody(required=True, content={JSON: media})


@dataclass
class PutState(Operation):
    """PUT of an agent's state."""

    def __post_init__(self) -> None:
        count = Schema(type=OpenAPIType.INTEGER, description="Set only over this version")
        seconds = Schema(type=OpenAPIType.INTEGER, description="Gone after so long")
        body = Schema(
            type=OpenAPIType.OBJECT,
            required=["value"],
            properties={
                "value": Schema(description="Any JSON, at most 64 KiB without spaces"),
                "if_version": count,
                "ttl_seconds": seconds,
            },
        )
        shown = {"value": {"step": 1200, "loss": 0.5}, "if_version": 6}
        media = OpenAPIMediaType(schema=body, examples={"example": Example(value=shown)})
        self.request_body = RequestBody(required=True, content={JSON: media})


@dataclass
class Reserve(Operation):
    """POST /budget/reserve."""

    def __post_init__(self) -> None:
        self.request_body = _bare("budget.reserve", _RESERVE)


@dataclass
class Settle(Operation):
    """POST /budget/settle."""

    def __post_init__(self) -> None:
        self.request_body = _bare("budget.settle", _SETTLE)


@dataclass
class Messages(Operation):
    """POST /messages."""

    def __post_init__(self) -> None:
        self.request_body = _body(
            openapi.input_schema("agent.message"), _MESSAGE, "agent.message", _MESSAGE
        )


@dataclass
class Jobs(Operation):
    """POST /jobs."""

    def __post_init__(self) -> None:
        self.request_body = _body(openapi.input_schema("job.run"), _RUN, "job.run", _RUN)


@dataclass
class Context(Operation):
    """POST /context."""

    def __post_init__(self) -> None:
        self.request_body = _body(_data("context.request"), _QUERY, "context.request", _QUERY)


@dataclass
class Commands(Operation):
    """POST /commands."""

    def __post_init__(self) -> None:
        bare = Schema(one_of=[_command(event_type) for event_type in openapi.COMMANDS])
        example = {"type": "budget.set", "data": _BUDGET}
        self.request_body = _body(bare, example, "budget.set", _BUDGET)
