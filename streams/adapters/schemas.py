"""The public JSON Schemas (draft 2020-12), generated from the structs of the code.

`python -m streams.adapters.publish schemas` writes them; a test compares.
"""

from typing import Any

import msgspec

from streams.adapters import examples
from streams.core.inputs import INPUT_TYPES
from streams.core.journal import Audit
from streams.memory.consolidated_told import MemoryConsolidated, MemorySplit
from streams.memory.quota_alerts import CROSSED, OVERFLOW, THRESHOLDS, QuotaAlert
from streams.memory.record import MemoryRecord
from streams.usage.alerts import BudgetAlert
from streams.usage.unpriced import UnpricedAlert

DRAFT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]

_TIME = {
    "type": "string",
    "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$",
    "description": "RFC 3339, UTC, six fraction digits.",
}
_NO_TIME = {"anyOf": [_TIME, {"type": "null"}]}
_AMOUNT = {
    "type": "string",
    "pattern": r"^-?(0|[1-9]\d*)(\.\d{0,8}[1-9])?$",
    "description": "USD as a decimal string: no exponent, no trailing zeros.",
}
_NO_AMOUNT = {"anyOf": [_AMOUNT, {"type": "null"}]}
_OUTPUT_FIELDS: dict[str, Schema] = {
    "at": _TIME,
    "period_start": _TIME,
    "period_end": _TIME,
    "limit_usd": _AMOUNT,
    "spent_usd": _AMOUNT,
    "forecast_usd": _NO_AMOUNT,
    "severity": {"enum": ["info", "warning", "critical"]},
    "outcome": {"enum": ["done", "rejected", "deferred"]},
    "alert_id": {"type": "string", "format": "uuid"},
    "timestamp": _TIME,
    "first": _TIME,
    "last": _TIME,
    "last_accessed": _NO_TIME,
    "gdpr_deletion_date": _NO_TIME
    | {
        "description": "timestamp + ttl_seconds; null without a ttl. Of a consolidated memory, "
        "which has no ttl of its own, the last of its members'; null where one has none."
    },
}
_ALERTS: dict[str, type[msgspec.Struct]] = {
    "usage.unpriced": UnpricedAlert,
    CROSSED: QuotaAlert,
    OVERFLOW: QuotaAlert,
}
"""What is not about a budget."""
CONSOLIDATED: dict[str, type[msgspec.Struct]] = {
    "memory.consolidated": MemoryConsolidated,
    "memory.split": MemorySplit,
}
"""By type on memory.consolidated.v1."""
_OF_ALERT: dict[str, Schema] = {
    CROSSED: {"type": "integer", "enum": list(THRESHOLDS)},
    OVERFLOW: {"type": "null"},
    "budget.threshold.crossed": {"type": "integer", "minimum": 1, "maximum": 1000},
    "budget.exceeded": {"type": "null"},
    "budget.forecast.exceeded": {"type": "null"},
    "budget.corrected": {"type": "null"},
    "budget.recovered": {"type": "integer", "minimum": 1, "maximum": 1000},
}


def schemas() -> dict[str, Schema]:
    """All schemas by their name, which is the file's without ``.json``."""
    made = {f"{kind}.v1": _input(kind, data) for kind, data in INPUT_TYPES.items()}
    for kind, shown in examples.ALERTS.items():
        made[f"{kind}.v1"] = _alert(kind, shown)
    for action, shown in examples.AUDITS.items():
        made[f"tenant.audit.{action}.v1"] = _audit(action, shown)
    for kind, shown in examples.RECORDS.items():
        made[f"{kind}.v1"] = _output(MemoryRecord, f"{kind}.v1", kind, shown)
    for kind, data in CONSOLIDATED.items():
        name = consolidated_name(kind)
        made[name] = _output(data, name, kind, examples.CONSOLIDATED[kind])
    return made


def consolidated_name(kind: str) -> str:
    """Schema of a type on memory.consolidated.v1; memory.split is a command's name too."""
    return "memory.consolidated.split.v1" if kind == "memory.split" else f"{kind}.v1"


def _input(kind: str, data: type[msgspec.Struct]) -> Schema:
    schema = _of(data, f"{kind}.v1", kind, examples.INPUTS[kind])
    properties = schema["properties"]
    properties["tenant"]["anyOf"][0]["pattern"] = r"^(?!\.\.?$)[A-Za-z0-9._-]{1,128}$"
    if "scope" in properties:
        # The generator knows no key types.
        keys = ["provider", "model", "agent", "cost_attribution", "job", "cluster"]
        properties["scope"]["propertyNames"] = {"enum": keys}
        properties["thresholds"]["default"] = [50, 80, 100]
    if kind in ("agent.message", "job.run"):
        properties["cost_usd"]["anyOf"].append({"type": "null"})
    if kind == "price.set":
        properties["cache_read_usd_per_mtok"]["anyOf"].append({"type": "null"})
    if kind == "agent.message":
        # The object's member `cluster` and the plain name are the same label.
        state, label, nothing = properties["cluster_state"]["anyOf"]
        state["properties"] = {"cluster": {"anyOf": [label, nothing]}}
        metered = {"required": ["usage"], "properties": {"usage": {"type": "object"}}}
        remembered = {
            "required": ["content"],
            "properties": {"content": {"type": "string", "minLength": 1}},
        }
        schema["anyOf"] = [remembered, metered]
    return schema


def _alert(kind: str, shown: list[Schema]) -> Schema:
    data = _ALERTS.get(kind, BudgetAlert)
    schema = _output(data, f"{kind}.v1", kind, shown)
    schema["properties"]["type"] = {"const": kind}
    if data is QuotaAlert:
        # There is a period where it is told once in one.
        schema["properties"]["period_start"] = _NO_TIME
    if kind in _OF_ALERT:
        schema["properties"]["threshold_percent"] = _OF_ALERT[kind]
    return schema


def _audit(action: str, shown: list[Schema]) -> Schema:
    schema = _output(Audit, f"tenant.audit.{action}.v1", action, shown)
    schema["properties"]["action"] = {"const": action}
    return schema


def _output(data: type[msgspec.Struct], name: str, title: str, shown: list[Schema]) -> Schema:
    schema = _of(data, name, title, shown)
    for field in schema["properties"]:
        schema["properties"][field] = _OUTPUT_FIELDS.get(field, schema["properties"][field])
    # What is written is always whole; only more fields may come within v1.
    schema["required"] = list(schema["properties"])
    return schema


def _of(data: type[msgspec.Struct], name: str, title: str, shown: list[Schema]) -> Schema:
    (_, components) = msgspec.json.schema_components([data], ref_template="#/$defs/{name}")
    body = _tidy(components.pop(data.__name__))
    schema: Schema = {
        "$schema": DRAFT,
        "$id": f"urn:agent-streams:schema:{name}",
        **body,
        "title": title,
    }
    definitions = {key: _tidy(value) for key, value in sorted(components.items())}
    if definitions:
        schema["$defs"] = definitions
    return {**schema, "examples": shown}


def _tidy(value: Any) -> Any:
    """Leave out what says nothing, and write the end of a text as ECMA has it."""
    if isinstance(value, list):
        return [_tidy(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {
        key: _tidy(item)
        for key, item in value.items()
        if not (key == "default" and item is None) and not (key == "required" and not item)
    }
    if isinstance(kept.get("pattern"), str):
        kept["pattern"] = kept["pattern"].replace(r"(?![\s\S])", "$")
    return kept
