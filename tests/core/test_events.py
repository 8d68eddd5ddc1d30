"""The public data: each limit, held by the decoder and, where it can say it, by the JSON Schema."""

import json
from typing import Any, NamedTuple

import msgspec
import pytest
from jsonschema import Draft202012Validator

from streams.adapters.schemas import schemas
from streams.core import events
from streams.core.errors import Refused
from streams.core.inputs import INPUT_TYPES
from streams.core.state_events import StateSet

TOKENS = "gen_ai.usage.input_tokens"
USAGE = {"gen_ai.request.model": "gpt-4o", TOKENS: 10}
BASES: dict[str, dict[str, Any]] = {
    "agent.message": {"content": "x"},
    "budget.set": {"budget_id": "b", "limit_usd": "1", "period": "day"},
    "budget.delete": {"budget_id": "b"},
    "tenant.set": {"timezone": "UTC"},
    "quota.set": {"quota_mb": 1},
    "state.set": {"agent": "a", "key": "k", "value": 1},
    "state.delete": {"agent": "a", "key": "k"},
    "memory.consolidate": {},
    "memory.split": {"memory_id": "m1"},
    "job.run": {"job": {"namespace": "n", "name": "j"}, "run_id": "r", "state": "START"},
}
VALIDATORS = {
    name.removesuffix(".v1"): Draft202012Validator(schema) for name, schema in schemas().items()
}


class Case(NamedTuple):
    """A change of the base; a value of ``...`` leaves the field out."""

    kind: str
    changes: dict[str, Any]
    in_schema: bool = True
    """Whether the JSON Schema can say so too."""


def message(**changes: Any) -> Case:
    return Case("agent.message", changes)


def used(in_schema: bool = True, **tokens: Any) -> Case:
    names = {"read": "cache_read.input_tokens", "written": "cache_creation.input_tokens"}
    usage = {f"gen_ai.usage.{names.get(k, k)}": v for k, v in tokens.items()}
    return Case("agent.message", {"usage": usage}, in_schema)


def budget(**changes: Any) -> Case:
    return Case("budget.set", changes)


def state(**changes: Any) -> Case:
    return Case("state.set", changes)


def run(in_schema: bool = True, **changes: Any) -> Case:
    return Case("job.run", changes, in_schema)


def beyond_schema(case: Case) -> Case:
    return case._replace(in_schema=False)


