"""From requests to records: every form of an event ends as the same record."""

import base64
import json
from typing import Any

import pytest

from streams.core.errors import Refused
from streams.web.intake import BATCH, STRUCTURED, Taker

from .fakes import FakeDecoder

EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "1",
    "source": "/cars",
    "type": "agent.message",
    "data": {"content": "hi"},
}
BINARY = {
    "content-type": "application/json",
    "ce-specversion": "1.0",
    "ce-id": "1",
    "ce-source": "/cars",
    "ce-type": "agent.message",
}
HEADERS = {
    "ce_specversion": b"1.0",
    "ce_id": b"1",
    "ce_source": b"/cars",
    "ce_type": b"agent.message",
    "ce_tenant": b"t1",
    "content-type": b"application/json",
}


def taker(bare_type: str | None = "agent.message") -> Taker:
    return Taker("agent.messages.v1", "t1", bare_type, FakeDecoder(), lambda: "made")


def body(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


FORMS = [
    (BINARY, body(EVENT["data"])),
    ({"content-type": STRUCTURED}, body(EVENT)),
    ({"content-type": f"{STRUCTURED}; charset=utf-8"}, body(EVENT | {"tenant": "t1"})),
    ({"content-type": BATCH}, body([EVENT])),
    (
        {"content-type": STRUCTURED},
        body(
            {name: value for name, value in EVENT.items() if name != "data"}
            | {"data_base64": base64.b64encode(body(EVENT["data"])).decode(), "time": None}
        ),
    ),
]


@pytest.mark.parametrize(("headers", "content"), FORMS)
def test_every_form_of_an_event_makes_the_same_record(
    headers: dict[str, str], content: bytes
) -> None:
    intake = taker().take_in(headers, content)
    (draft,) = intake.drafts
    assert (draft.id, draft.source) == ("1", "/cars")
    assert draft.value == body(EVENT["data"])
    assert dict(draft.headers) == HEADERS
    assert len(draft.headers) == len(HEADERS)
    assert intake.batch is (headers["content-type"] == BATCH)


def test_time_extensions_and_trace_are_carried() -> None:
    event = EVENT | {
        "time": "2025-11-22T10:00:00Z",
        "attempt": 2,
        "hot": True,
        "traceparent": "00-a-b-01",
        "datacontenttype": "application/json; charset=utf-8",
    }
    (draft,) = (
        taker().take_in({"content-type": STRUCTURED, "traceparent": "no"}, body(event)).drafts
    )
    assert dict(draft.headers) == HEADERS | {
        "ce_time": b"2025-11-22T10:00:00Z",
        "ce_attempt": b"2",
        "ce_hot": b"true",
        "traceparent": b"00-a-b-01",
        "content-type": b"application/json; charset=utf-8",
    }


def test_binary_mode_header_values_are_percent_decoded() -> None:
    headers = BINARY | {"ce-source": "/caf%C3%A9"}
    (draft,) = taker().take_in(headers, b"{}").drafts
    assert dict(draft.headers)["ce_source"] == "/café".encode()
    assert draft.source == "/café"


def test_bare_data_takes_the_idempotency_key_as_id() -> None:
    headers = {"content-type": "application/x-www-form-urlencoded", "idempotency-key": "k1"}
    (keyed,) = taker().take_in(headers, b'{"content":"hi"}').drafts
    (plain,) = taker().take_in({}, b'{"content":"hi"}').drafts
    assert (keyed.id, plain.id, plain.source) == ("k1", "made", "/api")
    assert dict(plain.headers) == HEADERS | {"ce_id": b"made", "ce_source": b"/api"}
    assert plain.value == b'{"content":"hi"}'


def test_a_bare_command_names_its_type_and_keeps_its_digits() -> None:
    content = b'{"type":"budget.set","data":{"limit_usd":0.10000000000000000001}}'
    (draft,) = taker(None).take_in({}, content).drafts
    assert dict(draft.headers)["ce_type"] == b"budget.set"
    assert draft.value == b'{"limit_usd":0.10000000000000000001}'


def test_the_decoder_sees_the_event_as_it_came_and_as_it_goes() -> None:
    decoder = FakeDecoder()
    take = Taker("agent.messages.v1", "t1", "agent.message", decoder, lambda: "made")
    take.take_in({"content-type": STRUCTURED}, body(EVENT))
    came, goes = decoder.seen
    assert came == (
        "agent.messages.v1",
        b"t1",
        body(EVENT),
        {"content-type": STRUCTURED.encode()},
    )
    assert goes == ("agent.messages.v1", b"t1", body(EVENT["data"]), HEADERS)


@pytest.mark.parametrize(
    ("headers", "content", "code"),
    [
        ({"content-type": BATCH}, b"{}", "schema"),
        ({"content-type": BATCH}, b"[", "not_json"),
        ({"content-type": BATCH}, b"\xff", "not_json"),
        ({"content-type": STRUCTURED}, b"[]", "schema"),
        ({"content-type": STRUCTURED}, b"", "not_json"),
        ({"content-type": STRUCTURED}, body(EVENT | {"tenant": "t2"}), "tenant_mismatch"),
        ({"content-type": STRUCTURED}, body(EVENT | {"odd": {}}), "schema"),
        (BINARY | {"ce-tenant": "t2"}, b"{}", "tenant_mismatch"),
        ({"ce-tenant": "t2"}, b"{}", "tenant_mismatch"),
        (BINARY, b'{"content":"refuse:bad_time"}', "bad_time"),
    ],
)
def test_what_is_refused(headers: dict[str, str], content: bytes, code: str) -> None:
    with pytest.raises(Refused) as refused:
        taker().take_in(headers, content)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", "not_json"), (b"nope", "not_json"), (b"[]", "schema"), (b'{"data":{}}', "schema")],
)
def test_what_is_no_command(content: bytes, code: str) -> None:
    with pytest.raises(Refused) as refused:
        taker(None).take_in({}, content)
    assert refused.value.code == code


def test_a_batch_names_the_event_that_is_wrong() -> None:
    bad = EVENT | {"data": {"content": "refuse:schema"}}
    with pytest.raises(Refused, match="event 1: "):
        taker().take_in({"content-type": BATCH}, body([EVENT, bad]))
