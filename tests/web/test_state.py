"""An agent's state over HTTP, resting on the real admit, folds and rows."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from streams.core.ids import partition_of
from streams.web.app import create_app

from .fakes import PARTITIONS, FakeCluster, FakeDecoder, FakeFinder
from .servers import SETTINGS, client, client_of, server
from .whole import Whole

AT = "2025-11-22T10:00:00.000000Z"
STATE = "/v1/tenants/t1/agents/a1/state"


@pytest.fixture
async def api(whole: Whole) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(whole.app) as found:
        yield found


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_a_key_is_set_read_and_deleted(api: httpx.AsyncClient) -> None:
    url = f"{STATE}/phase"
    assert problem(await api.get(url)) == (404, "not_found")
    first = await api.put(url, json={"value": {"n": 1}})
    assert (first.status_code, first.json()) == (
        200,
        {"value": {"n": 1}, "version": 1, "updated_at": AT},
    )
    assert (await api.get(url)).content == first.content
    second = await api.put(url, json={"value": None, "if_version": 1})
    assert second.json() == {"value": None, "version": 2, "updated_at": AT}
    assert (await api.get(url)).content == second.content
    gone = await api.delete(url)
    assert (gone.status_code, gone.json()) == (
        200,
        {"value": None, "version": 2, "updated_at": AT},
    )
    assert problem(await api.get(url)) == (404, "not_found")
    assert problem(await api.delete(url)) == (404, "not_found")
    assert (await api.put(url, json={"value": 3, "if_version": 0})).json()["version"] == 3


async def test_another_version_is_a_conflict_that_says_which(api: httpx.AsyncClient) -> None:
    url = f"{STATE}/phase"
    await api.put(url, json={"value": "first"})
    for answer in (
        await api.put(url, json={"value": "second", "if_version": 0}),
        await api.put(url, json={"value": "second", "if_version": 2}),
        await api.delete(url, params={"if_version": 2}),
    ):
        assert problem(answer) == (409, "conflict")
        body = answer.json()
        assert body["detail"].startswith("there is version 1")
        assert body["audit"]["details"]["version"] == 1
        assert body["events"][0]["topic"] == "x-tenant.commands.v1"
    assert (await api.get(url)).json()["value"] == "first"
    assert (await api.delete(url, params={"if_version": 1})).status_code == 200


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", (422, "not_json")),
        (b"{", (422, "not_json")),
        (b"[]", (422, "schema")),
        (b"{}", (422, "schema")),
        (b'{"value": nul}', (422, "not_json")),
        (b'{"value": 1, "if_version": -1}', (422, "schema")),
        (b'{"value": 1, "if_version": "1"}', (422, "schema")),
        (b'{"value": 1, "ttl_seconds": 0}', (422, "schema")),
        (b'{"value": "%s"}' % (b"x" * 65_535), (413, "too_large")),
        (b'{"value": "%s"}' % (b"x" * 1_048_577), (413, "too_large")),
        (b'{"value": %s}' % (b"[" * 300 + b"]" * 300), (422, "schema")),
        (b'{"value": %s}' % (b"[" * 100_000), (422, "not_json")),
    ],
)
async def test_a_wrong_body_produces_nothing(
    api: httpx.AsyncClient, whole: Whole, body: bytes, expected: tuple[int, str]
) -> None:
    answer = await api.put(f"{STATE}/phase", content=body)
    assert problem(answer) == expected
    assert not whole.producer.sent


@pytest.mark.parametrize(
    "text", ["1.10e+05", "123456789012345678901234567890", "-0", '"\\u00e9\\/"', '{"a":1,"a":2}']
)
async def test_a_value_is_answered_as_it_was_written(api: httpx.AsyncClient, text: str) -> None:
    expected = f'{{"value":[{text}],"version":1,"updated_at":"{AT}"}}'
    put = await api.put(f"{STATE}/phase", content=f'{{"value": [ {text} ]}}')
    assert put.text == expected
    assert (await api.get(f"{STATE}/phase")).text == expected


async def test_the_largest_value(api: httpx.AsyncClient) -> None:
    value = "x" * 65_534
    put = await api.put(f"{STATE}/phase", json={"value": value})
    assert put.json()["value"] == value


NAMES = ["a/b", "a%2Fb", "%", "é ü", "a?b#c", "a+b", "%25", "a//b", "/", "...", "a:b@c;d"]


@pytest.mark.parametrize("name", NAMES)
async def test_names_are_any_text(api: httpx.AsyncClient, name: str) -> None:
    """Of the agent and of the key; names that look alike are different ones."""
    for other in NAMES:
        url = f"/v1/tenants/t1/agents/{quote(other, safe='')}/state/{quote(other, safe='')}"
        answer = await api.put(url, json={"value": other})
        assert answer.status_code == 200, answer.text
    agent = quote(name, safe="")
    url = f"/v1/tenants/t1/agents/{agent}/state"
    assert (await api.get(f"{url}/{agent}")).json()["value"] == name
    [item] = (await api.get(url)).json()["items"]
    assert item["key"] == name


@pytest.mark.parametrize(
    ("tenant", "agent", "key", "code"),
    [
        ("t1", "a", "x" * 257, "schema"),
        ("t1", "x" * 257, "k", "schema"),
        ("t1", "a", "%00", "schema"),
        ("t1", "a%0a", "k", "schema"),
        ("a%20b", "a", "k", "bad_tenant"),
        ("a%2Fb", "a", "k", "bad_tenant"),
    ],
)
async def test_a_wrong_name(
    api: httpx.AsyncClient, tenant: str, agent: str, key: str, code: str
) -> None:
    url = f"/v1/tenants/{tenant}/agents/{agent}/state/{key}"
    assert problem(await api.put(url, json={"value": 1})) == (422, code)


async def test_a_key_sent_twice_with_one_idempotency_key_is_set_once(
    api: httpx.AsyncClient, whole: Whole
) -> None:
    """What the fold would skip as a duplicate is answered with what the first one did."""
    url, headers = f"{STATE}/phase", {"Idempotency-Key": "once"}
    first = await api.put(url, json={"value": "first"}, headers=headers)
    whole.producer.skipped = {"once"}
    again = await api.put(url, json={"value": "first"}, headers=headers)
    assert again.content == first.content
    other = await api.put(url, json={"value": "other"}, headers=headers)
    assert other.content == first.content
    await api.put(url, json={"value": "later"})
    assert (await api.put(url, json={"value": "first"}, headers=headers)).content == first.content
    await api.delete(url)
    assert (await api.put(url, json={"value": "first"}, headers=headers)).content == first.content
    for other in (
        await api.delete(url, headers=headers),
        await api.put(f"{STATE}/other", json={"value": 1}, headers=headers),
    ):
        assert problem(other) == (409, "conflict")


async def test_keys_are_listed_page_by_page(api: httpx.AsyncClient) -> None:
    for key in ("c", "a", "b"):
        await api.put(f"{STATE}/{key}", json={"value": key})
    await api.put("/v1/tenants/t1/agents/a2/state/x", json={"value": 1})
    first = (await api.get(STATE, params={"limit": 2})).json()
    assert first["as_of"] == AT
    assert [item["key"] for item in first["items"]] == ["a", "b"]
    assert first["items"][0] == {
        "key": "a",
        "version": 1,
        "updated_at": AT,
        "expires_at": None,
        "bytes": 3,
    }
    params = {"limit": 2, "cursor": first["next"]}
    rest = (await api.get(STATE, params=params)).json()
    assert ([item["key"] for item in rest["items"]], rest["next"]) == (["c"], None)
    for url in ("/v1/tenants/t1/agents/a2/state", "/v1/tenants/t2/agents/a1/state"):
        assert problem(await api.get(url, params=params)) == (400, "bad_request")
    nobody = await api.get("/v1/tenants/nobody/agents/a/state")
    assert (nobody.status_code, nobody.json()["items"]) == (200, [])


async def test_commands_do_the_same(api: httpx.AsyncClient) -> None:
    url = "/v1/tenants/t1/commands?wait=true"
    data: dict[str, Any] = {"agent": "a1", "key": "k", "value": 5, "if_version": 0}
    done = await api.post(url, json={"type": "state.set", "data": data})
    assert (done.json()["action"], done.json()["outcome"]) == ("state.set", "done")
    assert "value" not in done.json()["details"]
    assert (await api.get(f"{STATE}/k")).json()["value"] == 5
    again = await api.post(url, json={"type": "state.set", "data": data})
    assert problem(again) == (409, "resource_error")


async def test_a_budgets_idempotency_key_is_no_key_of_state(
    api: httpx.AsyncClient, whole: Whole
) -> None:
    budget = {"budget_id": "b", "limit_usd": "1", "period": "day"}
    headers = {"Idempotency-Key": "once"}
    command = {"type": "budget.set", "data": budget}
    await api.post("/v1/tenants/t1/commands", json=command, headers=headers)
    whole.producer.skipped = {"once"}
    answer = await api.put(f"{STATE}/k", json={"value": 1}, headers=headers)
    assert problem(answer) == (409, "conflict")


@pytest.mark.parametrize("name", NAMES)
async def test_any_worker_answers(whole: Whole, name: str) -> None:
    """One that folds nothing sends the read on, whatever the names hold."""
    quoted = quote(name, safe="")
    path = f"/v1/tenants/t1/agents/{quoted}/state/{quoted}"
    home = partition_of("t1", PARTITIONS)
    async with client_of(whole.app) as local:
        assert (await local.put(path, json={"value": name})).status_code == 200
    async with server(whole.cluster) as owner:
        empty = FakeCluster()
        empty.announce(owner, home)
        async with server(empty) as other, client() as caller:
            answer = await caller.get(other + path)
            assert (answer.status_code, answer.json()["value"]) == (200, name)
            listed = await caller.get(other + path.rpartition("/")[0])
            assert [item["key"] for item in listed.json()["items"]] == [name]
            missing = await caller.get(other + path + "x")
            assert problem(missing) == (404, "not_found")


async def test_a_write_that_is_not_folded_in_time_says_where_it_lies(whole: Whole) -> None:
    lenient = create_app(
        cluster=FakeCluster(*range(PARTITIONS)),
        producer=whole.producer,
        check=FakeDecoder(),
        settings=SETTINGS,
        finder=FakeFinder(),
    )
    async with client_of(lenient) as caller:
        answer = await caller.put(f"{STATE}/k?wait_ms=10", json={"value": 1})
    assert problem(answer) == (504, "not_reflected")
    assert answer.json()["events"][0]["topic"] == "x-tenant.commands.v1"
