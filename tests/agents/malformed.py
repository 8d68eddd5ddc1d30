"""Records that must each reach the DLQ of agent.messages.v1 with its code, and stop nothing."""

import json
from typing import Any, NamedTuple

Headers = list[tuple[str, bytes]]


class Malformed(NamedTuple):
    name: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    code: str


GOOD: dict[str, Any] = {
    "usage": {
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": 1200,
        "gen_ai.usage.output_tokens": 80,
    }
}
TOKENS = "gen_ai.usage.input_tokens"


def marks(**changes: bytes | None) -> Headers:
    """Headers of a good binary event; a change of None leaves one out, ``_`` stands for ``-``."""
    headers: dict[str, bytes | None] = {
        "ce_specversion": b"1.0",
        "ce_id": b"m-1",
        "ce_source": b"/malformed",
        "ce_type": b"agent.message",
    }
    for name, value in changes.items():
        headers[name if name.startswith("ce_") else name.replace("_", "-")] = value
    return [(name, value) for name, value in headers.items() if value is not None]


def good(**data: Any) -> bytes:
    return json.dumps(GOOD | data).encode()


def tokens(text: str) -> bytes:
    """A good event with these digits as its input tokens."""
    return good().replace(b"1200", text.encode())


def structured(**changes: Any) -> bytes:
    event = {
        "specversion": "1.0",
        "id": "m-1",
        "source": "/malformed",
        "type": "agent.message",
        "tenant": "t1",
        "data": GOOD,
    }
    return json.dumps({k: v for k, v in (event | changes).items() if v is not ...}).encode()


STRUCTURED: Headers = [("content-type", b"application/cloudevents+json; charset=UTF-8")]
DEEP = b'{"content":"x","cluster_state":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001
SHALLOW = b'{"content":"x","cluster_state":' + b'{"a":' * 17 + b"1" + b"}" * 18

