"""Health, readiness, metrics, and the partitions of all workers."""

import httpx
import pytest

from streams.ports import Owner

from .fakes import FakeCluster
from .servers import free_port, server

Api = httpx.AsyncClient


async def test_alive_and_ready(api: Api, cluster: FakeCluster) -> None:
    assert (await api.get("/healthz")).json() == {"status": "ok"}
    assert (await api.get("/readyz")).json() == {"status": "ready"}
    cluster.waits_for = "partition 3 is opening"
    answer = await api.get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    assert answer.json()["detail"] == "partition 3 is opening"
    assert (await api.get("/healthz")).status_code == 200


async def test_metrics_are_prometheus_text(api: Api) -> None:
    answer = await api.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert "# TYPE python_info gauge" in answer.text


async def test_partitions_of_one_process(api: Api, cluster: FakeCluster) -> None:
    body = (await api.get("/v1/partitions")).json()
    assert [item["partition"] for item in body["items"]] == [0, 1, 2, 3]
    assert {item["digest"] for item in body["items"]} == {None}
    assert (body["next"], body["as_of"]) == (None, "2025-11-22T10:00:00.000000Z")
    digests = (await api.get("/v1/partitions?digest=true")).json()["items"]
    assert {item["digest"] for item in digests} == {"d"}
    assert cluster.digests_asked == [False, True]


@pytest.mark.parametrize("digest", [False, True])
async def test_partitions_of_all_workers(api: Api, cluster: FakeCluster, digest: bool) -> None:
    for gone in (1, 2, 3):
        del cluster.here[gone]
    other = FakeCluster(1)
    async with server(other) as url:
        cluster.announce(url, 0, 1)
        cluster.announce(f"http://127.0.0.1:{free_port()}", 2)
        params = {"digest": str(digest).lower()}
        items = (await api.get("/v1/partitions", params=params)).json()["items"]
        alone = (await api.get("/v1/partitions?local=1")).json()["items"]
    assert [(item["partition"], item["state"], item["worker"]) for item in items] == [
        (0, "running", "here"),
        (1, "running", "here"),
        (2, "unreachable", "other"),
        (3, "unowned", ""),
    ]
    assert other.digests_asked == [digest]
    assert [item["partition"] for item in alone] == [0]


async def test_control_has_an_owner_of_its_own(api: Api, cluster: FakeCluster) -> None:
    body = (await api.get("/v1/partitions")).json()
    assert (body["control"]["topic"], body["control"]["state"]) == (
        "x-tenant.control.v1",
        "unowned",
    )
    cluster.announced_control = Owner(0, f"http://127.0.0.1:{free_port()}", "other")
    control = (await api.get("/v1/partitions")).json()["control"]
    assert (control["state"], control["worker"]) == ("unreachable", "other")
    other = FakeCluster()
    other.has_control = True
    async with server(other) as url:
        cluster.announced_control = Owner(0, url, "other")
        control = (await api.get("/v1/partitions")).json()["control"]
    assert control["state"] == "running"
    assert (await api.get("/v1/partitions?local=1")).json()["control"] is None


async def test_snapshots_are_taken_by_all_workers(api: Api, cluster: FakeCluster) -> None:
    for gone in (1, 2, 3):
        del cluster.here[gone]
    other = FakeCluster(1)
    async with server(other) as url:
        cluster.announce(url, 1)
        cluster.announce(f"http://127.0.0.1:{free_port()}", 2)
        items = (await api.post("/v1/snapshots", json={})).json()["items"]
    alone = (await api.post("/v1/snapshots?local=1", json={})).json()["items"]
    assert [(item["partition"], item["name"]) for item in items] == [(-1, ""), (0, "n"), (1, "n")]
    assert "does not answer" in items[0]["error"]
    assert [item["partition"] for item in alone] == [0]
