"""Consolidated, given back, held, erased and expired through real workers."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from .system import System

Until = Callable[..., Awaitable[None]]

pytestmark = pytest.mark.deep


async def say(system: System, tenant: str, **said: Any) -> str:
    answer = await system.http.post(system.tenant(tenant, "messages"), json=said)
    assert answer.status_code == 202, answer.text
    at = answer.json()["events"][0]
    return f"{at['topic']}:{at['partition']}:{at['offset']}"


async def ids(system: System, tenant: str, **query: Any) -> set[str]:
    return {item["id"] for item in (await system.get(tenant, "memories", **query))["items"]}


async def found(system: System, tenant: str, query: str) -> list[str]:
    answer = await system.http.post(
        system.tenant(tenant, "memories/search"), json={"query": query, "explain": True}
    )
    assert answer.status_code == 200, answer.text
    return [result["memory"]["id"] for result in answer.json()["results"]]


async def status(system: System, tenant: str, memory_id: str) -> int:
    answer = await system.http.get(system.tenant(tenant, f"memories/{memory_id}"))
    return int(answer.status_code)


async def test_what_says_the_same_becomes_one_and_comes_back(system: System, tenant: str) -> None:
    texts = {f"m{n}": f"task {n} finished in {30 + n} ms on node-{n}" for n in range(5)}
    for memory_id, text in texts.items():
        place = await say(system, tenant, memory_id=memory_id, content=text, agent="a")
    before = await system.get(tenant, "memories/m3", after=place, wait_ms="30000")
    done = await system.command(tenant, "memory.consolidate")
    assert done["outcome"] == "done", done
    (one,) = (await system.get(tenant, "memories"))["items"]
    assert (one["kind"], sorted(one["sources"])) == ("consolidated", sorted(texts))
    for memory_id, text in texts.items():
        member = await system.get(tenant, f"memories/{memory_id}")
        told = (member["content"], member["tier"], member["consolidated_into"])
        assert told == (text, "archived", one["id"])
    assert await found(system, tenant, "node-3") == [one["id"]]
    (published,) = await system.of_tenant("memory.consolidated.v1", tenant)
    assert dict(published.headers)["ce_type"] == b"memory.consolidated"
    again = await system.command(tenant, "memory.consolidate")
    assert again["outcome"] == "done", again
    assert await ids(system, tenant) == {one["id"]}
    await system.command(tenant, "memory.split", memory_id=one["id"])
    assert await ids(system, tenant) == set(texts)
    assert await system.get(tenant, "memories/m3") == before


async def test_what_is_erased_is_found_no_more_and_stays_away(system: System, tenant: str) -> None:
    for n in range(3):
        await say(
            system, tenant, memory_id=f"c{n}", content=f"badge {n} opened gate", subject="c-1"
        )
    await say(system, tenant, memory_id="other", content="badge 7 opened gate", subject="c-2")
    await say(system, tenant, memory_id="key", content="badge 8 opened gate")
    await system.command(tenant, "memory.consolidate")
    erased = await system.done(
        "erase", tenant, "--subject", "c-1", "--reason", "asked for by the person"
    )
    assert (erased["outcome"], erased["error"]) == ("done", None), erased
    for n in range(3):
        assert await status(system, tenant, f"c{n}") == 404
    assert await ids(system, tenant) == {"other", "key"}
    assert set(await found(system, tenant, "which badge opened the gate?")) == {"other", "key"}
    await system.command(tenant, "memory.erase", memory_ids=["key"], reason="a password")
    place = await say(system, tenant, memory_id="key", content="badge 8 opened gate")
    listed = await system.get(tenant, "memories", after=place, wait_ms="30000")
    assert [item["id"] for item in listed["items"]] == ["other"]
    left = {record.key: record.value for record in await system.records("memory.records.v1")}
    mine = {key for key, value in left.items() if value and key.startswith(tenant.encode() + b"/")}
    assert mine == {f"{tenant}/other".encode()}


async def test_a_hold_comes_before_an_erasure(system: System, tenant: str, until: Until) -> None:
    await say(system, tenant, memory_id="held", content="the crane stopped", subject="c-1")
    await system.command(tenant, "hold.set", subject="c-1")
    deferred = await system.done("erase", tenant, "--all", "--reason", "the contract has ended")
    assert deferred["outcome"] == "deferred", deferred
    assert await ids(system, tenant) == {"held"}
    await system.command(tenant, "hold.release", subject="c-1")

    async def told() -> bool:
        items = (await system.get(tenant, "audit"))["items"]
        erased = [item for item in items if item["action"] == "memory.erased"]
        return [item["outcome"] for item in erased] == ["done", "deferred"]

    await until(told)
    assert await ids(system, tenant) == set()


async def test_what_is_due_goes_by_itself(system: System, tenant: str, until: Until) -> None:
    await say(system, tenant, memory_id="short", content="a lunch break", ttl_seconds=1)
    await say(system, tenant, memory_id="long", content="a summer break", ttl_seconds=3600)

    async def told() -> bool:
        items = (await system.get(tenant, "audit"))["items"]
        return any(item["action"] == "memory.expired" for item in items)

    await until(told)
    assert await ids(system, tenant) == {"long"}
    assert await status(system, tenant, "short") == 404


async def test_an_erasure_reaches_files_and_archive_and_says_so(
    system: System, tenant: str, until: Until
) -> None:
    secret = f"the gate code of {tenant} is 4711"
    await say(system, tenant, memory_id="m", content=secret, subject="c-1")
    await say(system, tenant, memory_id="n", content="the gate is green", subject="c-2")
    await system.done("snapshot", "now")
    await system.command(tenant, "memory.erase", subject="c-1", reason="request 4711")

    async def reached() -> bool:
        (receipt,) = (await system.get(tenant, "erasures"))["items"]
        done = {place["place"] for place in receipt["places"] if place["done"]}
        return "local files" in done and bool(receipt["places"][1]["by"])

    await until(reached)
    (receipt,) = (await system.get(tenant, "erasures"))["items"]
    assert (receipt["erased"], receipt["subject"], receipt["completed"]) == (1, "c-1", None)
    by = {place["place"]: place["by"] for place in receipt["places"] if not place["done"]}
    assert by["tenant.log.v1"] > by["changelog"] > receipt["at"]
    look = await system.http.post(
        system.tenant(tenant, "erasures/verify"), json={"texts": [secret]}, timeout=60
    )
    found = {item["place"]: item["found"] for item in look.json()["items"]}
    assert (found["local files"], found["archive"]) == (0, 0)
    # Kafka lets go of these in its time.
    assert found["agent.messages.v1"] == found["tenant.log.v1"] == 1
    assert min(found["changelog"], found["memory.records.v1"]) >= 1
    told = await system.cli("erase", tenant, "--verify")
    assert (told.code, "something is left in" in told.err) == (1, True)
    other = await system.http.post(
        system.tenant(f"{tenant}-2", "erasures/verify"), json={"texts": [secret]}, timeout=60
    )
    assert {item["found"] for item in other.json()["items"]} == {0}
