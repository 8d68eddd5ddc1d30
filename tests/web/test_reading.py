"""Reads answer here or at the owner, and not before what they are told to wait for."""

import asyncio
from typing import Any

import httpx
import pytest

from streams.core.errors import ApiError, StoreLost
from streams.core.ids import partition_of
from streams.usage import read
from streams.web import reading

from .fakes import PARTITIONS, FakeCluster, FakePartition
from .servers import SETTINGS, client, free_port, server, until

Api = httpx.AsyncClient
TENANT = "t1"
HOME = partition_of(TENANT, PARTITIONS)
BUDGETS = f"/v1/tenants/{TENANT}/budgets"
PLACE = ("agent.messages.v1", 1)


@pytest.fixture(autouse=True)
def _rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "budgets", lambda reader, tenant, *, log_time: [])
    monkeypatch.setattr(read, "refusal", lambda *_: None)


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("agent.messages.v1:1:20", "agent.messages.v1"),
        ("x-agent.messages.v1:1:20", "agent.messages.v1"),
        ("x-tenant.commands.v1:1:20", "tenant.commands.v1"),
    ],
)
def test_positions(text: str, topic: str) -> None:
    assert reading.position(text, SETTINGS) == reading.Position(topic, 1, 20)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "agent.messages.v1",
        "agent.messages.v1:1",
        "agent.messages.v1:-1:0",
        "agent.messages.v1:1:-2",
        "agent.messages.v1:1:x",
        "agent.messages.v1:1:1:1",
        "y-agent.messages.v1:1:1",
        "tenant.log.v1:1:1",
        "agent.messages.v1:1:99999999999999999999",
        "agent.messages.v1:1:١",
    ],
)
def test_what_is_no_position(text: str) -> None:
    with pytest.raises(ApiError) as error:
        reading.position(text, SETTINGS)
    assert (error.value.status, error.value.code) == (400, "bad_request")


async def test_an_unknown_partition_is_a_bad_request(api: Api) -> None:
    answer = await api.get(BUDGETS, params={"after": f"agent.messages.v1:{PARTITIONS}:0"})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


async def test_after_waits_for_admit_then_for_the_fold_of_all_it_wrote(
    api: Api, cluster: FakeCluster
) -> None:
    cluster.log_ends[HOME] = 30
    asked = asyncio.ensure_future(api.get(BUDGETS, params={"after": "agent.messages.v1:1:7"}))
    local = cluster.here[HOME]
    await asyncio.sleep(0)
    assert local.asked == []
    cluster.committed[PLACE] = 8
    await until(lambda: local.asked == [30])
    assert not asked.done()
    local.offset = 29
    assert (await asked).status_code == 200


@pytest.mark.parametrize("folded", [False, True])
async def test_what_is_not_folded_in_time_is_not_reflected(
    api: Api, cluster: FakeCluster, folded: bool
) -> None:
    """Either admit or the fold is late."""
    cluster.committed[PLACE] = 0 if folded else 8
    cluster.log_ends[HOME] = 0 if folded else 30
    answer = await api.get(BUDGETS, params={"after": "agent.messages.v1:1:7", "wait_ms": 20})
    assert (answer.status_code, answer.json()["code"]) == (504, "not_reflected")


async def test_a_refused_record_of_the_tenant_answers_with_its_code(
    api: Api, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Any, ...]] = []

    def refusal(_: Any, *place: Any) -> str:
        asked.append(place)
        return "bad_time"

    monkeypatch.setattr(read, "refusal", refusal)
    cluster.committed[PLACE] = 8
    answer = await api.get(BUDGETS, params={"after": "x-agent.messages.v1:1:7"})
    assert (answer.status_code, answer.json()["code"]) == (409, "bad_time")
    assert asked == [(TENANT, "x-agent.messages.v1", 1, 7)]


async def test_nobody_folds_it(
    api: Api, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MOVING_SECONDS", 0.05)
    cluster.here.clear()
    answer = await api.get(BUDGETS)
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    answer = await api.get(BUDGETS, params={"after": "agent.messages.v1:1:7", "wait_ms": 20})
    assert (answer.status_code, answer.json()["code"]) == (504, "not_reflected")


async def test_it_waits_for_a_partition_that_moves_here(api: Api, cluster: FakeCluster) -> None:
    cluster.here.clear()
    asked = asyncio.ensure_future(api.get(BUDGETS))
    await asyncio.sleep(0.02)
    assert not asked.done()
    cluster.here[HOME] = FakePartition()
    assert (await asked).status_code == 200


async def test_a_store_that_is_lost_meanwhile_is_asked_again(
    api: Api, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = iter([StoreLost("closed"), []])

    def budgets(*_: Any, **__: Any) -> Any:
        result = next(calls)
        if isinstance(result, Exception):
            raise result
        return result

    monkeypatch.setattr(read, "budgets", budgets)
    assert (await api.get(BUDGETS)).status_code == 200


async def test_a_partition_that_leaves_while_waited_for_is_not_read(
    api: Api, cluster: FakeCluster
) -> None:
    """The refusal and the rows must come from a store that is still the owner's."""
    first = cluster.here[HOME]
    cluster.log_ends[HOME] = 5
    cluster.committed[PLACE] = 8
    asked = asyncio.ensure_future(api.get(BUDGETS, params={"after": "agent.messages.v1:1:7"}))
    await until(lambda: first.asked == [5])
    second = cluster.here[HOME] = FakePartition(folded=5)
    second.log_time = 1_000_000
    first.offset = 4
    answer = await asked
    assert answer.json()["as_of"] == "1970-01-01T00:00:01.000000Z"


async def test_a_worker_forwards_to_the_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    def budgets(_: Any, tenant: str, *, log_time: int) -> list[Any]:
        return [{"config": {"budget_id": f"{tenant}-{log_time}"}}]

    monkeypatch.setattr(read, "budgets", budgets)
    owner, other = FakeCluster(HOME), FakeCluster()
    owner.committed[PLACE] = 8
    owner.here[HOME].log_time = 5
    async with (
        server(owner) as owner_url,
        server(other) as other_url,
        client() as http,
    ):
        other.announce(owner_url, HOME)
        answer = await http.get(
            other_url + BUDGETS, params={"after": "x-agent.messages.v1:1:7", "limit": "1"}
        )
        assert answer.status_code == 200
        assert answer.json()["items"] == [{"config": {"budget_id": "t1-5"}}]
        late = await http.get(
            other_url + BUDGETS, params={"after": "agent.messages.v1:1:8", "wait_ms": "30"}
        )
        assert (late.status_code, late.json()["code"]) == (504, "not_reflected")
        assert late.headers["content-type"] == "application/problem+json"


async def test_two_workers_that_point_at_each_other_do_not_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reading, "MOVING_SECONDS", 0.1)
    one, two = FakeCluster(), FakeCluster()
    async with (
        server(one) as one_url,
        server(two) as two_url,
        client() as http,
    ):
        one.announce(two_url, HOME)
        two.announce(one_url, HOME)
        answer = await http.get(one_url + BUDGETS)
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")


async def test_a_read_outlives_the_death_of_the_owner() -> None:
    """The announced owner is gone; the next one is announced while the read waits."""
    heir, asked = FakeCluster(HOME), FakeCluster()
    async with (
        server(heir) as heir_url,
        server(asked) as asked_url,
        client() as http,
    ):
        asked.announce(f"http://127.0.0.1:{free_port()}", HOME)
        request = asyncio.ensure_future(http.get(asked_url + BUDGETS))
        await asyncio.sleep(0.1)
        assert not request.done()
        asked.announce(heir_url, HOME)
        assert (await request).status_code == 200