ACCEPTED = [
    *(Case(kind, {}) for kind in BASES),
    *(Case(kind, {"tenant": "t1", "later": {"field": [1]}}) for kind in BASES),
    *(Case(kind, {"tenant": None}) for kind in BASES),
    message(content=..., usage=USAGE),
    message(content="", usage=USAGE),
    message(content=None, usage=USAGE),
    message(content="\u0000 is content"),
    message(usage=None, priority=None, agent=None, metadata=None, cost_usd=None, session=None),
    *(message(priority=p) for p in ("LOW", "MEDIUM", "HIGH", "CRITICAL")),
    used(input_tokens=0),
    used(output_tokens=0),
    used(input_tokens=2**53, output_tokens=2**53),
    used(input_tokens=10, read=4, written=6),
    used(input_tokens=10, read=None),
    message(usage={}, cost_usd="1"),
    message(ttl_seconds=1),
    message(ttl_seconds=31_557_600_000),
    message(cluster_state={}),
    message(cluster_state={"cluster": None, "x": 1e300}),
    message(cluster_state={"cluster": "é" * 256}),
    message(pipeline_context=[]),
    message(memory_id="a.B_9:-"),
    message(memory_id="a" * 200),
    message(metadata={"a": "x" * 4088}),
    *(message(cost_usd=c) for c in ("0", "0.0123", 0, 1e-9, 12.5, "1e-9", "1E9", 1_000_000_000)),
    *(budget(limit_usd=c) for c in (0, "0", "1000000000", 0.1)),
    *(budget(period=p) for p in ("hour", "day", "week", "month")),
    *(budget(timezone=z) for z in ("Europe/Berlin", "Asia/Kolkata", "America/Argentina/Ushuaia")),
    budget(thresholds=[1], forecast=False),
    budget(thresholds=[1000] * 10),
    budget(scope={"provider": "", "model": "m", "agent": "a", "job": "ns/n", "cluster": "c"}),
    budget(budget_id="Team é / 7"),
    Case("memory.consolidate", {"window_hours": 1}),
    Case("memory.consolidate", {"window_hours": None}),
    *(state(value=v) for v in (None, False, "", [], {}, 1e300, {"a": [{"b": "\u0000"}]})),
    state(value="x" * 65_534),
    state(agent="team/é", key="a/b?c#d %2F"),
    state(agent="...", key=".a"),
    state(agent="x" * 256, key="é" * 256),
    *(state(if_version=n) for n in (None, 0, 1, 2**53)),
    *(state(ttl_seconds=n) for n in (None, 1, 31_557_600_000)),
    *(Case("state.delete", {"if_version": n}) for n in (None, 1)),
    *(run(state=s) for s in ("START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER")),
    *(run(kind=k) for k in ("batch", "stream", "training", "other", None)),
    run(run_id="é\u0000" * 100, parent_run_id="x"),
    run(inputs=[], outputs=[{"namespace": "s3://a", "name": "b" * 4096, "facets": {}}]),
    run(usage=USAGE, cost_usd="0.5", cost_attribution="p", cluster="eu", node="n", message=""),
    run(inputs=None, outputs=None, usage=None, cost_usd=None, message=None, context_tags=["a"]),
    run(usage={}, cost_usd=1),
]

