"""Snapshots of a running installation: taken, verified, and begun from when the disk is gone."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from streams.settings import Settings

from .conftest import Installation
from .system import System

pytestmark = pytest.mark.deep
EVENTS = 200


@pytest.fixture
async def system(installation: Installation) -> AsyncIterator[System]:
    async with installation(folds=2) as own:
        yield own


def lines(start: int, tenant: str) -> bytes:
    usage = {
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": 1000,
    }
    events = [
        {
            "type": "agent.message",
            "tenant": tenant,
            "id": str(number),
            "data": {"content": f"memory {number}", "usage": usage},
        }
        for number in range(start, start + EVENTS)
    ]
    return b"\n".join(map(msgspec.json.encode, events))


def damage(data: Path) -> None:
    """Flip a byte in each KB of all tables of the tenant log's states."""
    for table in data.glob("*/*tenant.log.v1-[0-9]/*.sst"):
        content = bytearray(table.read_bytes())
        for at in range(100, len(content) - 2_000, 1_000):
            content[at] ^= 0xFF
        table.write_bytes(content)


def aside(data: Path) -> list[Path]:
    """States that were put aside."""
    return list(data.glob("*/*.damaged-*"))


async def calls(system: System, tenant: str) -> int:
    total: int = (await system.get(tenant, "usage"))["total"]["calls"]
    return total


async def test_a_wiped_disk_begins_from_a_snapshot_and_the_changelogs_tail(system: System) -> None:
    tenants = ("t1", "t2", "t3", "t4")
    for tenant in tenants:
        await system.done("send", "-", "--wait", stdin=lines(0, tenant))
    taken = (await system.done("snapshot", "now"))["items"]
    assert len(taken) == system.settings.partitions + 1
    assert {each["error"] for each in taken} == {None}
    assert sum(each["rows"] for each in taken) > EVENTS
    found = (await system.done("snapshot", "list"))["items"]
    assert [each["name"] for each in found] == sorted(each["name"] for each in taken)
    # What comes after the snapshot is in the changelog.
    for tenant in tenants:
        await system.done("send", "-", "--wait", stdin=lines(EVENTS, tenant))
    before = {tenant: await calls(system, tenant) for tenant in tenants}
    assert set(before.values()) == {2 * EVENTS}
    folds = [worker for worker in system.workers.values() if worker.role == "fold"]
    for worker in folds:
        await worker.kill()
    for worker in folds:
        for state in (Path(system.settings.data) / worker.name).glob("*tenant.*-[0-9]"):
            shutil.rmtree(state)
    for worker in folds:
        await worker.start()
    await system.ready()
    states = await system.partitions()
    assert {state["recovered_from"] for state in states} == {"s3"}
    assert {tenant: await calls(system, tenant) for tenant in tenants} == before
    compared = await system.done("digest", "--rebuild")
    assert all(each["same"] for each in compared)


async def test_a_second_snapshot_shares_what_did_not_change(system: System) -> None:
    await system.done("send", "-", "--wait", stdin=lines(0, "t1"))
    first = (await system.done("snapshot", "now"))["items"]
    again = (await system.done("snapshot", "now"))["items"]
    assert sum(each["total_bytes"] for each in again) > sum(each["bytes"] for each in again) > 0
    assert [each["digest"] for each in again] == [each["digest"] for each in first]
    checked = (await system.done("snapshot", "verify"))["items"]
    assert {each["error"] for each in checked} == {None}


async def test_damaged_objects_are_found_and_passed_over(system: System) -> None:
    await system.done("send", "-", "--wait", stdin=lines(0, "t1"))
    await system.done("snapshot", "now")
    bucket = Path(system.settings.data) / "snapshots"
    for path in (bucket / Settings().s3_prefix / "objects").iterdir():
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    ended = await system.cli("snapshot", "verify")
    assert ended.code == 1
    assert "has other bytes" in ended.out
    assert ended.err.count("\n") == 1
    folds = [worker for worker in system.workers.values() if worker.role == "fold"]
    for worker in folds:
        await worker.kill()
        for state in (Path(system.settings.data) / worker.name).glob("*tenant.*-[0-9]"):
            shutil.rmtree(state)
    for worker in folds:
        await worker.start()
    await system.ready()
    states = await system.partitions()
    assert {state["recovered_from"] for state in states} == {"changelog"}
    assert await calls(system, "t1") == EVENTS


async def test_damaged_tables_are_noticed_and_put_aside(system: System) -> None:
    """RocksDB opens them: the damage shows when a row of them is read."""
    for tenant in ("t1", "t2", "t3"):
        await system.done("send", "-", "--wait", stdin=lines(0, tenant))
    await system.done("snapshot", "now")
    folds = [worker for worker in system.workers.values() if worker.role == "fold"]
    for worker in folds:
        await worker.kill()
    damage(Path(system.settings.data))
    await asyncio.gather(*(worker.start() for worker in folds))
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(AssertionError):
                await system.cli("digest")
                found = [await calls(system, tenant) for tenant in ("t1", "t2", "t3")]
                if found == [EVENTS] * 3:
                    break
            await asyncio.sleep(0.2)
    await system.ready()
    assert {state["recovered_from"] for state in await system.partitions()} <= {"s3", "changelog"}
    assert aside(Path(system.settings.data))
    compared = await system.done("digest", "--rebuild")
    assert all(each["same"] for each in compared)


async def test_a_clean_stop_leaves_a_snapshot(system: System) -> None:
    await system.done("send", "-", "--wait", stdin=lines(0, "t1"))
    assert (await system.done("snapshot", "list"))["items"] == []
    for worker in list(system.workers.values()):
        if worker.role == "fold":
            assert await worker.stop() == 0
    found = (await system.done("snapshot", "list"))["items"]
    assert len(found) >= 1
