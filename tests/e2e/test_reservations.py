"""A limit holds whoever asks, whichever worker answers, and whichever of them dies."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import httpx
import pytest

from streams.core.ids import partition_of

from .conftest import Installation
from .system import System

ASKERS = 64
ROUNDS = 3
LIMIT = 100
CALL = {"gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 1}


async def post(system: System, tenant: str, what: str, api: str = "", **body: Any) -> Any:
    url = system.tenant(tenant, f"budget/{what}?wait_ms=60000", api)
    return await system.http.post(url, json=body)


@pytest.mark.deep
async def test_any_worker_reserves_and_settles(
    system: System, tenant: str, until: Callable[..., Awaitable[None]]
) -> None:
    await system.command(tenant, "budget.set", budget_id="b", limit_usd="10", period="day")
    urls = [worker.url for worker in system.workers.values()]
    asked = {"budget_id": "b", "amount_usd": "6", "ttl_seconds": 3_600, "id": "r"}
    answers = [await post(system, tenant, "reserve", url, **asked) for url in urls]
    assert {answer.text for answer in answers} == {
        '{"reservation_id":"r","granted":true,"left_usd":"4"}'
    }
    # By the command; it is refused, and says how much is left.
    ended = await system.cli("budget", "reserve", tenant, "b", "5", "--ttl", "1")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == "streams: refused: 4.00 USD are left of b\n"
    brief = {"budget_id": "b", "amount_usd": "4", "ttl_seconds": 1, "id": "brief"}
    assert (await post(system, tenant, "reserve", **brief)).json()["granted"] is True

    async def back() -> bool:
        [budget] = (await system.get(tenant, "budgets"))["items"]
        return bool(budget["held_usd"] == "6")

    await until(back)
    assert (await post(system, tenant, "settle", reservation_id="brief", amount_usd=1)).is_error
    done = await system.done("budget", "settle", tenant, "r", "2.5")
    assert done["left_usd"] == "7.5"
    [budget] = (await system.get(tenant, "budgets"))["items"]
    assert (budget["spent_usd"], budget["held_usd"]) == ("2.5", "0")


async def until_answered(
    system: System, tenant: str, what: str, number: int, **body: Any
) -> dict[str, Any]:
    """Ask one worker after the other, as long as it takes: a question may come twice."""
    for attempt in range(200):
        alive = [worker.url for worker in system.workers.values() if worker.running]
        url = alive[(number + attempt) % len(alive)]
        try:
            answer = await post(system, tenant, what, url, **body)
        except httpx.TransportError:
            continue
        if answer.status_code == 200:
            found: dict[str, Any] = answer.json()
            return found
        assert answer.status_code in (503, 504), answer.text
        await asyncio.sleep(0.1)
    raise AssertionError("no answer")


@pytest.mark.deep
async def test_pitfalls_1_and_4_askers_on_all_workers_never_overshoot(
    installation: Installation, tenant: str
) -> None:
    """Pitfalls 1 and 4: overshoot under concurrency, spend lost on a crash.

    64 askers at once, on four fold workers and the admit worker, for one budget; the worker that
    folds it is killed on the way. Half report what they spent by usage that names the reservation,
    all settle, and some of them twice.
    """
    async with installation(folds=4) as system:
        await system.done("budget", "set", tenant, "--id", "b", "--limit-usd", str(LIMIT))
        granted: list[str] = []
        half = asyncio.Event()

        async def asker(number: int) -> None:
            for turn in range(ROUNDS):
                name = f"r{number}.{turn}"
                asked = {"budget_id": "b", "amount_usd": "1", "ttl_seconds": 3_600, "id": name}
                answer = await until_answered(system, tenant, "reserve", number, **asked)
                if not answer["granted"]:
                    continue
                granted.append(name)
                if len(granted) == ASKERS // 2:
                    half.set()
                if number % 2:
                    said = {"usage": CALL, "cost_usd": "0.8", "reservation_id": name}
                    sent = await system.http.post(system.tenant(tenant, "messages"), json=said)
                    assert sent.status_code == 202, sent.text
                settled = {"reservation_id": name, "amount_usd": "0.8"}
                for again in range(1 + number % 3):
                    done = await until_answered(system, tenant, "settle", number + again, **settled)
                    assert done["amount_usd"] == "0.8"

        async def crash() -> None:
            await half.wait()
            place = partition_of(tenant, system.settings.partitions)
            [home] = [p for p in await system.partitions() if p["partition"] == place]
            worker = system.worker("fold", home["worker"])
            assert worker.running
            await worker.kill()
            await worker.start()

        await asyncio.gather(crash(), *(asker(number) for number in range(ASKERS)))
        [budget] = (await system.get(tenant, "budgets"))["items"]
        spent = Decimal(budget["spent_usd"])
        assert (spent, budget["held_usd"]) == (len(granted) * Decimal("0.8"), "0")
        assert spent <= LIMIT
        # All that fits was granted: nobody stops before the limit is near.
        assert spent > LIMIT - 1 - Decimal("0.8")