REFUSED = [
    message(content=...),
    message(content=""),
    message(content=None, usage=None),
    message(content=5),
    message(content=["x"]),
    message(content=..., cost_usd="1"),
    *(message(priority=p) for p in ("high", "", 2, [])),
    *(message(**{name: 5}) for name in ("agent", "session", "cost_attribution", "subject")),
    *(message(**{name: "x" * 257}) for name in ("agent", "session", "cost_attribution")),
    *(message(**{name: "a\nb"}) for name in ("agent", "session", "cost_attribution", "subject")),
    message(context_tags="x"),
    message(context_tags=[1]),
    message(context_tags=["a\u0000"]),
    message(context_tags=["x"] * 1001),
    *(message(ttl_seconds=t) for t in (0, -1, 1.5, "60", True, 31_557_600_001)),
    message(cluster_state=5),
    message(cluster_state=["eu-1"]),
    message(cluster_state={"cluster": 5}),
    message(cluster_state={"cluster": "x" * 257}),
    message(cluster_state={"cluster": "a\tb"}),
    message(pipeline_context=5),
    message(pipeline_context=[5]),
    message(pipeline_context="a\u0001"),
    message(related_memories=["a b"]),
    message(related_memories="m"),
    *(message(memory_id=m) for m in ("", "a/b", "é", "a" * 201, 5)),
    beyond_schema(message(memory_id="a\n")),
    message(metadata=[]),
    message(metadata={"a": []}),
    message(metadata={"a": {"b": 1}}),
    beyond_schema(message(metadata={"a": "x" * 4089})),
    message(usage=[]),
    message(usage="10"),
    beyond_schema(message(usage={})),
    beyond_schema(message(usage={"input_tokens": 10})),
    *(used(input_tokens=n) for n in (-1, 2**53 + 1, 0.5, "10", True, [])),
    beyond_schema(used(input_tokens=10.0)),
    used(output_tokens=-1),
    used(input_tokens=10, read=-1),
    beyond_schema(used(input_tokens=10, read=6, written=5)),
    beyond_schema(used(output_tokens=10, read=1)),
    message(usage=USAGE | {"gen_ai.request.model": 5}),
    message(usage=USAGE | {"gen_ai.request.model": "m" * 257}),
    message(usage=USAGE | {"gen_ai.provider.name": "a\u0000b"}),
    *(message(cost_usd=c) for c in ("", "-1", -1, "1_000", " 1", "0x1", "NaN", "Infinity", True)),
    *(message(cost_usd=c) for c in ([], {}, "٣", "1,5", ".5", "5.", 1e10, "1" * 21)),
    *(beyond_schema(message(cost_usd=c)) for c in ("1e10", "1000000000.000000001")),
    *(budget(**{name: ...}) for name in ("budget_id", "limit_usd", "period")),
    *(budget(**{name: None}) for name in ("budget_id", "limit_usd", "period", "thresholds")),
    *(budget(budget_id=b) for b in ("", "x" * 201, 5, "a\rb")),
    *(budget(limit_usd=c) for c in (-1, "", "x", 1e10)),
    *(budget(period=p) for p in ("year", "Day", 1)),
    *(budget(timezone=z) for z in (5, "x" * 65)),
    *(beyond_schema(budget(timezone=z)) for z in ("", "Mars/Olympus", "utc", "../UTC", "CEST")),
    *(budget(thresholds=t) for t in ([], [0], [1001], [0.5], ["50"], 50, [1] * 11, [True])),
    *(budget(forecast=f) for f in (1, "true", None)),
    *(budget(scope=s) for s in ([], None, {"team": "a"}, {"model": 5}, {"model": None})),
    budget(scope={"model": "a\u0000"}),
    *(Case("budget.delete", {"budget_id": b}) for b in (..., "", None, 5, "a\u0000")),
    *(Case("tenant.set", {"timezone": z}) for z in (..., None, 5)),
    *(Case("quota.set", {"quota_mb": mb}) for mb in (..., None, -1, 1.5, "1", 1 << 41)),
    *(Case("quota.set", {"class": name}) for name in (None, "gold", 1)),
    *(Case("tenant.set", {"timezone": z}, False) for z in ("", "Mars/Olympus")),
    *(state(**{name: ...}) for name in ("agent", "key", "value")),
    *(state(**{name: n}) for name in ("agent", "key") for n in (None, "", 5, ".", "..", "a\nb")),
    *(state(key=k) for k in ("x" * 257, "\u0000")),
    *(state(if_version=n) for n in (-1, 0.5, "1", True, 2**53 + 1)),
    *(state(ttl_seconds=n) for n in (0, -1, 1.5, "60", True, 31_557_600_001)),
    *(Case("state.delete", {name: v}) for name in ("agent", "key") for v in (..., "", 5, ".")),
    *(Case("state.delete", {"if_version": n}) for n in (0, -1, "1")),
    *(Case(kind, {"tenant": 5}) for kind in BASES),
    *(run(**{name: ...}) for name in ("job", "run_id", "state")),
    *(run(job=j) for j in (None, "n/j", {"name": "j"}, {"namespace": "", "name": "j"})),
    *(run(job={"namespace": "n", "name": n}) for n in ("x" * 257, "a\nb", 5)),
    *(run(run_id=r) for r in ("", "x" * 201, 5, None)),
    *(run(state=s) for s in ("start", "", None, 5)),
    *(run(kind=k) for k in ("Batch", "", 5)),
    *(run(inputs=d) for d in ({}, ["a"], [{"name": "a"}], [{"namespace": "a", "name": ""}])),
    run(outputs=[{"namespace": "a", "name": "b" * 4097}]),
    run(parent_run_id=""),
    run(cluster="a\u0000"),
    run(context_tags=["a\u0000"]),
    run(message="x" * 65_537),
    run(cost_usd=-1),
    run(False, usage={}),
    run(False, usage=USAGE | {"gen_ai.usage.cache_read.input_tokens": 11}),
]  # fmt: skip


def data_of(case: Case) -> dict[str, Any]:
    return {k: v for k, v in (BASES[case.kind] | case.changes).items() if v is not ...}


def name_of(case: Case) -> str:
    return f"{case.kind} {str(case.changes)[:60]}"


