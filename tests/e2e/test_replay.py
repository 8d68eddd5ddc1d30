"""Live state is what a replay of the log from zero gives: memories, moves, revisions, accesses."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from shutil import rmtree
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from agents import refold
from aiokafka import AIOKafkaProducer
from msgspec import structs

from streams.core import log
from streams.core.log import Accessed, Config
from streams.runtime.chunks import Chunk
from streams.settings import Settings
from streams.topology import TENANT_LOG

from .system import System, running

pytestmark = pytest.mark.deep
LIMIT = 20


async def fill(system: System, tenant: str) -> None:
    """More memories than working memory takes, three corrected, some found; and some state."""
    messages = [
        {"content": f"Part {n % 50} of lane {n % 7} was checked", "memory_id": f"m{n % 37}"}
        for n in range(40)
    ]
    said = [
        {"specversion": "1.0", "type": "agent.message", "source": "/t", "id": str(n), "data": data}
        for n, data in enumerate(messages)
    ]
    answer = await system.http.post(
        system.tenant(tenant, "messages"),
        content=msgspec.json.encode(said),
        headers={"content-type": "application/cloudevents-batch+json"},
    )
    assert answer.status_code == 202, answer.text
    at = answer.json()["events"][-1]
    params = {"after": f"{at['topic']}:{at['partition']}:{at['offset']}", "wait_ms": "60000"}
    url = system.tenant(tenant, "memories/search")
    for lane in range(3):
        question = {"query": f"lane {lane}", "limit": 5}
        found = await system.http.post(url, json=question, params=params)
        assert len(found.json()["results"]) == 5, found.text
    url = system.tenant(tenant, "agents/a/state/step")
    for value in (1, {"two": 2}):
        put = await system.http.put(url, json={"value": value}, params={"wait_ms": "60000"})
        assert put.status_code == 200, put.text


async def replayed(system: System, item: dict[str, Any], records: list[Any], folder: Path) -> str:
    """Digest of the state after a partition's log, folded from zero up to what an owner folded."""
    with patch.object(refold, "PARTITION", item["partition"]):
        one = refold.take_over(refold.Broker(), folder)
        wanted = [r for r in records if r.offset <= item["offset"]]
        for start in range(0, len(wanted), 70):
            part = wanted[start : start + 70]
            await one.apply(Chunk(part[0].offset - 1, part))
        assert one.source.offset == item["offset"]
        found: str = refold.tell(one, refold.Broker()).digest[0]
        one.db.close()
    rmtree(folder)
    return found


async def test_live_state_is_what_a_replay_from_zero_gives(
    settings: Settings,
    producer: AIOKafkaProducer,
    tmp_path: Path,
    until: Callable[..., Awaitable[None]],
) -> None:
    few = structs.replace(settings, working_limit=LIMIT)
    async with running(few, producer) as system:
        tenants = [f"tenant-{n}" for n in range(6)]
        await asyncio.gather(*(fill(system, tenant) for tenant in tenants))

        async def counted() -> bool:
            items = [(await system.get(t, "memories", limit=100))["items"] for t in tenants]
            return all(sum(m["access_count"] for m in of) == 15 for of in items)

        await until(counted)
        for tenant in tenants:
            items = (await system.get(tenant, "memories", limit=100))["items"]
            assert sum(m["tier"] == "working" for m in items) == LIMIT
            assert sorted(m["revision"] for m in items) == [1] * 34 + [2] * 3
        params = {"digest": "true"}
        live = (await system.http.get(f"{system.api}/v1/partitions", params=params)).json()["items"]
        records = await system.records(TENANT_LOG)
        bodies = {type(log.decode(r.value).body) for r in records}
        assert {Accessed, Config} <= bodies
        for item in live:
            of = [r for r in records if r.partition == item["partition"]]
            assert await replayed(system, item, of, tmp_path / "db") == item["digest"], item
