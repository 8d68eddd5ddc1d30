"""Users' duplicates: the same source and id count once, wherever they come from."""

import asyncio
from collections.abc import Iterable

import msgspec
from agents.malformed import GOOD

from .conftest import Installation
from .system import System


def lines(tenant: str, ids: Iterable[str], source: str = "/dup") -> bytes:
    return b"\n".join(
        msgspec.json.encode(
            {"type": "agent.message", "tenant": tenant, "id": i, "source": source, "data": GOOD}
        )
        for i in ids
    )


async def calls(system: System, tenant: str) -> int:
    total: int = (await system.done("usage", tenant))["total"]["calls"]
    return total


async def test_twice_in_one_batch_and_across_sends(system: System, tenant: str) -> None:
    twice = lines(tenant, ["a", "b", "a", "a"])
    assert (await system.done("send", "-", "--wait", stdin=twice))["sent"] == 4
    assert await calls(system, tenant) == 2
    more = lines(tenant, ["b", "c"]) + b"\n" + lines(tenant, ["a"], source="/other")
    await system.done("send", "-", "--wait", stdin=more)
    assert await calls(system, tenant) == 4
    # The same id is another tenant's own.
    await system.done("send", "-", "--wait", stdin=lines(f"{tenant}-2", ["a"]))
    assert await calls(system, f"{tenant}-2") == 1


async def test_what_was_admitted_before_the_first_fold_started(
    installation: Installation,
) -> None:
    async with installation(pairs=0) as system:
        await system.worker("admit", "w0").start()
        await system.ready()
        await system.done("send", "-", stdin=lines("t1", ["a", "b", "a"]))
        last = lines("t1", ["b", "c"])
        at = (await system.done("send", "-", stdin=last))["last"][-1]
        place = f"{at['topic']}:{at['partition']}:{at['offset']}"
        inputs = system.http.get(
            system.tenant("t1", "usage"), params={"after": place, "wait_ms": 30000}
        )
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(inputs)
            group.create_task(system.worker("fold", "w0").start())
        assert asked.result().json()["total"]["calls"] == 3


async def test_across_the_death_of_every_worker(installation: Installation) -> None:
    async with installation(pairs=1) as system:
        sent = lines("t1", [str(n) for n in range(500)])
        await system.done("send", "-", "--wait", stdin=sent)
        assert await calls(system, "t1") == 500
        digest = await system.done("digest")
        for worker in system.workers.values():
            await worker.kill()
        for worker in system.workers.values():
            await worker.start()
        await system.ready()
        states = await system.partitions()
        assert {state["recovered_from"] for state in states} == {"local"}
        again = await system.done("digest")
        assert [i["digest"] for i in again["items"]] == [i["digest"] for i in digest["items"]]
        await system.done("send", "-", "--wait", stdin=sent + b"\n" + lines("t1", ["new"]))
        assert await calls(system, "t1") == 501
        for worker in system.workers.values():
            assert await worker.stop() == 0, worker.tail()