@pytest.mark.parametrize("case", ACCEPTED, ids=name_of)
def test_accepted_by_decoder_and_schema(case: Case) -> None:
    data = data_of(case)
    decoded = events.decode(INPUT_TYPES[case.kind], json.dumps(data).encode())
    assert isinstance(decoded, INPUT_TYPES[case.kind])
    VALIDATORS[case.kind].validate(data)


@pytest.mark.parametrize("case", REFUSED, ids=name_of)
def test_refused_by_decoder_and_schema(case: Case) -> None:
    data = data_of(case)
    refused = events.decode(INPUT_TYPES[case.kind], json.dumps(data).encode())
    assert isinstance(refused, Refused)
    assert refused.code == "schema"
    assert VALIDATORS[case.kind].is_valid(data) is not case.in_schema


@pytest.mark.parametrize(
    ("text", "nano"),
    [
        ('"40"', 40_000_000_000),
        ("0.1", 100_000_000),
        ("0.30000000000000004", 300_000_000),
        ("1.0000000005", 1_000_000_000),
        ("1.0000000015", 1_000_000_002),
        ("1.5e1", 15_000_000_000),
        ("-0.0", 0),
        ("1E-400", 0),
    ],
)
def test_amounts_are_read_from_their_digits(text: str, nano: int) -> None:
    value = b'{"content":"x","cost_usd":%s}' % text.encode()
    decoded = events.decode(events.AgentMessage, value)
    assert isinstance(decoded, events.AgentMessage)
    assert decoded.reported == nano


@pytest.mark.parametrize(
    "text", [b"", b"{", b'{"content":5', b'{"content":"\xff"}', b'{"x":' + b"[" * 100_000, b"nul"]
)
def test_what_is_not_json(text: bytes) -> None:
    with pytest.raises(Refused) as caught:
        events.decode(events.AgentMessage, text)
    assert caught.value.code == "not_json"


@pytest.mark.parametrize("depth", [16, 17])
def test_depth_of_cluster_state(depth: int) -> None:
    state = '{"a":' * (depth - 1) + "[1]" + "}" * (depth - 1)
    value = f'{{"content":"x","cluster_state":{state}}}'.encode()
    decoded = events.decode(events.AgentMessage, value)
    assert isinstance(decoded, Refused) is (depth > 16)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (b" " * 70_000 + b'"%s"' % (b"x" * 65_534), None),
        (b'"%s"' % (b"x" * 65_535), "too_large"),
        (b"[%s0]" % (b"0 , " * 32_766), None),
        (b"[%s0]" % (b"0 , " * 32_767), "too_large"),
        (b'"%s"' % ("é".encode() * 32_767), None),
        (b'"%s"' % ("é".encode() * 32_768), "too_large"),
        (b"[" * 256 + b"]" * 256, None),
        (b"[" * 257 + b"]" * 257, "schema"),
        (b'{"a":' * 257 + b"1" + b"}" * 257, "schema"),
        (b'["%s", []]' % (b"[{" * 300), None),
        (b'["\\"%s", []]' % (b"[{" * 300), None),
    ],
)
def test_sizes_of_state(value: bytes, code: str | None) -> None:
    found = events.decode(StateSet, b'{"agent":"a","key":"k","value":%s}' % value)
    assert (found.code if isinstance(found, Refused) else None) == code


@pytest.mark.parametrize("value", [b"", b"01", b"1.", b"nul", b"[1,]", b"{a:1}", b"'a'", b"NaN"])
def test_a_value_that_is_not_json(value: bytes) -> None:
    with pytest.raises(Refused) as caught:
        events.decode(StateSet, b'{"agent":"a","key":"k","value":%s}' % value)
    assert caught.value.code == "not_json"


def test_every_limit_is_documented_in_the_schema() -> None:
    """A field that the code reads is in the schema, and the other way round."""
    for kind, data in INPUT_TYPES.items():
        fields = {field.encode_name for field in msgspec.structs.fields(data)}
        assert fields == set(schemas()[f"{kind}.v1"]["properties"])
