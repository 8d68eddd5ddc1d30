"""Versions of all workers' partitions, and what has to be so before the schema is raised."""

import httpx
import pytest

from .fakes import PARTITIONS, FakeCluster
from .servers import server

Api = httpx.AsyncClient


@pytest.fixture(autouse=True)
def _control(cluster: FakeCluster) -> None:
    cluster.has_control = True


async def test_all_workers_tell_their_versions(api: Api, cluster: FakeCluster) -> None:
    del cluster.here[1], cluster.here[2]
    other = FakeCluster(1)
    async with server(other) as url:
        cluster.announce(url, 1)
        items = (await api.get("/v1/migrations?rows=1")).json()["items"]
    told = [(item["topic"].rpartition("tenant.")[2], item["partition"]) for item in items]
    assert told == [("control.v1", 0), *(("log.v1", number) for number in range(PARTITIONS))]
    assert [item["error"] for item in items] == [None] * 3 + ["no worker has it now", None]
    assert items[2]["rows"] == {"Memory": {"1.0.0": 3}}
    alone = (await api.get("/v1/migrations?local=1")).json()["items"]
    assert [item["partition"] for item in alone] == [0, 0, 3]
    assert alone[0]["rows"] is None


async def test_all_workers_migrate_and_finalize(api: Api, cluster: FakeCluster) -> None:
    del cluster.here[1]
    other = FakeCluster(1)
    async with server(other) as url:
        cluster.announce(url, 1)
        first = (await api.post("/v1/migrations")).json()["items"]
        then = (await api.post("/v1/migrations?finalize=1")).json()["items"]
    assert {item["schema"] for item in first} == {"2.1.0"}
    assert {item["schema"] for item in then} == {"2.2.0"}
    assert cluster.migrated == other.migrated == [False, True]


async def test_nothing_is_finalized_while_a_worker_is_of_before(
    api: Api, cluster: FakeCluster
) -> None:
    del cluster.here[1]
    other = FakeCluster(1)
    other.newest = "2.1.0"
    async with server(other) as url:
        cluster.announce(url, 1)
        refused = await api.post("/v1/migrations?finalize=1")
        assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
        assert "2.1.0, here 2.2.0" in refused.json()["detail"]
        assert (await api.post("/v1/migrations")).status_code == 200
    assert cluster.migrated == other.migrated == [False]


async def test_nothing_is_begun_while_a_partition_has_no_owner(
    api: Api, cluster: FakeCluster
) -> None:
    del cluster.here[2]
    refused = await api.post("/v1/migrations")
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert "log.v1[2]: no worker has it now" in refused.json()["detail"]
    assert cluster.migrated == []
