"""The AsyncAPI 3.1 document: public topics from the topology, messages from the JSON Schemas."""

from typing import Any

from streams import topology
from streams.adapters.schemas import consolidated_name, schemas
from streams.core.inputs import COMMAND_TYPES
from streams.settings import Settings
from streams.topology import Topic

TYPES: dict[str, tuple[str, ...]] = {
    topology.JOB_EVENTS: ("job.run",),
    topology.AGENT_MESSAGES: ("agent.message",),
    topology.CONTEXT_REQUESTS: (),
    topology.TENANT_COMMANDS: tuple(COMMAND_TYPES),
    topology.MEMORY_RECORDS: ("memory.record",),
    topology.MEMORY_CONSOLIDATED: ("memory.consolidated", "memory.split"),
    topology.BUDGET_ALERTS: (
        "budget.threshold.crossed",
        "budget.exceeded",
        "budget.forecast.exceeded",
        "budget.recovered",
        "budget.corrected",
        "quota.threshold.crossed",
        "quota.critical.overflow",
        "usage.unpriced",
    ),
    topology.TENANT_AUDIT: (
        "tenant.set",
        "quota.granted",
        "quota.rejected",
        "budget.set",
        "budget.deleted",
        "state.set",
        "state.deleted",
        "memory.expired",
        "memory.erased",
        "memory.pruned",
        "memory.consolidated",
        "memory.split",
        "price.set",
        "usage.adjusted",
        "retention.set",
        "hold.set",
        "hold.released",
        "usage.statement",
        "event.late",
    ),
}
"""ce_type of each public topic."""

_SCHEMA_FORMAT = "application/schema+json;version=draft-2020-12"
_NUMBERS = ("max.message.bytes",)
_DLQ_HEADERS = (
    "__streams.errors.exception",
    "__streams.errors.message",
    "__streams.errors.topic",
    "__streams.errors.partition",
    "__streams.errors.offset",
    "error_code",
)


def document() -> dict[str, Any]:
    """Build the document; topic names are without STREAMS_TOPIC_PREFIX."""
    public = {topic.name: topic for topic in topology.topics(Settings()) if not topic.internal}
    messages: dict[str, Any] = {"deadLetter": _dead_letter(), "openLineage": _open_lineage()}
    for topic, types in TYPES.items():
        for kind in types:
            messages[_message_name(topic, kind)] = _message(topic, kind)
    return {
        "asyncapi": "3.1.0",
        "info": {
            "title": "Agent Streams",
            "version": "1",
            "description": "CloudEvents 1.0 in the Kafka binding: binary or structured in, binary "
            "out. Consumers of outputs set isolation.level=read_committed. "
            "STREAMS_TOPIC_PREFIX goes before every topic's name.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {name: _channel(topic) for name, topic in public.items()},
        "operations": {
            _operation(name): {
                "action": "receive" if name in topology.INPUTS else "send",
                "channel": {"$ref": f"#/channels/{name}"},
            }
            for name in public
        },
        "components": {
            "messages": messages,
            "messageTraits": {"input": _headers(None), "output": _headers(("origin",))},
        },
    }


def _channel(topic: Topic) -> dict[str, Any]:
    names = (
        ("deadLetter",)
        if topic.name.endswith(".dlq")
        else tuple(_message_name(topic.name, kind) for kind in TYPES[topic.name])
    )
    if topic.name == topology.JOB_EVENTS:
        names = (*names, "openLineage")
    configs: dict[str, Any] = {
        name: int(value) if name in _NUMBERS else value for name, value in topic.configs.items()
    }
    configs["cleanup.policy"] = configs["cleanup.policy"].split(",")
    return {
        "address": topic.name,
        "description": f"Key: {topic.key}. Written by {', '.join(topic.written_by)}.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": configs,
                "bindingVersion": "0.5.0",
            }
        },
    }


