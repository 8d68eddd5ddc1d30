"""Search over HTTP, resting on the real admit, folds, rows, indexes and ranking."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from streams.core.ids import partition_of
from streams.runtime.search import Search
from streams.web.app import create_app

from .fakes import NOW, PARTITIONS, FakeCluster
from .servers import SETTINGS, client, client_of, server
from .whole import WholeProducer, check

AS_OF = "2025-11-22T10:00:00.000000Z"


class Counted:
    """The accesses that were counted."""

    def __init__(self) -> None:
        self.given: list[tuple[str, list[str]]] = []

    def __call__(self, tenant: str, memory_ids: Any) -> None:
        self.given.append((tenant, list(memory_ids)))


@pytest.fixture
def counted() -> Counted:
    return Counted()


@pytest.fixture
async def api(counted: Counted) -> AsyncIterator[httpx.AsyncClient]:
    cluster = FakeCluster(*range(PARTITIONS))
    finder = Search(1 << 20, count=counted)
    app = create_app(
        cluster=cluster,
        producer=WholeProducer(cluster, SETTINGS),
        check=check,
        settings=SETTINGS,
        finder=finder,
        clock=lambda: NOW,
    )
    async with client_of(app) as found:
        yield found
    await finder.stop()


async def say(api: httpx.AsyncClient, tenant: str, content: str, **data: Any) -> str:
    """Post a message; what ``after`` takes."""
    answer = await api.post(f"/v1/tenants/{tenant}/messages", json={"content": content} | data)
    assert answer.status_code == 202, answer.text
    place = answer.json()["events"][0]
    return f"{place['topic']}:{place['partition']}:{place['offset']}"


async def asked(api: httpx.AsyncClient, tenant: str, query: str, **body: Any) -> Any:
    url = f"/v1/tenants/{tenant}/memories/search"
    answer = await api.post(url, json={"query": query} | body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(found: Any) -> list[str]:
    return [result["memory"]["id"] for result in found["results"]]


async def test_a_memory_is_found_by_a_question(api: httpx.AsyncClient, counted: Counted) -> None:
    await say(api, "t", "Weld seam 14 failed its X-ray check.", memory_id="weld")
    await say(api, "t", "Lunch is at noon.", memory_id="lunch")
    found = await asked(api, "t", "which weld seams failed?")
    record = (await api.get("/v1/tenants/t/memories/weld")).json()
    assert found["as_of"] == AS_OF
    assert ids(found) == ["weld", "lunch"]
    assert found["results"][0]["memory"] == record
    assert found["results"][0]["parts"] is None
    assert found["results"][0]["score"] > found["results"][1]["score"]
    assert counted.given == [("t", ["weld", "lunch"])]


async def test_what_comes_while_the_index_is_hot_is_found(api: httpx.AsyncClient) -> None:
    await say(api, "t", "nothing of note", memory_id="a")
    assert ids(await asked(api, "t", "kafka lag")) == ["a"]
    await say(api, "t", "the kafka lag is back", memory_id="b")
    assert ids(await asked(api, "t", "kafka lag")) == ["b", "a"]
    await say(api, "t", "all is well", memory_id="b")
    await say(api, "t", "kafka lag again", memory_id="a")
    assert ids(await asked(api, "t", "kafka lag")) == ["a", "b"]


async def test_explain_gives_parts_that_sum_and_counts_nothing(
    api: httpx.AsyncClient, counted: Counted
) -> None:
    await say(api, "t", "lag of topic orders", memory_id="a", priority="CRITICAL", agent="ops")
    await say(api, "t", "something else", memory_id="b")
    found = await asked(api, "t", "orders lag for ops", explain=True)
    for result in found["results"]:
        assert sum(result["parts"].values()) == result["score"]
        assert "dense" not in result["parts"]
    first = found["results"][0]["parts"]
    assert first["lexical"] > 0
    assert first["agent"] > 0
    assert first["priority"] > 0
    assert counted.given == []


FILTERS: list[dict[str, Any]] = [
    {"min_priority": "HIGH"},
    {"context_tags": ["x", "y"]},
    {"agent": "a"},
    {"session": "s"},
    {"cluster": "eu-1"},
    {"pipeline": "ingest"},
    {"cost_attribution": "p"},
    {"subject": "person-1"},
    {"metadata": {"rows": 400}},
    {"metadata": {"rows": 400.0, "ok": True}},
    {"since": "2025-11-22T09:59:00Z", "until": "2025-11-22T10:00:00.000001Z"},
    {"tiers": ["working"], "agent": "a"},
]


@pytest.mark.parametrize("wanted", FILTERS)
async def test_filters_choose_who_may_be_found(
    api: httpx.AsyncClient, wanted: dict[str, Any]
) -> None:
    await say(
        *(api, "t", "the one"),
        memory_id="one",
        priority="HIGH",
        context_tags=["x", "y", "z"],
        agent="a",
        session="s",
        cluster_state="eu-1",
        pipeline_context=["ingest", "load"],
        cost_attribution="p",
        subject="person-1",
        metadata={"rows": 400, "ok": True, "more": None},
    )
    url = "/v1/tenants/t/messages"
    event = {"specversion": "1.0", "id": "1", "source": "/s", "type": "agent.message"}
    event |= {"time": "2025-11-22T08:00:00Z", "data": {"content": "other", "memory_id": "other"}}
    kind = {"content-type": "application/cloudevents+json"}
    assert (await api.post(url, json=event, headers=kind)).status_code == 202
    assert ids(await asked(api, "t", "question")) == ["one", "other"]
    assert ids(await asked(api, "t", "other", **wanted)) == ["one"]


async def test_limit_is_filled_whatever_the_scores(api: httpx.AsyncClient) -> None:
    for number in range(12):
        await say(api, "t", f"note {number}", memory_id=f"m{number:02}")
    assert len(ids(await asked(api, "t", "no word of theirs"))) == 10
    assert len(ids(await asked(api, "t", "no word of theirs", limit=100))) == 12
    assert len(ids(await asked(api, "t", "", limit=1))) == 1
    assert ids(await asked(api, "t", "note", tiers=[])) == []
    assert ids(await asked(api, "t", "note", tiers=["long_term"])) == []


async def test_an_unknown_tenant_has_nothing(api: httpx.AsyncClient) -> None:
    await say(api, "t", "something")
    assert await asked(api, "nobody", "something") == {"results": [], "as_of": AS_OF}


async def test_it_waits_for_after(api: httpx.AsyncClient) -> None:
    place = await say(api, "t", "something", memory_id="a")
    url = "/v1/tenants/t/memories/search"
    found = await api.post(url, params={"after": place}, json={"query": "something"})
    assert ids(found.json()) == ["a"]
    late = place.rpartition(":")[0] + ":99"
    answer = await api.post(url, params={"after": late, "wait_ms": 0}, json={"query": "something"})
    assert (answer.status_code, answer.json()["code"]) == (504, "not_reflected")


@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        (b"", "not_json", "not JSON"),
        (b"{", "not_json", "not JSON"),
        (b"[]", "schema", "object"),
        (b'"x"', "schema", "object"),
        (b"{}", "schema", "query"),
        (b'{"query":5}', "schema", "query"),
        (b'{"query":"x","limit":0}', "schema", "limit"),
        (b'{"query":"x","limit":101}', "schema", "limit"),
        (b'{"query":"x","limit":"10"}', "schema", "limit"),
        (b'{"query":"x","min_priority":"high"}', "schema", "min_priority"),
        (b'{"query":"x","context_tags":"y"}', "schema", "context_tags"),
        (b'{"query":"x","agent":""}', "schema", "agent"),
        (b'{"query":"x","metadata":{"a":[]}}', "schema", "metadata"),
        (b'{"query":"x","tiers":["archived"]}', "schema", "tiers"),
        (b'{"query":"x","explain":"yes"}', "schema", "explain"),
        (b'{"query":"x","priority":"HIGH"}', "schema", "priority"),
        (b'{"query":"x","since":"yesterday"}', "bad_time", "since"),
        (b'{"query":"x","until":"2025-01-01"}', "bad_time", "until"),
        (b'{"query":"\xff"}', "not_json", "not JSON"),
    ],
)
async def test_what_is_wrong_is_said(
    api: httpx.AsyncClient, body: bytes, code: str, says: str
) -> None:
    answer = await api.post("/v1/tenants/t/memories/search", content=body)
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert says in answer.json()["detail"]


async def test_a_tenant_that_can_be_none(api: httpx.AsyncClient) -> None:
    answer = await api.post("/v1/tenants/a b/memories/search", json={"query": "x"})
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_tenant")


async def test_a_memory_may_be_called_search(api: httpx.AsyncClient) -> None:
    await say(api, "t", "hello", memory_id="search")
    assert (await api.get("/v1/tenants/t/memories/search")).json()["content"] == "hello"
    missing = await api.get("/v1/tenants/u/memories/search")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")


async def test_a_question_is_forwarded_to_the_owner() -> None:
    home = FakeCluster(*range(PARTITIONS))
    async with server(home) as url, client() as http:
        away = FakeCluster()
        away.announce(url, partition_of("t", PARTITIONS))
        async with server(away) as other:
            path = "/v1/tenants/t/memories/search"
            answer = await http.post(other + path, json={"query": "x", "agent": "é"})
            assert answer.json() == {"results": [], "as_of": AS_OF}
            wrong = await http.post(other + path, json={"query": 1})
            assert wrong.status_code == 422
