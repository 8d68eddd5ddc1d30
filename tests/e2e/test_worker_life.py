"""One installation through what befalls workers: late starts, kill -9, other owners, giving up.

The tests go on from each other, in this order.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from streams.core.ids import partition_of
from streams.runtime.clients import transactional_producer
from streams.runtime.fold_role import fold_job

from .system import System, workerless
from .test_duplicates import calls, lines

pytestmark = pytest.mark.deep

SENT = [str(n) for n in range(500)]


@pytest.fixture(scope="module")
async def system(
    kafka: str, producer: AIOKafkaProducer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[System]:
    async with workerless("life", kafka, producer, tmp_path_factory.mktemp("life")) as alone:
        yield alone


async def test_what_was_admitted_before_the_first_fold_started_counts(system: System) -> None:
    await system.done("send", "-", stdin=lines("t1", [*SENT, "0", "1"]))
    at = (await system.done("send", "-", stdin=lines("t1", ["1", "2"])))["last"][-1]
    query = {"after": f"{at['topic']}:{at['partition']}:{at['offset']}", "wait_ms": 60000}
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(system.http.get(system.tenant("t1", "usage"), params=query))
        group.create_task(system.worker("fold", "w0").start())
    assert asked.result().json()["total"]["calls"] == len(SENT)


async def test_the_death_of_every_worker_changes_nothing(
    system: System, until: Callable[..., Awaitable[None]]
) -> None:
    await system.ready()
    digests: list[str] = []

    async def the_first_ticks_are_folded() -> bool:
        """They write down what a new state has to know."""
        before = digests.copy()
        digests[:] = [item["digest"] for item in (await system.done("digest"))["items"]]
        offsets = [state["offset"] for state in await system.partitions()]
        return digests == before and min(offsets) > 1

    await until(the_first_ticks_are_folded)
    for worker in system.workers.values():
        await worker.kill()
    await asyncio.gather(*(worker.start() for worker in system.workers.values()))
    await system.ready()
    assert {state["recovered_from"] for state in await system.partitions()} == {"local"}
    again = [item["digest"] for item in (await system.done("digest"))["items"]]
    assert again == digests
    await system.done("send", "-", "--wait", stdin=lines("t1", [*SENT, "new"]))
    assert await calls(system, "t1") == len(SENT) + 1


async def test_a_second_worker_takes_its_share_and_its_death_loses_nothing(
    system: System, until: Callable[..., Awaitable[None]]
) -> None:
    second = system.worker("fold", "w1")
    await second.start()

    async def shared() -> bool:
        states = await system.partitions()
        names = {state["worker"] for state in states if state["state"] == "running"}
        return names == {"w0", "w1"}

    await until(shared, 30)
    await system.ready()
    tenants = [f"s{n}" for n in range(8)]
    await system.done("send", "-", stdin=b"\n".join(lines(t, SENT[:50]) for t in tenants))
    await second.kill()
    await system.done(
        "send", "-", "--wait", stdin=b"\n".join(lines(t, SENT[25:75]) for t in tenants)
    )
    for tenant, expected in [*((t, 75) for t in tenants), ("t1", len(SENT) + 1)]:
        assert (await system.get(tenant, "usage"))["total"]["calls"] == expected
    assert {state["worker"] for state in await system.partitions()} == {"w0"}


async def fence(system: System, partition: int) -> None:
    """Begin as another owner would."""
    transactional_id = fold_job(system.settings).transactional_id(partition)
    intruder = transactional_producer(system.settings.kafka, transactional_id)
    await intruder.start()
    await intruder.stop()


async def test_a_fenced_owner_takes_over_again(system: System) -> None:
    fold = system.worker("fold", "w0")
    await fence(system, partition_of("t1", system.settings.partitions))
    await system.done("send", "-", "--wait", stdin=lines("t1", [*SENT, "after the fence"]))
    assert await calls(system, "t1") == len(SENT) + 2
    await system.ready()
    assert fold.running


async def test_one_that_is_fenced_again_and_again_gives_up(
    system: System, until: Callable[..., Awaitable[None]]
) -> None:
    fold = system.worker("fold", "w0")

    async def gave_up() -> bool:
        if fold.running:
            await fence(system, 1)
        return not fold.running

    await until(gave_up, 60)
    assert fold.exit_code == 3
    assert "fenced 3 times in a minute" in fold.log.read_text()
    await fold.start()
    await system.ready()
    assert await calls(system, "t1") == len(SENT) + 2


@pytest.mark.parametrize("role", ["fold", "admit"])
async def test_each_stops_in_time_and_frees_its_folder(system: System, role: str) -> None:
    worker = system.worker(role, "w0")
    assert await worker.stop() == 0, worker.tail()
    assert (Path(system.settings.data) / "w0" / f"{role}.lock").exists()
    await worker.start()