def _message(topic: str, kind: str) -> dict[str, Any]:
    name = schema_name(topic, kind)
    schema = schemas()[name]
    side = "input" if topic in topology.INPUTS else "output"
    return {
        "name": kind,
        "title": kind,
        "summary": schema.get("description", kind).split("\n", 1)[0],
        "contentType": "application/json",
        "traits": [{"$ref": f"#/components/messageTraits/{side}"}],
        "payload": {"schemaFormat": _SCHEMA_FORMAT, "schema": {"$ref": f"./{name}.json"}},
        "examples": [
            {"name": f"example{n}", "payload": p} for n, p in enumerate(schema["examples"])
        ],
        "bindings": {"kafka": _KEYS.get(topic, _tenant_key)()},
    }


def _open_lineage() -> dict[str, Any]:
    text = {"type": "string"}
    return {
        "name": "openLineage",
        "title": "An OpenLineage event",
        "summary": "RunEvent, JobEvent or DatasetEvent of any 1-x and 2-x schema as it is.",
        "description": "Without CloudEvents marks; its id is the SHA-256 of its canonical JSON, "
        "its source the producer. Tenant: the header ce_tenant, else STREAMS_NAMESPACE_TENANTS, "
        "else job.namespace with each foreign character as _.",
        "contentType": "application/json",
        "payload": {
            "type": "object",
            "required": ["eventTime", "schemaURL", "producer"],
            "properties": {"eventTime": text, "schemaURL": text, "producer": text},
        },
        "bindings": {"kafka": _any_key()},
    }


def _dead_letter() -> dict[str, Any]:
    return {
        "name": "deadLetter",
        "title": "A refused record",
        "summary": "Key, value and headers as they were, and what was wrong.",
        "headers": {
            "type": "object",
            "required": list(_DLQ_HEADERS),
            "properties": {name: {"type": "string"} for name in _DLQ_HEADERS},
        },
    }


def _headers(extra: tuple[str, ...] | None) -> dict[str, Any]:
    """Headers of a binary CloudEvent; outputs have all of them."""
    required = ["ce_specversion", "ce_id", "ce_source", "ce_type"]
    optional = ["ce_time", "ce_tenant", "traceparent"]
    text: dict[str, Any] = {"type": "string", "minLength": 1}
    names = [*required, *(optional if extra is None else ("ce_subject", *extra))]
    return {
        "headers": {
            "type": "object",
            "required": required if extra is None else names,
            "properties": {
                name: {"const": "1.0"} if name == "ce_specversion" else text for name in names
            },
        }
    }


def _tenant_key() -> dict[str, Any]:
    return {
        "key": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$"},
        "bindingVersion": "0.5.0",
    }


def _any_key() -> dict[str, Any]:
    return {
        "key": {"description": "Any, never a tenant; a run's id keeps its events in order."},
        "bindingVersion": "0.5.0",
    }


def _memory_key() -> dict[str, Any]:
    pattern = "^[A-Za-z0-9._-]{1,128}/[A-Za-z0-9._:-]{1,200}$"
    return _tenant_key() | {"key": {"type": "string", "pattern": pattern}}


_KEYS = {topology.JOB_EVENTS: _any_key, topology.MEMORY_RECORDS: _memory_key}
"""What a topic's key is, where it is not the tenant."""


def schema_name(topic: str, kind: str) -> str:
    """Name of the JSON Schema of a type on a topic; audit actions share names with commands."""
    if topic == topology.MEMORY_CONSOLIDATED:
        return consolidated_name(kind)
    return f"tenant.audit.{kind}.v1" if topic == topology.TENANT_AUDIT else f"{kind}.v1"


def _message_name(topic: str, kind: str) -> str:
    if topic == topology.MEMORY_CONSOLIDATED:
        return consolidated_name(kind).removesuffix(".v1")
    return f"audit.{kind}" if topic == topology.TENANT_AUDIT else kind


def _operation(topic: str) -> str:
    verb = "admit" if topic in topology.INPUTS else "publish"
    return verb + "".join(part.capitalize() for part in topic.split("."))
