"""Runs over HTTP: sent in both forms, listed with filters and pages (real admit, fold and rows)."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from streams.topology import JOB_EVENTS
from streams.web.app import create_app

from .fakes import NOW, PARTITIONS, FakeCluster, FakeFinder
from .servers import SETTINGS, client_of
from .whole import WholeProducer, check

LINEAGE = {
    "eventTime": "2025-11-22T09:00:00Z",
    "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
    "producer": "https://example.org/spark",
    "eventType": "COMPLETE",
    "job": {"namespace": "another/tenants", "name": "load"},
    "run": {"runId": "r9"},
}


@pytest.fixture
def producer() -> WholeProducer:
    return WholeProducer(FakeCluster(*range(PARTITIONS)), SETTINGS)


@pytest.fixture
async def client(producer: WholeProducer) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(
        cluster=producer.cluster,
        producer=producer,
        check=check,
        settings=SETTINGS,
        finder=FakeFinder(),
        clock=lambda: NOW,
    )
    async with client_of(app) as opened:
        yield opened


async def send(client: httpx.AsyncClient, run_id: str, state: str = "START", **more: Any) -> Any:
    data = {"job": {"namespace": "n", "name": "j"}, "run_id": run_id, "state": state} | more
    return await client.post("/v1/tenants/t1/jobs", json=data)


async def listed(client: httpx.AsyncClient, **query: Any) -> dict[str, Any]:
    answer = await client.get("/v1/tenants/t1/jobs", params=query)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def test_runs_are_sent_and_listed_in_pages(
    client: httpx.AsyncClient, producer: WholeProducer
) -> None:
    for number in range(3):
        sent = await send(client, f"r{number}", inputs=[{"namespace": "s3", "name": "a"}])
        assert sent.status_code == 202, sent.text
    assert [record.key for record in producer.sent] == [b'"r0"', b'"r1"', b'"r2"']
    await send(client, "r1", "FAIL", kind="batch", message="no space")
    first = await listed(client, limit=2)
    second = await listed(client, limit=2, cursor=first["next"])
    items = first["items"] + second["items"]
    assert [run["run_id"] for run in items] == ["r2", "r1", "r0"]
    assert second["next"] is None
    assert items[1] == {
        "run_id": "r1",
        "job": {"namespace": "n", "name": "j"},
        "state": "FAIL",
        "kind": "batch",
        "cluster": None,
        "node": None,
        "started_at": "2025-11-22T10:00:00.000000Z",
        "ended_at": "2025-11-22T10:00:00.000000Z",
        "parent_run_id": None,
        "inputs": [{"namespace": "s3", "name": "a"}],
        "outputs": [],
        "message": "no space",
        "stale": False,
    }
    assert [run["run_id"] for run in (await listed(client, state="FAIL"))["items"]] == ["r1"]
    assert (await listed(client, kind="stream"))["items"] == []
    assert (await listed(client, since="2025-11-22T10:00:00.000001Z"))["items"] == []
    assert len((await listed(client, since="2025-11-22T11:00:00+01:00"))["items"]) == 3


async def test_an_openlineage_client_may_post_its_events_as_they_are(
    client: httpx.AsyncClient, producer: WholeProducer
) -> None:
    body = json.dumps(LINEAGE, indent=1).encode()
    answers = [await client.post("/v1/tenants/t1/jobs", content=body) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json()["events"][0]["id"] == answers[1].json()["events"][0]["id"]
    (run,) = (await listed(client))["items"]
    assert (run["run_id"], run["state"]) == ("r9", "COMPLETE")
    assert producer.sent[0].topic.endswith(JOB_EVENTS)
    assert (producer.sent[0].key, producer.sent[0].value) == (b'"r9"', body)
    assert dict(producer.sent[0].headers)["ce_tenant"] == b"t1"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (json.dumps(LINEAGE | {"run": {}}), "schema"),
        (json.dumps(LINEAGE | {"eventTime": "soon"}), "bad_time"),
        ('{"run_id": "r"}', "schema"),
    ],
)
async def test_what_is_wrong_is_refused(
    client: httpx.AsyncClient, producer: WholeProducer, content: str, code: str
) -> None:
    answer = await client.post("/v1/tenants/t1/jobs", content=content)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert producer.sent == []


@pytest.mark.parametrize(
    "query", ["state=DONE", "kind=Batch", "since=today", "limit=0", "cursor=x"]
)
async def test_a_parameter_that_is_wrong(client: httpx.AsyncClient, query: str) -> None:
    answer = await client.get(f"/v1/tenants/t1/jobs?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
