"""What admit and the folds really write is what the published schemas say."""

import json
from typing import Any

import pytest
from agents.malformed import marks
from jsonschema import Draft202012Validator, FormatChecker
from usage.memory_view import MemoryView

from streams.adapters.asyncapi import TYPES, schema_name
from streams.adapters.examples import INPUTS
from streams.adapters.prices import CataloguePrices
from streams.adapters.schemas import schemas
from streams.agents.admit import Incoming, admit
from streams.agents.fold import fold
from streams.core.fold import Entry, Output
from streams.core.log import VERSION, MemorySplit, Origin, QuotaGranted, QuotaRejected, Record, Tick
from streams.core.time import DAY, HOUR, format_time, parse_time
from streams.topology import (
    AGENT_MESSAGES,
    MEMORY_CONSOLIDATED,
    OUTPUTS,
    TENANT_AUDIT,
    TENANT_COMMANDS,
)

NOW = parse_time("2026-11-22T12:00:00Z")
USAGE = {"gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o"}
CALL = {"usage": USAGE | {"gen_ai.usage.input_tokens": 400_000}}
MYSTERY = {"usage": {"gen_ai.request.model": "mystery", "gen_ai.usage.input_tokens": 1}}
SAID = {
    "content": "All.",
    "agent": "a",
    "session": "s",
    "priority": "CRITICAL",
    "context_tags": ["x"],
    "ttl_seconds": 60,
    "cost_attribution": "p",
    "cluster_state": {"cluster": "eu-1", "n": [1]},
    "pipeline_context": ["ingest"],
    "related_memories": ["m"],
    "subject": "who",
    "memory_id": "m1",
    "metadata": {"n": 1.5},
}
BUDGET = {"budget_id": "team", "limit_usd": "1", "period": "day"}
STORY: list[tuple[str, dict[str, Any], int]] = [
    ("tenant.set", {"timezone": "Asia/Kolkata"}, NOW),
    ("budget.set", BUDGET, NOW - DAY),
    ("agent.message", CALL, NOW),
    ("agent.message", CALL, NOW),
    ("agent.message", MYSTERY, NOW),
    ("agent.message", CALL, NOW - 5 * DAY),
    ("agent.message", CALL, NOW - 5 * DAY),
    ("agent.message", CALL, NOW - 40 * DAY),
    ("agent.message", {"content": "Bare."}, NOW),
    ("agent.message", SAID, NOW),
    ("agent.message", SAID | {"memory_id": "old"}, NOW - 5 * DAY),
    ("agent.message", SAID | {"memory_id": "kept", "ttl_seconds": 10**6}, NOW),
    ("budget.set", BUDGET | {"limit_usd": 100}, NOW),
    ("budget.delete", {"budget_id": "team"}, NOW),
    ("budget.delete", {"budget_id": "none"}, NOW),
    ("state.set", {"agent": "a", "key": "k", "value": {"n": 1}, "ttl_seconds": 60}, NOW),
    ("state.set", {"agent": "a", "key": "k", "value": 2, "if_version": 0}, NOW),
    ("state.delete", {"agent": "a", "key": "k"}, NOW),
    ("state.delete", {"agent": "a", "key": "k"}, NOW),
    *(("price.set", data, NOW) for data in INPUTS["price.set"]),
    *(("usage.adjust", data, NOW) for data in INPUTS["usage.adjust"]),
    *(("memory.erase", data, NOW) for data in INPUTS["memory.erase"][1:2]),
    *(("hold.set", data, NOW) for data in INPUTS["hold.set"]),
    *(("hold.release", data, NOW) for data in INPUTS["hold.release"]),
    *(("retention.set", data, NOW) for data in INPUTS["retention.set"]),
    ("agent.message", {"content": "Bare."}, NOW),
    ("memory.consolidate", {}, NOW),
]


@pytest.fixture(scope="module")
def outputs() -> list[Output]:
    book, view, made = CataloguePrices(), MemoryView(), []
    for offset, (kind, data, time) in enumerate(STORY):
        topic = AGENT_MESSAGES if kind == "agent.message" else TENANT_COMMANDS
        headers = marks(
            ce_type=kind.encode(), ce_id=str(offset).encode(), ce_time=format_time(time).encode()
        )
        value = json.dumps(data).encode()
        record = admit(
            Incoming(topic, b"t1", value, headers, NOW, NOW, Origin(topic, 0, 0, offset)), book
        )
        made += fold(view, Entry(record, 0, offset, NOW + offset, NOW + offset))
    (merged,) = [o.subject for o in made if o.topic == MEMORY_CONSOLIDATED]
    answers = [
        MemorySplit(merged),
        MemorySplit(merged),
        QuotaGranted(5, "standard"),
        QuotaGranted(0, "standard"),
        QuotaRejected(9, "standard", "ResourceError", "Cannot allocate 9MB for tenant t1"),
    ]
    for offset, body in enumerate(answers, len(STORY)):
        record = Record(VERSION, "t1", None, "/ops", f"q{offset}", NOW, body)
        made += fold(view, Entry(record, 0, offset, NOW + offset, NOW + offset))
    later = len(STORY) + len(answers), NOW + DAY + HOUR
    tick = Record(VERSION, "", None, "", "tick", later[1], Tick())
    made += fold(view, Entry(tick, 0, later[0], later[1], later[1]))
    # A tombstone has no data.
    outputs = [effect for effect in made if isinstance(effect, Output)]
    return [output for output in outputs if output.data is not None]


def test_every_published_output_is_written_and_valid(outputs: list[Output]) -> None:
    written = set()
    for output in outputs:
        validator = Draft202012Validator(
            schemas()[schema_name(output.topic, output.type)], format_checker=FormatChecker()
        )
        validator.validate(json.loads(output.data))
        written.add((output.topic, output.type))
    assert written == {(t, kind) for t in OUTPUTS for kind in TYPES[t]}


def test_fields_are_those_of_the_examples(outputs: list[Output]) -> None:
    for output in outputs:
        shown = schemas()[schema_name(output.topic, output.type)]["examples"][0]
        data = json.loads(output.data)
        assert set(data) == set(shown)
        if output.topic == TENANT_AUDIT:
            examples = schemas()[schema_name(output.topic, output.type)]["examples"]
            assert any(set(data["details"]) <= set(one["details"]) for one in examples)
