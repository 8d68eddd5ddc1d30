"""A message becomes a memory: found after every worker has died, and held by its topic."""

import asyncio
import json

import pytest

from streams.topology import MEMORY_RECORDS

from .conftest import Installation

pytestmark = pytest.mark.deep


async def test_memories_survive_their_workers(installation: Installation) -> None:
    async with installation() as system:
        url = system.tenant("t1", "messages")
        for text in ("The gate failed.", "The gate failed: 3 rows."):
            said = {"content": text, "memory_id": "gate", "agent": "quality-1"}
            answer = await system.http.post(url, json=said)
        at = answer.json()["events"][0]
        after = f"{at['topic']}:{at['partition']}:{at['offset']}"
        found = await system.get("t1", "memories/gate", after=after, wait_ms=30000)
        assert (found["content"], found["revision"]) == ("The gate failed: 3 rows.", 2)
        assert (await system.get("t1", "memories", agent="quality-1"))["items"] == [found]
        for worker in system.workers.values():
            await worker.kill()
        await asyncio.gather(*(worker.start() for worker in system.workers.values()))
        await system.ready()
        assert await system.get("t1", "memories/gate") == found
        records = await system.records(MEMORY_RECORDS)
        assert [record.key for record in records] == [b"t1/gate"] * 2
        assert json.loads(records[-1].value) == found
        headers = dict(records[-1].headers)
        assert (headers["ce_type"], headers["ce_subject"]) == (b"memory.record", b"gate")
