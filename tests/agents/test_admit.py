"""Admit: what goes into the log, and every way of being refused."""

import json
from typing import Any

import msgspec
import pytest

from agents.malformed import GOOD, MALFORMED, STRUCTURED, Malformed, good, marks, structured
from streams.agents.admit import Incoming, admit, dead_letter_headers, marker
from streams.core import log
from streams.core.errors import REFUSAL_CODES, Refused
from streams.core.log import Call, Origin
from streams.core.money import NANO
from streams.core.time import HOUR, parse_time
from streams.topology import AGENT_MESSAGES, CONTEXT_REQUESTS, JOB_EVENTS, TENANT_COMMANDS

NOW = parse_time("2026-11-22T12:00:00Z")


class Book:
    """Knows one model: 2 nano-USD a token."""

    version = "book 1"

    def cost(self, call: Call, at: int) -> int | None:
        if call.model != "gpt-4o":
            return None
        return 2 * (call.input_tokens + call.output_tokens)


def incoming(
    value: bytes | None = None,
    *,
    key: bytes | None = b"t1",
    headers: Any = None,
    topic: str = AGENT_MESSAGES,
    timestamp: int = NOW,
) -> Incoming:
    return Incoming(
        topic=topic,
        key=key,
        value=good() if value is None else value,
        headers=marks() if headers is None else headers,
        timestamp=timestamp,
        received=NOW,
        origin=Origin(topic, 0, 3, 17),
    )


def call_of(value: bytes) -> Call:
    body = admit(incoming(value), Book()).body
    assert isinstance(body, log.Message)
    assert body.call is not None
    return body.call


def refused(record: Incoming, namespaces: dict[str, str] | None = None) -> Refused:
    with pytest.raises(Refused) as caught:
        admit(record, Book(), namespaces)
    assert caught.value.code in REFUSAL_CODES
    return caught.value


@pytest.mark.parametrize("case", MALFORMED, ids=lambda case: case.name)
def test_malformed_record_is_refused_with_its_code(case: Malformed) -> None:
    record = incoming(case.value, key=case.key, headers=case.headers)
    record = msgspec.structs.replace(record, value=case.value)
    assert refused(record).code == case.code


def test_malformed_records_have_distinct_names_and_cover_the_codes() -> None:
    assert len({case.name for case in MALFORMED}) == len(MALFORMED) >= 40
    # The fold alone refuses for a quota.
    assert {case.code for case in MALFORMED} == set(REFUSAL_CODES) - {"quota_exceeded"}


def test_metering_message() -> None:
    record = admit(incoming(headers=marks(ce_time=b"2026-11-22T11:00:00Z")), Book())
    call = Call("openai", "gpt-4o", 1200, 80, 0, 0, None, 2560, "book 1")
    assert record == log.Record(
        log.VERSION,
        "t1",
        Origin(AGENT_MESSAGES, 0, 3, 17),
        "/malformed",
        "m-1",
        NOW - HOUR,
        log.Message("", "", "", "", call, None),
    )


def test_whole_message() -> None:
    data = {
        "content": "text",
        "priority": "CRITICAL",
        "agent": "a",
        "session": "s",
        "cost_attribution": "p",
        "context_tags": ["x", "y"],
        "ttl_seconds": 60,
        "cluster_state": {"cluster": "eu-1", "nodes": [1, {"n": 2.5}]},
        "pipeline_context": ["ingest", "load"],
        "related_memories": ["m:1"],
        "subject": "person",
        "memory_id": "m-2",
        "metadata": {"k": 1, "b": True, "n": None, "f": 1.5},
        "unknown": {"is": "ignored"},
    }
    body = admit(incoming(json.dumps(data).encode()), Book()).body
    assert body == log.Message(
        agent="a",
        session="s",
        cost_attribution="p",
        cluster="eu-1",
        call=None,
        content=log.Content(
            text="text",
            priority=4,
            context_tags=("x", "y"),
            ttl_seconds=60,
            cluster_state={"cluster": "eu-1", "nodes": [1, {"n": 2.5}]},
            pipeline_context=("ingest", "load"),
            related_memories=("m:1",),
            subject="person",
            memory_id="m-2",
            metadata={"k": 1, "b": True, "n": None, "f": 1.5},
            given=log.CORRECTABLE,
        ),
    )


def test_what_was_given_is_known() -> None:
    data = {"content": "x", "agent": "", "context_tags": [], "subject": None, "priority": "LOW"}
    body = admit(incoming(json.dumps(data).encode()), Book()).body
    assert isinstance(body, log.Message)
    assert body.content is not None
    assert body.content.given == ("priority", "agent", "context_tags")


def test_plain_strings_for_cluster_and_pipeline() -> None:
    value = b'{"content":"x","cluster_state":"eu-1","pipeline_context":"ingest"}'
    body = admit(incoming(value), Book()).body
    assert isinstance(body, log.Message)
    assert body.content is not None
    assert body.cluster == "eu-1"
    assert body.content.cluster_state == {"cluster": "eu-1"}
    assert body.content.pipeline_context == ("ingest",)
    assert body.content.priority == 2


