"""Memories over HTTP, resting on the real admit, folds and rows."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from litestar import Litestar

from streams.core.ids import partition_of
from streams.web.app import create_app

from .fakes import NOW, PARTITIONS, FakeCluster, FakeFinder
from .servers import SETTINGS, client, client_of, server
from .whole import WholeProducer, check

AS_OF = "2025-11-22T10:00:00.000000Z"


@pytest.fixture(scope="module")
def cluster() -> FakeCluster:
    return FakeCluster(*range(PARTITIONS))


@pytest.fixture(scope="module")
def app(cluster: FakeCluster) -> Litestar:
    producer = WholeProducer(cluster, SETTINGS)
    return create_app(
        cluster=cluster,
        producer=producer,
        check=check,
        settings=SETTINGS,
        finder=FakeFinder(),
        clock=lambda: NOW,
    )


@pytest.fixture
async def api(app: Litestar) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app) as found:
        yield found


async def say(api: httpx.AsyncClient, tenant: str, **data: Any) -> str:
    """Post a message; what ``after`` takes."""
    answer = await api.post(f"/v1/tenants/{tenant}/messages", json={"content": "hello"} | data)
    place = answer.json()["events"][0]
    return f"{place['topic']}:{place['partition']}:{place['offset']}"


async def test_a_message_becomes_a_memory_that_is_found(api: httpx.AsyncClient) -> None:
    after = await say(api, "one", memory_id="m:1", agent="a", cluster_state="eu-1")
    found = (await api.get("/v1/tenants/one/memories/m:1", params={"after": after})).json()
    assert (found["id"], found["content"], found["agent"]) == ("m:1", "hello", "a")
    assert found["cluster_state"] == {"cluster": "eu-1"}
    assert (found["revision"], found["tier"], found["access_count"]) == (1, "working", 0)
    listed = (await api.get("/v1/tenants/one/memories")).json()
    assert listed == {"items": [found], "next": None, "as_of": AS_OF}
    await say(api, "one", memory_id="m:1", content="corrected")
    again = (await api.get("/v1/tenants/one/memories/m:1")).json()
    assert (again["content"], again["agent"], again["revision"]) == ("corrected", "a", 2)
    for url in ("/v1/tenants/one/memories/none", "/v1/tenants/two/memories/m:1"):
        missing = await api.get(url)
        assert (missing.status_code, missing.json()["code"]) == (404, "not_found")


async def test_a_list_is_paged_and_filtered(api: httpx.AsyncClient) -> None:
    for number in range(5):
        await say(api, "many", memory_id=f"m{number}", session=f"s{number % 2}")
    url, params = "/v1/tenants/many/memories", {"session": "s0", "limit": "2"}
    first = (await api.get(url, params=params)).json()
    rest = (await api.get(url, params=params | {"cursor": first["next"]})).json()
    assert [item["id"] for item in first["items"] + rest["items"]] == ["m0", "m2", "m4"]
    assert rest["next"] is None
    wrong = await api.get("/v1/tenants/one/memories", params={"cursor": first["next"]})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "bad_request")


async def test_any_worker_answers(cluster: FakeCluster, api: httpx.AsyncClient) -> None:
    await say(api, "far", memory_id="m:1")
    async with server(cluster) as owner:
        away = FakeCluster()
        away.announce(owner, partition_of("far", PARTITIONS))
        async with server(away) as other, client() as caller:
            found = await caller.get(f"{other}/v1/tenants/far/memories/m:1")
            assert found.json()["id"] == "m:1"
            missing = await caller.get(f"{other}/v1/tenants/far/memories/none")
            assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
