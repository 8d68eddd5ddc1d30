"""Reservations over HTTP, resting on the real admit, folds and rows."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from streams.core.ids import derived_id, partition_of
from streams.core.time import SECOND

from .fakes import PARTITIONS
from .servers import client_of
from .whole import Whole

BUDGET = "/v1/tenants/t1/budget"
HERE = partition_of("t1", PARTITIONS)


@pytest.fixture
async def api(whole: Whole) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(whole.app) as found:
        yield found


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def ask(api: httpx.AsyncClient, what: str, **body: Any) -> httpx.Response:
    return await api.post(f"{BUDGET}/{what}", json=body)


async def test_a_reservation_is_granted_settled_and_read(api: httpx.AsyncClient) -> None:
    asked = {"budget_id": "default", "amount_usd": "60", "id": "r1"}
    first = await ask(api, "reserve", **asked)
    assert (first.status_code, first.json()) == (
        200,
        {"reservation_id": "r1", "granted": True, "left_usd": "40"},
    )
    assert (await ask(api, "reserve", **asked)).content == first.content
    refused = await ask(api, "reserve", budget_id="default", amount_usd=40.000000001, id="r2")
    assert refused.json() == {"reservation_id": "r2", "granted": False, "left_usd": "40"}
    done = await ask(api, "settle", reservation_id="r1", amount_usd="25.5")
    assert (done.status_code, done.json()) == (
        200,
        {"reservation_id": "r1", "granted": True, "left_usd": "74.5", "amount_usd": "25.5"},
    )
    again = await ask(api, "settle", reservation_id="r1", amount_usd="99")
    assert again.content == done.content
    [budget] = (await api.get("/v1/tenants/t1/budgets")).json()["items"]
    assert (budget["spent_usd"], budget["held_usd"]) == ("25.5", "0")
    assert (await api.get(f"{BUDGET}/reservations/r1")).json() == {
        "reservation_id": "r1",
        "budget_id": "default",
        "state": "settled",
        "granted": True,
        "amount_usd": "60",
        "left_usd": "74.5",
        "reported_usd": "0",
        "settled_usd": "25.5",
        "expires_at": "2025-11-22T10:01:00.000000Z",
    }


async def test_without_an_id_the_key_or_the_request_makes_one(api: httpx.AsyncClient) -> None:
    body = {"budget_id": "default", "amount_usd": "60"}
    key = {"Idempotency-Key": "call-17"}
    first = await api.post(f"{BUDGET}/reserve", json=body, headers=key)
    assert first.json()["reservation_id"] == derived_id("t1", "/api", "call-17")
    assert (await api.post(f"{BUDGET}/reserve", json=body, headers=key)).json() == first.json()
    other = await api.post(f"{BUDGET}/reserve", json=body)
    assert (other.json()["granted"], other.json()["left_usd"]) == (False, "40")


async def test_what_is_not_there_is_not_found(
    api: httpx.AsyncClient, whole: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"budget_id": "none", "amount_usd": "1", "id": "r"}
    answer = await api.post(f"{BUDGET}/reserve", json=body)
    assert problem(answer) == (404, "not_found")
    assert answer.json()["detail"] == "no budget none"
    assert answer.json()["events"][0]["topic"] == "x-tenant.commands.v1"
    assert problem(await ask(api, "settle", reservation_id="r", amount_usd=1)) == (404, "not_found")
    assert problem(await api.get(f"{BUDGET}/reservations/r")) == (404, "not_found")
    await ask(api, "reserve", budget_id="default", amount_usd="101", id="refused")
    answer = await ask(api, "settle", reservation_id="refused", amount_usd=1)
    assert problem(answer) == (404, "not_found")
    assert answer.json()["detail"] == "refused was never granted"


async def test_another_amount_under_the_same_id_is_a_conflict(api: httpx.AsyncClient) -> None:
    await ask(api, "reserve", budget_id="default", amount_usd="1", id="r")
    answer = await ask(api, "reserve", budget_id="default", amount_usd="2", id="r")
    assert problem(answer) == (409, "conflict")
    assert answer.json()["detail"] == "r is a reservation of 1 USD of budget default"


async def test_a_settle_after_expiry_is_not_found(api: httpx.AsyncClient, whole: Whole) -> None:
    await ask(api, "reserve", budget_id="default", amount_usd="1", id="r", ttl_seconds=60)
    whole.producer.now += 60 * SECOND
    answer = await ask(api, "settle", reservation_id="r", amount_usd=1)
    assert problem(answer) == (404, "not_found")
    assert answer.json()["detail"] == "r has come back already"


@pytest.mark.parametrize(
    ("what", "body"),
    [
        ("reserve", {"budget_id": "b"}),
        ("reserve", {"budget_id": "b", "amount_usd": "-1"}),
        ("reserve", {"budget_id": "b", "amount_usd": "1", "ttl_seconds": 0}),
        ("reserve", {"budget_id": "b", "amount_usd": "1", "ttl_seconds": 86_401}),
        ("reserve", {"budget_id": "b", "amount_usd": "1", "id": "a/b"}),
        ("settle", {"reservation_id": "r"}),
        ("settle", {"reservation_id": "", "amount_usd": 1}),
        ("settle", []),
    ],
)
async def test_a_wrong_body_produces_nothing(
    api: httpx.AsyncClient, whole: Whole, what: str, body: Any
) -> None:
    answer = await api.post(f"{BUDGET}/{what}", json=body)
    assert problem(answer) == (422, "schema")
    assert not whole.producer.sent


async def test_nothing_is_reserved_before_a_rebuilt_partition_is_caught_up(
    api: httpx.AsyncClient, whole: Whole
) -> None:
    """Safe defaults: what was spent is not known yet."""
    whole.cluster.here[HERE].caught_up = False
    answer = await ask(api, "reserve", budget_id="default", amount_usd="1")
    assert problem(answer) == (503, "not_ready")
    assert not whole.producer.sent
    whole.cluster.here[HERE].caught_up = True
    assert (await ask(api, "reserve", budget_id="default", amount_usd="1")).json()["granted"]


async def test_commands_that_wait_are_answered_the_same(api: httpx.AsyncClient) -> None:
    data = {"budget_id": "default", "amount_usd": "60", "id": "r1"}
    url = "/v1/tenants/t1/commands"
    one = await api.post(
        url, params={"wait": "true"}, json={"type": "budget.reserve", "data": data}
    )
    assert one.json() == {"reservation_id": "r1", "granted": True, "left_usd": "40"}
    event = {"specversion": "1.0", "source": "/x"}
    batch = [
        event | {"id": "1", "type": "budget.settle"}
        | {"data": {"reservation_id": "r1", "amount_usd": "10"}},
        event | {"id": "2", "type": "budget.settle"}
        | {"data": {"reservation_id": "r9", "amount_usd": "10"}},
        event | {"id": "3", "type": "tenant.set", "data": {"timezone": "UTC"}},
    ]  # fmt: skip
    many = await api.post(
        url,
        params={"wait": "true"},
        json=batch,
        headers={"content-type": "application/cloudevents-batch+json"},
    )
    first, second, third = many.json()
    assert first["left_usd"] == "90"
    assert (second["status"], second["code"]) == (404, "not_found")
    assert third["action"] == "tenant.set"