@pytest.mark.parametrize(
    ("data", "reported", "computed", "version"),
    [
        (GOOD, None, 2560, "book 1"),
        (GOOD | {"cost_usd": "0.5"}, NANO // 2, None, "reported"),
        (GOOD | {"cost_usd": 0}, 0, None, "reported"),
        (GOOD | {"cost_usd": None}, None, 2560, "book 1"),
        ({"usage": GOOD["usage"] | {"gen_ai.request.model": "mystery"}}, None, None, ""),
        ({"content": "x", "cost_usd": 1}, NANO, None, "reported"),
    ],
)
def test_reported_cost_wins_and_unknown_is_never_zero(
    data: dict[str, Any], reported: int | None, computed: int | None, version: str
) -> None:
    call = call_of(json.dumps(data).encode())
    assert (call.reported, call.computed, call.price_version) == (reported, computed, version)


def test_cost_is_read_from_its_digits() -> None:
    value = good().replace(b'{"usage"', b'{"cost_usd": 0.1000000005, "usage"', 1)
    assert call_of(value).reported == 100_000_000


def test_content_without_usage_is_no_call() -> None:
    body = admit(incoming(b'{"content":"x"}'), Book()).body
    assert isinstance(body, log.Message)
    assert body.call is None


def test_empty_content_is_metering_only() -> None:
    body = admit(incoming(good(content="")), Book()).body
    assert isinstance(body, log.Message)
    assert body.content is None


def test_enormous_calls_survive_the_log() -> None:
    value = good().replace(b"1200", b"9007199254740992")
    record = admit(incoming(value), Book())
    body = msgspec.structs.replace(
        record.body, call=msgspec.structs.replace(record.body.call, computed=1 << 70)
    )
    record = msgspec.structs.replace(record, body=body)
    assert log.decode(log.encode(record)) == record


@pytest.mark.parametrize(
    ("kind", "data", "body"),
    [
        (
            "budget.set",
            {"budget_id": "b", "limit_usd": "40", "period": "day"},
            log.BudgetSet("b", 40 * NANO, "day", "UTC", (50, 80, 100), True, {}),
        ),
        (
            "budget.set",
            {
                "budget_id": "b",
                "limit_usd": 0.5,
                "period": "week",
                "timezone": "Asia/Kolkata",
                "thresholds": [90, 10, 90],
                "forecast": False,
                "scope": {"model": "gpt-4o", "agent": ""},
            },
            log.BudgetSet(
                "b",
                NANO // 2,
                "week",
                "Asia/Kolkata",
                (10, 90),
                False,
                {"agent": "", "model": "gpt-4o"},
            ),
        ),
        ("budget.delete", {"budget_id": "b"}, log.BudgetDelete("b")),
        ("tenant.set", {"timezone": "Europe/Berlin"}, log.TenantSet("Europe/Berlin")),
        ("quota.set", {"quota_mb": 5}, log.QuotaSet(5, "standard")),
        ("quota.set", {"quota_mb": 0, "class": "critical"}, log.QuotaSet(0, "critical")),
        (
            "state.set",
            {"agent": "a", "key": "k", "value": {"n": [1, None]}},
            log.StateSet("a", "k", b'{"n":[1,null]}', None, None),
        ),
        (
            "state.set",
            {"agent": "a", "key": "k", "value": None, "if_version": 0, "ttl_seconds": 60},
            log.StateSet("a", "k", b"null", 0, 60),
        ),
        ("memory.consolidate", {}, log.MemoryConsolidate(None)),
        ("memory.consolidate", {"window_hours": 9}, log.MemoryConsolidate(9)),
        ("memory.split", {"memory_id": "m1"}, log.MemorySplit("m1")),
        ("state.delete", {"agent": "a", "key": "k"}, log.StateDelete("a", "k", None)),
        (
            "state.delete",
            {"agent": "a", "key": "k", "if_version": 2},
            log.StateDelete("a", "k", 2),
        ),
    ],
)
def test_commands(kind: str, data: dict[str, Any], body: log.Body) -> None:
    record = incoming(
        json.dumps(data).encode(), headers=marks(ce_type=kind.encode()), topic=TENANT_COMMANDS
    )
    assert admit(record, Book()).body == body


@pytest.mark.parametrize(
    "value",
    [b"1.10e+05", b"123456789012345678901234567890", b"-0", b"1e999", b'"\\u00e9\\/ \xc3\xa9"'],
)
def test_a_value_is_kept_as_it_is_written(value: bytes) -> None:
    data = b'{"agent": "a", "key": "k", "value": [ %s ]}' % value
    record = incoming(data, headers=marks(ce_type=b"state.set"), topic=TENANT_COMMANDS)
    assert admit(record, Book()).body == log.StateSet("a", "k", b"[%s]" % value, None, None)


def test_a_value_that_is_too_large_is_its_tenants() -> None:
    data = json.dumps({"agent": "a", "key": "k", "value": "x" * 65_535}).encode()
    error = refused(incoming(data, headers=marks(ce_type=b"state.set"), topic=TENANT_COMMANDS))
    assert (error.code, error.tenant) == ("too_large", "t1")


@pytest.mark.parametrize(
    ("topic", "kind"),
    [
        (JOB_EVENTS, b"agent.message"),
        (JOB_EVENTS, b"RunEvent"),
        (CONTEXT_REQUESTS, b"context.request"),
        (CONTEXT_REQUESTS, b"job.run"),
    ],
)
def test_types_that_a_topic_does_not_serve(topic: str, kind: bytes) -> None:
    headers = marks(ce_type=kind, ce_tenant=b"t1")
    error = refused(incoming(headers=headers, topic=topic))
    assert (error.code, error.tenant) == ("unknown_type", "t1")


def test_key_is_no_tenant_on_job_events() -> None:
    assert refused(incoming(topic=JOB_EVENTS)).code == "tenant_missing"
    error = refused(incoming(topic=JOB_EVENTS, key=b"run:ns/name", headers=marks(ce_tenant=b"t2")))
    assert (error.code, error.tenant) == ("unknown_type", "t2")


@pytest.mark.parametrize(
    ("record", "code", "tenant"),
    [
        (incoming(b"no"), "not_json", "t1"),
        (incoming(b"no", key=None, headers=marks(ce_tenant=b"t3")), "not_json", "t3"),
        (incoming(b"no", key=None), "not_json", None),
        (incoming(b"no", headers=marks(ce_tenant=b"t3")), "not_json", None),
        (incoming(b"no", key=b"a/b"), "not_json", None),
        (incoming(b"x" * ((1 << 20) + 1)), "too_large", "t1"),
        (incoming(headers=[]), "not_cloudevent", "t1"),
        (incoming(b'{"content":5,"tenant":"t4"}', key=None), "schema", "t4"),
        (incoming(b'{"content":5,"tenant":"t4"}'), "tenant_mismatch", None),
        (incoming(headers=marks(ce_time=b"x")), "bad_time", "t1"),
        (incoming(timestamp=-1), "bad_time", "t1"),
        (incoming(timestamp=NOW + HOUR + 1), "bad_time", "t1"),
        (incoming(structured(type="x"), key=None, headers=STRUCTURED), "unknown_type", "t1"),
    ],
)
def test_tenant_of_a_refused_record(record: Incoming, code: str, tenant: str | None) -> None:
    error = refused(record)
    assert (error.code, error.tenant) == (code, tenant)


def test_an_hour_ahead_is_still_right() -> None:
    assert admit(incoming(timestamp=NOW + HOUR), Book()).time == NOW + HOUR


def test_binary_and_structured_say_the_same() -> None:
    binary = admit(incoming(headers=marks(ce_tenant=b"t1")), Book())
    assert admit(incoming(structured(), headers=STRUCTURED, key=None), Book()) == binary
    assert admit(incoming(structured(tenant=...), headers=STRUCTURED), Book()) == binary
    both = [*marks(ce_id=b"other", ce_tenant=b"t1"), *STRUCTURED]
    assert admit(incoming(structured(), headers=both), Book()) == binary


def test_refusal_never_holds_content() -> None:
    secret = "the patient's name"
    for data in ({"priority": secret}, {"metadata": {secret: {}}}, {"memory_id": secret}):
        assert secret not in refused(incoming(good(content=secret, **data))).message


def test_marker() -> None:
    record = incoming(b"no")
    made = marker(record, refused(record))
    assert (made.tenant, made.origin, made.time) == ("t1", record.origin, NOW)
    assert made.body == log.Refusal("not_json")
    # A corrected event may come with the same id, so a marker must not count as seen.
    assert (made.source, made.id) == ("", "")
    assert log.decode(log.encode(made)) == made


def test_dead_letter_headers_replace_those_of_an_earlier_refusal() -> None:
    record = incoming(b"no", headers=[*marks(), ("x", b"\xff"), ("x", b"2")])
    error = refused(record)
    first = dead_letter_headers(record, error, "prefix.agent.messages.v1")
    assert first == [
        *record.headers,
        ("__streams.errors.exception", b"streams.core.errors.Refused"),
        ("__streams.errors.message", error.message.encode()),
        ("__streams.errors.topic", b"prefix.agent.messages.v1"),
        ("__streams.errors.partition", b"3"),
        ("__streams.errors.offset", b"17"),
        ("error_code", b"not_json"),
    ]
    again = msgspec.structs.replace(record, headers=first)
    assert dead_letter_headers(again, error, "prefix.agent.messages.v1") == first


@pytest.mark.parametrize(
    ("at", "code"),
    [("2026-01-02T03:00:00Z", None), ("9999-01-01T00:00:00Z", "bad_time")],
)
def test_a_correction_is_for_a_time_that_has_come(at: str, code: str | None) -> None:
    value = json.dumps({"amount_usd": "-1", "at": at, "reason": "why"}).encode()
    headers = marks(ce_type=b"usage.adjust")
    record = incoming(value, headers=headers, topic=TENANT_COMMANDS)
    if code is None:
        body = admit(record, Book()).body
        assert body == log.UsageAdjust(-(10**9), parse_time(at), "", "", "why")
    else:
        found = refused(record)
        assert (found.code, found.tenant) == (code, "t1")
