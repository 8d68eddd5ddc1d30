"""POST: nothing is produced that the decoder refuses, and the answer says where all of it lies."""

import httpx
import pytest

from streams.core.errors import Failed
from streams.web.intake import BATCH

from .fakes import FakeDecoder, FakeProducer

Api = httpx.AsyncClient
MESSAGES = "/v1/tenants/t1/messages"


async def test_a_message_is_produced_and_acknowledged(api: Api, producer: FakeProducer) -> None:
    answer = await api.post(MESSAGES, json={"content": "hi"}, headers={"Idempotency-Key": "k1"})
    assert answer.status_code == 202
    (sent,) = producer.sent
    assert answer.json() == {
        "events": [{"id": "k1", "topic": "x-agent.messages.v1", "partition": 3, "offset": 0}]
    }
    assert (sent.topic, sent.key, sent.value) == (
        "x-agent.messages.v1",
        b"t1",
        b'{"content":"hi"}',
    )


async def test_an_id_is_made_where_none_is_given(api: Api) -> None:
    first = (await api.post(MESSAGES, json={})).json()["events"][0]["id"]
    second = (await api.post(MESSAGES, json={})).json()["events"][0]["id"]
    assert len(first) == 36
    assert first != second


@pytest.mark.parametrize(
    ("path", "topic", "event_type"),
    [
        ("messages", "agent.messages.v1", b"agent.message"),
        ("jobs", "job.events.v1", b"job.run"),
        ("context", "context.requests.v1", b"context.request"),
        ("commands", "tenant.commands.v1", b"budget.set"),
    ],
)
async def test_each_path_has_its_topic(
    api: Api, decoder: FakeDecoder, producer: FakeProducer, path: str, topic: str, event_type: bytes
) -> None:
    answer = await api.post(f"/v1/tenants/t1/{path}", json={"type": "budget.set", "data": {}})
    assert answer.status_code == 202
    assert producer.sent[0].topic == f"x-{topic}"
    assert decoder.seen[0][0] == topic
    assert decoder.seen[0][3]["ce_type"] == event_type


async def test_a_batch_is_produced_whole_or_not_at_all(api: Api, producer: FakeProducer) -> None:
    good = {"specversion": "1.0", "id": "1", "source": "/s", "type": "agent.message", "data": {}}
    bad = good | {"id": "2", "data": {"content": "refuse:schema"}}
    answer = await api.post(MESSAGES, json=[good, bad], headers={"Content-Type": BATCH})
    assert answer.status_code == 422
    assert answer.json()["code"] == "schema"
    assert producer.sent == []
    answer = await api.post(
        MESSAGES, json=[good, good | {"id": "2"}], headers={"Content-Type": BATCH}
    )
    assert [event["id"] for event in answer.json()["events"]] == ["1", "2"]
    assert [event["offset"] for event in answer.json()["events"]] == [0, 1]


@pytest.mark.parametrize(
    ("path", "content", "headers", "status", "code"),
    [
        (MESSAGES, b'{"content":"refuse:bad_time"}', {}, 422, "bad_time"),
        (MESSAGES, b"refuse:unknown_type", {}, 422, "unknown_type"),
        (MESSAGES, b"[]", {"Content-Type": BATCH}, 400, "bad_request"),
        ("/v1/tenants/a%20b/messages", b"{}", {}, 422, "bad_tenant"),
        (f"/v1/tenants/{'a' * 129}/messages", b"{}", {}, 422, "bad_tenant"),
        ("/v1/tenants/t1/commands", b"nope", {}, 422, "not_json"),
        (MESSAGES, b'"' + b"a" * (1 << 20) + b'"', {}, 413, "too_large"),
        ("/v1/tenants/t1/commands?wait=perhaps", b"{}", {}, 400, "bad_request"),
        ("/v1/tenants/t1/commands?wait_ms=120001", b"{}", {}, 400, "bad_request"),
    ],
)
async def test_what_is_refused_is_not_produced(
    api: Api,
    producer: FakeProducer,
    path: str,
    content: bytes,
    headers: dict[str, str],
    status: int,
    code: str,
) -> None:
    answer = await api.post(path, content=content, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert producer.sent == []


async def test_a_mebibyte_is_taken(api: Api) -> None:
    content = b'"' + b"a" * ((1 << 20) - 2) + b'"'
    assert (await api.post(MESSAGES, content=content)).status_code == 202


async def test_no_acknowledgement_is_not_ready(api: Api, producer: FakeProducer) -> None:
    producer.fails = Failed("Kafka does not answer")
    answer = await api.post(MESSAGES, json={})
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
