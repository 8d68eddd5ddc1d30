"""The Kafka binding of CloudEvents, whose event it is, and when it was."""

import json
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core import envelope
from streams.core.envelope import Envelope, open_envelope
from streams.core.errors import REFUSAL_CODES, Refused
from streams.core.time import HOUR

BINARY = {"ce_specversion": b"1.0", "ce_id": b"1", "ce_source": b"/s", "ce_type": b"t"}
STRUCTURED = {"content-type": b"application/cloudevents+json"}
EVENT: dict[str, Any] = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data": {}}
OPENED = Envelope("1", "/s", "t", None, (), b"{}")


def code_of(function: Any, *arguments: Any) -> str:
    with pytest.raises(Refused) as caught:
        function(*arguments)
    return caught.value.code


def event(**changes: Any) -> bytes:
    return json.dumps({k: v for k, v in (EVENT | changes).items() if v is not ...}).encode()


@pytest.mark.parametrize(
    ("headers", "value", "opened"),
    [
        (BINARY, b"{}", OPENED),
        (BINARY | {"content-type": b"application/json"}, b"{}", OPENED),
        (BINARY | {"content-type": b'Application/JSON; Charset="UTF-8"'}, b"{}", OPENED),
        (BINARY | {"content-type": b"text/json;charset=utf8"}, b"{}", OPENED),
        (BINARY | {"content-type": b"application/vnd.x+json"}, b"{}", OPENED),
        (BINARY | {"content-type": b""}, b"{}", OPENED),
        (BINARY | {"content-encoding": b"identity"}, b"{}", OPENED),
        (BINARY | {"ce_custom": b"\xff", "other": b"\xff"}, b"{}", OPENED),
        (
            BINARY | {"ce_time": b"now", "ce_tenant": b"t1"},
            b"{}",
            Envelope("1", "/s", "t", "now", ("t1",), b"{}"),
        ),
        # The Kafka binding has no percent-encoding, unlike HTTP's.
        (BINARY | {"ce_id": "%20é".encode()}, b"{}", Envelope("%20é", "/s", "t", None, (), b"{}")),
        # Marks are written in lower case; another spelling is another header.
        (BINARY | {"CE_ID": b"2"}, b"{}", OPENED),
    ],
)
def test_binary(headers: dict[str, bytes], value: bytes, opened: Envelope) -> None:
    assert open_envelope(headers, value) == opened


@pytest.mark.parametrize(
    ("value", "tenants"),
    [
        (event(), ()),
        (event(tenant="t1", time=None), ("t1",)),
        (event(datacontenttype="application/json; charset=utf-8"), ()),
        (event(data=..., data_base64=b64encode(b"{}").decode()), ()),
        (event(subject="x", traceparent="y", unknown={"a": [1]}), ()),
    ],
)
def test_structured(value: bytes, tenants: tuple[str, ...]) -> None:
    opened = open_envelope(STRUCTURED, value)
    assert opened is not None
    assert (opened.id, opened.source, opened.type, opened.tenants) == ("1", "/s", "t", tenants)
    assert bytes(opened.data) == b"{}"


def test_header_and_extension_are_both_kept() -> None:
    opened = open_envelope(STRUCTURED | {"ce_tenant": b"a"}, event(tenant="b"))
    assert opened is not None
    assert opened.tenants == ("a", "b")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"ce_tenant": b"t1", "ce_id": b"1", "ce_type": b"t", "ce_source": b"/s"},
        {"content-type": b"application/json"},
        {"content-type": b"application/cloudevents-batch+json"},
        {"content-type": b"application/cloudevents+avro"},
        {"Ce_Specversion": b"1.0"},
    ],
)
def test_no_marks(headers: dict[str, bytes]) -> None:
    assert open_envelope(headers, event()) is None


