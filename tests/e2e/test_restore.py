"""A second cluster from what the bucket holds: nothing lost that was archived, nothing twice."""

import asyncio
import json
import os
import shutil
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from msgspec import structs

from streams.settings import Settings

from .system import System, cli, committed, environment, running

pytestmark = pytest.mark.deep
TENANTS = ("t1", "t2", "t3")
EVENTS = 60
READY_S = 90.0


@pytest.fixture
async def first(settings: Settings, producer: AIOKafkaProducer) -> AsyncIterator[System]:
    # Nothing is archived but when it is asked for.
    rarely = structs.replace(settings, archive_seconds=3600.0)
    async with running(rarely, producer, folds=2) as own:
        yield own


def lines(start: int, tenant: str) -> bytes:
    usage = {"gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o"}
    return b"\n".join(
        msgspec.json.encode(
            {
                "type": "agent.message",
                "tenant": tenant,
                "id": str(number),
                "data": {
                    "content": f"memory {number} of {tenant}",
                    "usage": usage | {"gen_ai.usage.input_tokens": 1000 + number},
                },
            }
        )
        for number in range(start, start + EVENTS)
    )


async def load(system: System, start: int) -> None:
    for tenant in TENANTS:
        await system.done("send", "-", "--wait", stdin=lines(start, tenant))


@asynccontextmanager
async def process(env: dict[str, str], *arguments: str) -> AsyncIterator[Process]:
    """`streams ...` as a user runs it; ended at the end."""
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "streams", *arguments, "--json"), env=env, stdout=PIPE
    )
    try:
        yield running
    finally:
        if running.returncode is None:
            running.send_signal(signal.SIGTERM)
            async with asyncio.timeout(20):
                assert await running.wait() == 0


async def first_line(of: Process) -> dict[str, Any]:
    assert of.stdout is not None
    async with asyncio.timeout(READY_S):
        found: dict[str, Any] = json.loads(await of.stdout.readline())
    return found


def new_kafka(system: System) -> dict[str, str]:
    """Environment of a system that brings a Kafka of its own."""
    env = environment(system.settings)
    del env["STREAMS_KAFKA"]
    return env


