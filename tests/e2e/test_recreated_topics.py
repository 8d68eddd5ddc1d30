"""Topics made anew behind a system's back: red with a clear message, and a person heals it."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from agents.malformed import good, marks

from streams.core import log
from streams.core.ids import partition_of
from streams.core.log import Record, Tick
from streams.topology import AGENT_MESSAGES, TENANT_COMMANDS, TENANT_LOG

from .conftest import Installation
from .system import At, System

Until = Callable[..., Awaitable[None]]


pytestmark = pytest.mark.deep


async def post(system: System, tenant: str, number: int, partition: int = 0) -> At:
    headers = marks(ce_id=str(number).encode())
    return await system.send(AGENT_MESSAGES, tenant.encode(), good(), headers, partition)


async def calls(system: System, tenant: str, place: At | None = None) -> int:
    query: dict[str, Any] = {} if place is None else {"after": str(place), "wait_ms": 30000}
    total: int = (await system.get(tenant, "usage", **query))["total"]["calls"]
    return total


async def test_a_recreated_input_topic_is_red_until_adopted(
    installation: Installation, until: Until
) -> None:
    """More of this, with fewer processes, is in runtime/test_admit_role.py."""
    async with installation() as system:
        admit = system.worker("admit", "w0")
        for number in range(20):
            place = await post(system, "t1", number)
        assert await calls(system, "t1", place) == 20
        await system.recreate(AGENT_MESSAGES)
        for number in range(100, 130):
            place = await post(system, "t1", number)

        async def red() -> bool:
            status, said = await system.readyz(admit)
            return status == 503 and "streams topics adopt agent.messages.v1" in said

        await until(red, 30)
        # The other input topics go on.
        done = await system.command("t1", "budget.set", budget_id="b", limit_usd="1", period="day")
        assert done["outcome"] == "done"
        assert await calls(system, "t1") == 20
        adopted = await system.cli("topics", "adopt", AGENT_MESSAGES)
        assert (adopted.code, adopted.err) == (0, "")
        await system.ready()
        assert await calls(system, "t1", place) == 50
        assert await admit.stop() == 0, admit.tail()


async def test_a_log_that_is_not_what_was_read_stops_its_partition_only(
    installation: Installation, until: Until
) -> None:
    async with installation() as system:
        fold = system.worker("fold", "w0")
        partitions = system.settings.partitions
        broken, whole = partition_of("t1", partitions), partition_of("t2", partitions)
        assert broken != whole
        for tenant in ("t1", "t2"):
            assert await calls(system, tenant, await post(system, tenant, 1)) == 1

        # A record of a version that this code does not know.
        newer = Record(log.VERSION + 1, "t1", None, "", "", 0, Tick())
        await system.send(TENANT_LOG, b"t1", log.encode(newer), [], broken)

        async def red(partition: int) -> bool:
            status, _ = await system.readyz(fold)
            return status == 503 and (await system.partitions())[partition]["state"] == "red"

        await until(lambda: red(broken), 30)
        states = await system.partitions()
        assert states[whole]["state"] == "running"
        assert f"version {log.VERSION + 1}" in states[broken]["error"]
        assert f"{system.name(TENANT_LOG)}/{broken}/" in states[broken]["error"]
        assert await calls(system, "t2", await post(system, "t2", 2)) == 2
        # What was folded before can still be read.
        assert await calls(system, "t1") == 1
        assert await fold.stop() == 0, fold.tail()

        # The whole topic made anew.
        await system.recreate(TENANT_LOG)
        await fold.start()
        for partition in (broken, whole):
            await until(partial(red, partition), 30)
        assert all("streams topics adopt" in s["error"] for s in await system.partitions())
        answer = await system.http.get(system.tenant("t1", "usage"))
        assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
        assert (await system.cli("topics", "adopt", TENANT_LOG)).code == 0
        await system.ready()
        # What was counted stays; what comes is counted on top.
        assert await calls(system, "t1", await post(system, "t1", 3)) == 2
        assert await calls(system, "t2", await post(system, "t2", 3)) == 3


async def test_adopting_what_is_no_such_topic_is_a_mistake(system: System) -> None:
    ended = await system.cli("topics", "adopt", "budget.alerts.v1")
    assert ended.code == 2
    assert TENANT_COMMANDS in ended.err
    assert ended.err.count("\n") == 1
