"""A changelog made anew: red, and once adopted whole again from what is left elsewhere."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from streams import topology
from streams.topology import TENANT_LOG

from .conftest import Installation
from .system import System, Worker
from .test_snapshots import EVENTS, calls, lines

Until = Callable[..., Awaitable[None]]

pytestmark = pytest.mark.deep
TENANTS = ("t1", "t2", "t3", "t4")


def states(system: System, worker: Worker) -> list[Path]:
    return list((Path(system.settings.data) / worker.name).glob(f"*{TENANT_LOG}-[0-9]"))


@pytest.mark.parametrize("left", ["local", "both"])
async def test_nothing_is_lost_with_a_changelog(
    installation: Installation, until: Until, tmp_path: Path, left: str
) -> None:
    async with installation(folds=2) as system:
        for tenant in TENANTS:
            await system.done("send", "-", "--wait", stdin=lines(0, tenant))
        if left != "local":
            await system.done("snapshot", "now")
        for tenant in TENANTS:
            await system.done("send", "-", "--wait", stdin=lines(EVENTS, tenant))
        folds = [worker for worker in system.workers.values() if worker.role == "fold"]
        for worker in folds:
            await worker.kill()
        lost = [] if left == "local" else folds[:1]
        for worker in lost:
            for state in states(system, worker):
                shutil.rmtree(state)
        changelog = topology.changelog(system.settings, TENANT_LOG)
        await system.recreate(changelog)
        await asyncio.gather(*(worker.start() for worker in folds))

        async def red() -> bool:
            hint = f"streams topics adopt {system.name(changelog)}"
            found = await system.partitions()
            return all(hint in (state["error"] or "") for state in found)

        await until(red, 90)
        # One dies in the middle of writing its states there.
        victim = folds[1]
        await victim.kill()
        victim._env["STREAMS_FAILPOINT"] = f"changelog.written@{tmp_path / 'flag'}"
        await victim.start()
        await until(red, 90)
        ended = await system.cli("topics", "adopt", changelog)
        assert (ended.code, ended.err) == (0, "")
        await until(lambda: not victim.running, 30)
        await victim.start()
        await system.ready()
        # What a snapshot does not have is still in the log, and is folded again.
        for tenant in TENANTS:
            await until(lambda t=tenant: _counted(system, t, 2 * EVENTS), 30)
        compared = await system.done("digest", "--rebuild")
        assert all(each["same"] for each in compared)
        # What comes next goes on from there, also without the disks.
        await system.done("send", "-", "--wait", stdin=lines(2 * EVENTS, "t1"))
        for worker in folds:
            await worker.kill()
            for state in states(system, worker):
                shutil.rmtree(state)
        await asyncio.gather(*(worker.start() for worker in folds))
        await system.ready()
        assert await calls(system, "t1") == 3 * EVENTS
        assert await calls(system, "t2") == 2 * EVENTS


async def _counted(system: System, tenant: str, expected: int) -> bool:
    return await calls(system, tenant) == expected
