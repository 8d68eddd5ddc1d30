"""A memory is found by a question, whichever worker is asked, and being found is counted."""

from collections.abc import Awaitable, Callable
from typing import Any

from .system import System


async def say(system: System, tenant: str, content: str, memory_id: str) -> str:
    """Post a message; what ``after`` takes."""
    said = {"content": content, "memory_id": memory_id}
    answer = await system.http.post(system.tenant(tenant, "messages"), json=said)
    assert answer.status_code == 202, answer.text
    at = answer.json()["events"][0]
    return f"{at['topic']}:{at['partition']}:{at['offset']}"


async def test_results_are_accesses_and_explained_ones_are_not(
    system: System, tenant: str, until: Callable[..., Awaitable[None]]
) -> None:
    await say(system, tenant, "Weld seam 14 failed its X-ray check.", "weld")
    place = await say(system, tenant, "Lunch is at noon.", "lunch")
    url = system.tenant(tenant, "memories/search")
    params = {"after": place, "wait_ms": "30000"}
    question: dict[str, Any] = {"query": "which seams failed?", "limit": 1}
    first = await system.http.post(url, params=params, json=question | {"explain": True})
    assert first.status_code == 200, first.text
    (result,) = first.json()["results"]
    assert result["memory"] == await system.get(tenant, "memories/weld")
    assert sum(result["parts"].values()) == result["score"]
    for worker in system.workers.values():
        again = await system.http.post(
            system.tenant(tenant, "memories/search", worker.url), json=question
        )
        assert [found["memory"]["id"] for found in again.json()["results"]] == ["weld"]
    asked = len(system.workers)

    async def counted() -> bool:
        found = await system.get(tenant, "memories/weld")
        return bool(found["access_count"] == asked and found["last_accessed"])

    await until(counted)
    lunch = await system.get(tenant, "memories/lunch")
    assert (lunch["access_count"], lunch["last_accessed"]) == (0, None)
    told = await system.done("search", tenant, "which seams failed?", "--explain", "--limit", "1")
    (result,) = told["results"]
    assert result["memory"]["access_count"] == asked
    assert result["parts"]["use"] > 0
    shown = await system.cli("search", tenant, "which seams failed?", "--explain")
    assert "Weld seam 14" in shown.out
    await say(system, tenant, "Seam 15 failed too; which seams failed is now two.", "more")

    async def found() -> bool:
        answer = await system.http.post(url, json=question | {"explain": True})
        return bool(answer.json()["results"][0]["memory"]["id"] == "more")

    await until(found)
