"""Receipts over the API, and who looks whether something is left."""

from httpx import AsyncClient as Api
from memory.memory_log import MemoryLog

from streams.core.ids import partition_of
from streams.runtime.processes import free_port

from .fakes import PARTITIONS, FakeCluster
from .servers import server

LOOK = "/v1/tenants/t1/erasures/verify"
OWN = partition_of("t1", PARTITIONS)


async def test_receipts_of_one_tenant(api: Api, cluster: FakeCluster) -> None:
    log = MemoryLog()
    log.say("x", memory_id="m")
    log.erase("m", reason="request 4711")
    for partition in cluster.here.values():
        partition.reader = log.view
    answer = (await api.get("/v1/tenants/t1/erasures")).json()
    (receipt,) = answer["items"]
    about = (receipt["memory_ids"], receipt["reason"], receipt["erased"])
    assert about == (["m"], "request 4711", 1)
    assert answer["next"] is None
    assert (await api.get("/v1/tenants/t2/erasures")).json()["items"] == []


async def test_the_owner_looks(api: Api, cluster: FakeCluster) -> None:
    asked = {"texts": ["the secret"]}
    here = (await api.post(LOOK, json=asked)).json()
    assert here["items"] == [
        {"place": "archive", "looked": 7, "found": 1, "where": ["the secret"], "error": None}
    ]
    del cluster.here[OWN]
    async with server(FakeCluster(OWN)) as url:
        cluster.announce(url, OWN)
        there = await api.post(LOOK, json=asked)
    assert there.json()["items"] == here["items"]


async def test_who_can_not_look_says_so(api: Api, cluster: FakeCluster) -> None:
    del cluster.here[OWN]
    assert (await api.post(LOOK, json={})).json()["code"] == "not_ready"
    cluster.announce(f"http://127.0.0.1:{free_port()}", OWN)
    gone = await api.post(LOOK, json={})
    assert (gone.status_code, gone.json()["code"]) == (503, "not_ready")


async def test_what_is_asked_for_is_checked(api: Api) -> None:
    for body in ({"texts": "x"}, {"texts": [""]}, {"texts": ["x"] * 21}, {"texts": ["x" * 10_001]}):
        answer = await api.post(LOOK, json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "schema"), body
    assert (await api.post(LOOK, content=b"{")).json()["code"] == "not_json"
