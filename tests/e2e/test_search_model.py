"""Search with the real model, in a system of its own: a fold worker asks an admit worker for it."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from streams.settings import Settings

from .system import System, running
from .test_search import say

pytestmark = pytest.mark.deep
SAID = {
    "feline": "The cat slept on the warm keyboard all afternoon.",
    "budget": "Spending on cloud compute passed its monthly limit.",
    "soup": "Tomato soup is on the menu again.",
}


async def asked(system: System, tenant: str, query: str, after: str | None = None) -> Any:
    params = {} if after is None else {"after": after, "wait_ms": "60000"}
    answer = await system.http.post(
        system.tenant(tenant, "memories/search"),
        params=params,
        json={"query": query, "explain": True},
    )
    assert answer.status_code == 200, answer.text
    return answer.json()["results"]


async def test_a_memory_is_found_by_its_meaning_and_no_tenant_sees_another(
    settings: Settings,
    producer: AIOKafkaProducer,
    exported_model: Path,
    until: Callable[..., Awaitable[None]],
) -> None:
    with_model = msgspec.structs.replace(settings, embedder=str(exported_model), partitions=2)
    async with running(with_model, producer, folds=1) as system:
        place = ""
        for tenant in ("t1", "t2"):
            for memory_id, content in SAID.items():
                place = await say(system, tenant, f"{content} ({tenant})", memory_id)
            await asked(system, tenant, "warm up", place)

        async def embedded() -> bool:
            return "dense" in (await asked(system, "t1", "pets"))[0]["parts"]

        await until(embedded)
        before = await asked(system, "t1", "resting pets")
        assert before[0]["memory"]["id"] == "feline"
        assert before[0]["parts"]["dense"] > 0 == before[0]["parts"]["lexical"]
        assert {result["memory"]["tenant"] for result in before} == {"t1"}
        for number in range(20):
            place = await say(system, "t2", "A sleeping pet.", f"feline-{number}")
        assert len(await asked(system, "t2", "resting pets", place)) == 10
        after = await asked(system, "t1", "resting pets")
        # Log time moves on, and recency with it; all else is as it was.
        assert [result["memory"] for result in after] == [result["memory"] for result in before]
        for one, other in zip(before, after, strict=True):
            assert one["parts"] | {"recency": 0} == other["parts"] | {"recency": 0}