@pytest.mark.parametrize(
    ("headers", "value", "code"),
    [
        (BINARY | {"content-type": b"application/json; charset=latin1"}, b"{}", "bad_encoding"),
        (BINARY | {"content-encoding": b"gzip"}, b"{}", "bad_encoding"),
        (BINARY, b"\xff", "bad_encoding"),
        (BINARY | {"ce_type": b"\xff"}, b"{}", "bad_encoding"),
        (BINARY | {"ce_time": b"\xff"}, b"{}", "bad_encoding"),
        (BINARY | {"ce_tenant": b"\xff"}, b"{}", "bad_encoding"),
        (BINARY | {"content-type": b"text/plain"}, b"{}", "not_json"),
        (BINARY | {"content-type": b"\xff" * 5000}, b"{}", "not_json"),
        (BINARY | {"ce_specversion": b"1.1"}, b"{}", "unsupported_version"),
        (BINARY | {"ce_specversion": b""}, b"{}", "unsupported_version"),
        (BINARY | {"ce_id": b""}, b"{}", "schema"),
        (BINARY | {"ce_id": b"x" * 1025}, b"{}", "schema"),
        (BINARY | {"ce_source": b"a\nb"}, b"{}", "schema"),
        (BINARY | {"ce_type": "a\x85".encode()}, b"{}", "schema"),
        ({"ce_specversion": b"1.0"}, b"{}", "schema"),
        (STRUCTURED, b"\xef\xbb\xbf" + event(), "not_json"),
        (STRUCTURED, b'["a"', "not_json"),
        (STRUCTURED, b'"a"', "schema"),
        (STRUCTURED, b"[" * 100_000, "not_json"),
        (STRUCTURED, event(specversion=...), "schema"),
        (STRUCTURED, event(specversion="0.3"), "unsupported_version"),
        (STRUCTURED, event(specversion=1.0), "unsupported_version"),
        (STRUCTURED, event(source=None), "schema"),
        (STRUCTURED, event(type=["t"]), "schema"),
        (STRUCTURED, event(tenant=7), "schema"),
        (STRUCTURED, event(time=7), "bad_time"),
        (STRUCTURED, event(datacontenttype="text/xml"), "not_json"),
        (STRUCTURED, event(datacontenttype=7), "schema"),
        (STRUCTURED, event(datacontenttype="text/json;charset=x"), "bad_encoding"),
        (STRUCTURED, event(data=...), "schema"),
        (STRUCTURED, event(data_base64="e30="), "schema"),
        (STRUCTURED, event(data=..., data_base64="e30"), "schema"),
        (STRUCTURED, event(data=..., data_base64=7), "schema"),
        (STRUCTURED, event(data=..., data_base64=b64encode(b"\xff").decode()), "bad_encoding"),
    ],
)
def test_refused(headers: dict[str, bytes], value: bytes, code: str) -> None:
    assert code_of(open_envelope, headers, value) == code


@pytest.mark.parametrize(
    ("value", "code"), [(b"", "not_json"), (None, "not_json"), (b" " * 1_048_577, "too_large")]
)
def test_size(value: bytes | None, code: str) -> None:
    assert code_of(envelope.check_size, value) == code


def test_size_of_just_one_mebibyte() -> None:
    assert len(envelope.check_size(b" " * 1_048_576)) == 1 << 20


def test_repeated_headers() -> None:
    same = envelope.read_headers([("ce_id", b"1"), ("x", b"1"), ("ce_id", b"1"), ("x", b"2")])
    assert same == {"ce_id": b"1", "x": b"2"}
    differing = [("ce_id", b"1"), ("ce_id", b"2")]
    assert code_of(envelope.read_headers, differing) == "schema"
    tenants = [("ce_tenant", b"a"), ("ce_tenant", b"b")]
    assert code_of(envelope.read_headers, tenants) == "tenant_mismatch"


def test_null_header_is_not_there() -> None:
    headers = envelope.read_headers([*BINARY.items(), ("ce_time", None), ("ce_tenant", None)])
    assert open_envelope(headers, b"{}") == OPENED


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, 5),
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.0000019Z", 1),
        ("1970-01-01t02:00:00+02:00", 0),
        ("1970-01-01T01:00:00.00001Z", HOUR + 10),
        ("1970-01-01T01:00:00.000011Z", None),
        ("1969-12-31T23:59:59.999999Z", None),
        ("1970-01-01T00:00:00", None),
        ("1970-01-01T00:00:00+24:00", None),
        ("1970-01-01T24:00:01Z", None),
        ("0000-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+23:59", None),
        ("9999-12-31T23:59:59-23:59", None),
        ("1970-01-01T00:00:00Z\n", None),
        ("١٩٧٠-01-01T00:00:00Z", None),
        ("0", None),
        ("", None),
    ],
)
def test_event_time(text: str | None, expected: int | None) -> None:
    if expected is None:
        assert code_of(envelope.event_time, text, 5, 10) == "bad_time"
    else:
        assert envelope.event_time(text, 5, 10) == expected


@given(
    st.dictionaries(
        st.sampled_from([*BINARY, "content-type", "ce_time", "ce_tenant"]), st.binary()
    ),
    st.binary(),
)
def test_anything_is_opened_or_refused(headers: dict[str, bytes], value: bytes) -> None:
    try:
        opened = open_envelope(BINARY | headers, value)
    except Refused as error:
        refused = error.code
    else:
        refused = None
        assert opened is not None
        assert opened.id
    assert refused is None or refused in REFUSAL_CODES
