"""The OpenAPI 3.1 document: from the routes' types, and the JSON Schemas of what is sent."""

from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import msgspec
from litestar import Litestar
from litestar.openapi.spec import Reference

from streams.core.inputs import COMMAND_TYPES
from streams.memory.question import Question
from streams.web.examples import OF_OPERATIONS

COMMANDS = tuple(COMMAND_TYPES)
INPUTS = ("agent.message", "job.run", *COMMANDS)
"""Types whose schemas become components; the bodies of POST refer to them."""

_METHODS = ("get", "post", "put", "delete")


def component(name: str) -> Reference:
    """Reference to one of the document's schemas."""
    return Reference(f"#/components/schemas/{name}")


def input_schema(event_type: str) -> Reference:
    """Reference to the JSON Schema of a type's data."""
    return component(event_type)


def document(app: Litestar) -> dict[str, Any]:
    """Make the document of an app."""
    found: dict[str, Any] = app.openapi_schema.to_schema()
    components = found.setdefault("components", {}).setdefault("schemas", {})
    for event_type in INPUTS:
        components[event_type] = _component(event_type)
    components["question"] = _question()
    for operation in _operations(found):
        for parameter in operation.get("parameters", []):
            parameter["schema"] = _without_null(parameter["schema"])
        # Litestar leaves nulls out of examples, so they are put in here.
        status, example = OF_OPERATIONS.get(operation["operationId"], (None, None))
        if status is not None:
            operation["responses"][status]["content"]["application/json"]["example"] = example
    return found


def _component(event_type: str) -> dict[str, Any]:
    text = files("streams").joinpath("schemas", f"{event_type}.v1.json").read_text("utf-8")
    # Its own definitions are found from the document's root now; without $id it has no other root.
    text = text.replace('"#/$defs/', f'"#/components/schemas/{event_type}/$defs/')
    schema: dict[str, Any] = msgspec.json.decode(text)
    return {name: part for name, part in schema.items() if name not in ("$schema", "$id")}


def _question() -> dict[str, Any]:
    """What is posted to search."""
    _, found = msgspec.json.schema_components([Question])
    schema: dict[str, Any] = found["Question"]
    return schema


def _operations(found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in found["paths"].values():
        yield from (path[method] for method in _METHODS if method in path)


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """What may be left out in Python may be None; in a query there is no null."""
    rest = {name: part for name, part in schema.items() if name not in ("oneOf", "enum", "type")}
    if "oneOf" in schema:
        kept = [part for part in schema["oneOf"] if part != {"type": "null"}]
        return rest | (kept[0] if len(kept) == 1 else {"oneOf": kept})
    for name in ("enum", "type"):
        part = schema.get(name)
        if isinstance(part, list):
            kept = [value for value in part if value not in (None, "null")]
            rest[name] = kept[0] if name == "type" and len(kept) == 1 else kept
        elif part is not None:
            rest[name] = part
    return rest