MALFORMED = [
    Malformed("not JSON", b"t1", b"hello", marks(), "not_json"),
    Malformed("truncated JSON", b"t1", good()[:-1], marks(), "not_json"),
    Malformed("text after the JSON", b"t1", good() + b"x", marks(), "not_json"),
    Malformed("type error, then broken JSON", b"t1", b'{"content":5,', marks(), "not_json"),
    Malformed("NaN", b"t1", tokens("NaN"), marks(), "not_json"),
    Malformed("Infinity", b"t1", tokens("Infinity"), marks(), "not_json"),
    Malformed("-Infinity", b"t1", tokens("-Infinity"), marks(), "not_json"),
    Malformed("infinite by its exponent", b"t1", tokens("1e999"), marks(), "schema"),
    Malformed("cost NaN", b"t1", good(cost_usd="NaN"), marks(), "schema"),
    Malformed("cost Infinity", b"t1", good(cost_usd="Infinity"), marks(), "schema"),
    Malformed("negative cost", b"t1", good(cost_usd=-0.5), marks(), "schema"),
    Malformed("enormous cost", b"t1", good(cost_usd="1000000000.01"), marks(), "schema"),
    Malformed("negative tokens", b"t1", tokens("-1"), marks(), "schema"),
    Malformed("2^53 + 1 tokens", b"t1", tokens("9007199254740993"), marks(), "schema"),
    Malformed("10^400 tokens", b"t1", tokens("1" + "0" * 400), marks(), "schema"),
    Malformed("half a token", b"t1", tokens("0.5"), marks(), "schema"),
    Malformed("tokens as text", b"t1", tokens('"1200"'), marks(), "schema"),
    Malformed("tokens as bool", b"t1", tokens("true"), marks(), "schema"),
    Malformed("content as number", b"t1", b'{"content":1}', marks(), "schema"),
    Malformed("data as array", b"t1", b"[1]", marks(), "schema"),
    Malformed("data as null", b"t1", b"null", marks(), "schema"),
    Malformed("neither content nor usage", b"t1", b'{"content":""}', marks(), "schema"),
    Malformed("no such priority", b"t1", good(priority="high"), marks(), "schema"),
    Malformed("no ttl", b"t1", good(content="x", ttl_seconds=0), marks(), "schema"),
    Malformed("metadata too large", b"t1", good(metadata={"a": "x" * 4096}), marks(), "schema"),
    Malformed("metadata nested", b"t1", good(metadata={"a": {}}), marks(), "schema"),
    Malformed("too deep for JSON", b"t1", DEEP, marks(), "not_json"),
    Malformed("too deep for cluster_state", b"t1", SHALLOW, marks(), "schema"),
    Malformed("1.5 MiB", b"t1", good(content="x" * (3 << 19)), marks(), "too_large"),
    Malformed("no tenant", None, good(), marks(), "tenant_missing"),
    Malformed("tenant mismatch", b"t1", good(), marks(ce_tenant=b"t2"), "tenant_mismatch"),
    Malformed("mismatch in data", b"t1", good(tenant="t2"), marks(), "tenant_mismatch"),
    Malformed("tenant with a slash", b"a/b", good(), marks(), "bad_tenant"),
    Malformed("tenant ..", b"..", good(), marks(), "bad_tenant"),
    Malformed("tenant of 129", b"t" * 129, good(), marks(), "bad_tenant"),
    Malformed("key not UTF-8", b"\xff\xfe", good(), marks(), "bad_tenant"),
    Malformed("time is no time", b"t1", good(), marks(ce_time=b"yesterday"), "bad_time"),
    Malformed(
        "time without a zone", b"t1", good(), marks(ce_time=b"2026-01-01T00:00:00"), "bad_time"
    ),
    Malformed("before 1970", b"t1", good(), marks(ce_time=b"1969-12-31T23:59:59Z"), "bad_time"),
    Malformed("year 9999", b"t1", good(), marks(ce_time=b"9999-12-31T23:59:59Z"), "bad_time"),
    Malformed("30 February", b"t1", good(), marks(ce_time=b"2026-02-30T00:00:00Z"), "bad_time"),
    Malformed("Latin-1 value", b"t1", '{"content":"é"}'.encode("latin-1"), marks(), "bad_encoding"),
    Malformed("UTF-16 value", b"t1", '{"content":"x"}'.encode("utf-16"), marks(), "bad_encoding"),
    Malformed(
        "an encoded surrogate", b"t1", b'{"content":"\xed\xa0\x80"}', marks(), "bad_encoding"
    ),
    Malformed(
        "another charset",
        b"t1",
        good(),
        marks(content_type=b"application/json; charset=utf-16"),
        "bad_encoding",
    ),
    Malformed("compressed", b"t1", good(), marks(content_encoding=b"gzip"), "bad_encoding"),
    Malformed("header not UTF-8", b"t1", good(), marks(ce_id=b"\xff"), "bad_encoding"),
    Malformed("Avro", b"t1", good(), marks(content_type=b"application/avro"), "not_json"),
    Malformed("null bytes", b"t1", b"\x00\x00\x00\x00", marks(), "not_json"),
    Malformed("a null byte in a string", b"t1", b'{"content":"a\x00b"}', marks(), "not_json"),
    Malformed("a null byte in a label", b"t1", good(agent="a\x00b"), marks(), "schema"),
    Malformed("empty", b"t1", b"", marks(), "not_json"),
    Malformed("tombstone", b"t1", None, marks(), "not_json"),
    Malformed("no key and no value", None, None, [], "not_json"),
    Malformed("no marks", b"t1", good(), [], "not_cloudevent"),
    Malformed("ce_tenant is no mark", b"t1", good(), [("ce_tenant", b"t1")], "not_cloudevent"),
    Malformed(
        "unknown version", b"t1", good(), marks(ce_specversion=b"0.3"), "unsupported_version"
    ),
    Malformed("no id", b"t1", good(), marks(ce_id=None), "schema"),
    Malformed("empty source", b"t1", good(), marks(ce_source=b""), "schema"),
    Malformed("unknown type", b"t1", good(), marks(ce_type=b"agent.whisper"), "unknown_type"),
    Malformed(
        "command on the wrong topic", b"t1", good(), marks(ce_type=b"budget.set"), "unknown_type"
    ),
    Malformed("structured, not an object", b"t1", b"[]", STRUCTURED, "schema"),
    Malformed("structured, not JSON", b"t1", b"{", STRUCTURED, "not_json"),
    Malformed(
        "structured, version 2.0",
        None,
        structured(specversion="2.0"),
        STRUCTURED,
        "unsupported_version",
    ),
    Malformed("structured, other tenant", b"t2", structured(), STRUCTURED, "tenant_mismatch"),
    Malformed("structured, id as number", b"t1", structured(id=5), STRUCTURED, "schema"),
    Malformed("structured, no data", b"t1", structured(data=...), STRUCTURED, "schema"),
]
"""On agent.messages.v1. ``headers`` and ``key`` are complete: nothing is to be added."""