async def body(api: str, tenant: str, path: str) -> Any:
    async with httpx.AsyncClient(trust_env=False, timeout=60) as http:
        answer = await http.get(f"{api}/v1/tenants/{tenant}/{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def told(found: Any) -> Any:
    """What an answer says, but for when it was asked and what grows with time."""
    for sums in [found.get("total", {}), *found.get("buckets", ())]:
        sums.pop("memory_byte_hours", None)
    return {key: value for key, value in found.items() if key != "as_of"}


def drop_newest(manifests: Path) -> None:
    """Take away the newest snapshot of each partition that has several."""
    for folder in manifests.iterdir():
        found = sorted(folder.iterdir(), key=lambda path: int(path.stem.partition("-")[2]))
        for newest in found[1:][-1:]:
            newest.unlink()


def said(path: Path) -> str:
    return path.read_text() if path.exists() else ""


async def test_a_second_cluster_goes_on_from_the_bucket_alone(
    first: System, tmp_path: Path
) -> None:
    await load(first, 0)
    await first.command("t1", "quota.set", quota_mb=100)
    await first.command("t2", "budget.set", budget_id="b", limit_usd="0.01", period="day")
    await first.done("snapshot", "now")
    await load(first, EVENTS)

    # A drill while the first one runs: what was sent since is not in the bucket.
    found = await first.done("restore", "--drill", "--from", first.settings.data)
    assert found["same"] is True
    assert found["missing_records"] == len(TENANTS) * EVENTS
    assert found["rpo_seconds"] > 0
    assert found["rto_seconds"] > found["restored"]["write_seconds"] > 0
    assert found["restored"]["memories"] == len(TENANTS) * EVENTS

    # The archive goes on behind a snapshot that fails: only the newest manifests are taken away.
    await first.done("snapshot", "now")
    drop_newest(Path(first.settings.data, "snapshots", "agent-state", first.settings.group))
    paths = ("usage", "quota", "budgets", "alerts", "memories?limit=500")
    before = {(t, path): told(await body(first.api, t, path)) for t in TENANTS for path in paths}
    for worker in first.workers.values():
        if worker.running:
            await worker.kill()

    # One bucket for both, as it would be.
    second = str(tmp_path / "second")
    shutil.copytree(f"{first.settings.data}/snapshots", f"{second}/snapshots")
    async with process(new_kafka(first), "restore", "--data", second) as restoring:
        ready = await first_line(restoring)
        api = ready["api"]
        assert ready["restored"]["incarnation"] == 1
        assert sum(each["records"] for each in ready["restored"]["partitions"]) >= 3 * EVENTS
        after = {(t, path): told(await body(api, t, path)) for t in TENANTS for path in paths}
        assert after == before
        shown = await committed(ready["kafka"], first.name("memory.records.v1"))
        assert len({record.key for record in shown}) == len(TENANTS) * 2 * EVENTS

        # All of it is sent again, as after a loss, and something new.
        env = new_kafka(first) | {"STREAMS_DATA": second}
        for start in (0, EVENTS, 2 * EVENTS):
            for tenant in TENANTS:
                ended = await cli(env, "send", "-", "--wait", stdin=lines(start, tenant))
                assert ended.code == 0, ended
        for tenant in TENANTS:
            total = (await body(api, tenant, "usage"))["total"]
            assert total["calls"] == 3 * EVENTS
        granted = await cli(env, "quota", "set", "t3", "20")
        assert granted.code == 0, granted
        assert (await cli(env, "snapshot", "now")).code == 0
        replayed = str(tmp_path / "replayed")
        # From zero: the first cluster's log, and where that ended the second one's.
        ended = await cli(env, "replay", "--to", replayed, "--from-zero")
        assert ended.code == 0, ended
        ended = await cli(env, "usage", "t1", "--data", replayed, "--json")
        assert ended.json["total"]["calls"] == 3 * EVENTS
        ended = await cli(env, "digest", "--data", replayed)
        assert ended.code == 0, ended

    # And what it has is gone on from, too.
    async with process(new_kafka(first), "up", "--data", second) as again:
        ready = await first_line(again)
        total = (await body(ready["api"], "t1", "usage"))["total"]
        assert total["calls"] == 3 * EVENTS


async def test_a_restore_that_was_killed_leaves_nobody_folding(
    first: System, tmp_path: Path
) -> None:
    await load(first, 0)
    await first.done("snapshot", "now")
    second = str(tmp_path / "second")
    flag = tmp_path / "flag"
    env = new_kafka(first) | {"STREAMS_FAILPOINT": f"restore.written+1@{flag}"}
    arguments = ("restore", "--data", second, "--from", first.settings.data)
    killed = await cli(env, *arguments)
    assert killed.code == -signal.SIGKILL
    assert flag.exists()

    ended = await cli(new_kafka(first), *arguments)
    assert ended.code == 2
    assert "is in use" in ended.err

    env = new_kafka(first) | {"STREAMS_DATA": second}
    async with process(env, "up") as up:
        async with asyncio.timeout(READY_S):
            while "has not finished" not in said(Path(second, "logs", "fold-0.log")):
                assert up.returncode is None
                await asyncio.sleep(0.1)

    shutil.rmtree(second)
    async with process(new_kafka(first), *arguments) as restoring:
        ready = await first_line(restoring)
        assert (await body(ready["api"], "t1", "usage"))["total"]["calls"] == EVENTS


async def test_a_cluster_that_is_in_use_is_left_alone(first: System) -> None:
    await load(first, 0)
    await first.done("snapshot", "now")
    env = environment(first.settings) | {"STREAMS_DATA": os.path.join(first.settings.data, "x")}
    ended = await cli(env, "restore", "--from", first.settings.data)
    assert ended.code == 2
    assert "holds records already" in ended.err
    for wrong, says in (
        ({"STREAMS_PARTITIONS": "1"}, "the log had at least 2 partitions"),
        ({"STREAMS_PARTITIONS": "3"}, "the log had 2 partitions"),
        ({"STREAMS_GROUP": "other"}, "has no snapshot"),
    ):
        env = new_kafka(first) | wrong
        ended = await cli(env, "restore", "--drill", "--from", first.settings.data)
        assert ended.code == 2, ended
        assert says in ended.err
    ended = await cli(new_kafka(first), "restore", "--data", f"{first.settings.data}/none")
    assert (ended.code, "nothing to restore from" in ended.err) == (2, True)
