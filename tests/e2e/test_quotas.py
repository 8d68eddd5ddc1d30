"""quota.set through the API: decided on the control partition, answered in the tenant's log."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from .system import System


async def command(
    system: System, tenant: str, data: dict[str, Any], api: str = "", **params: str
) -> Any:
    async with httpx.AsyncClient(timeout=60) as client:
        return await client.post(
            system.tenant(tenant, "commands", api),
            params=params,
            json={"type": "quota.set", "data": data},
        )


async def test_a_quota_is_granted_or_refused_and_both_are_told(system: System, tenant: str) -> None:
    granted = await command(
        system, tenant, {"quota_mb": 3, "class": "critical"}, wait="true", wait_ms="30000"
    )
    assert granted.status_code == 200, granted.text
    audit = granted.json()
    assert (audit["action"], audit["outcome"]) == ("quota.granted", "done")
    assert audit["details"] == {"quota_mb": 3, "class": "critical", "revision": 1}
    refused = await command(system, tenant, {"quota_mb": 4096}, wait="true", wait_ms="30000")
    assert refused.status_code == 409
    problem = refused.json()
    assert problem["code"] == "resource_error"
    assert problem["detail"] == f"Cannot allocate 4096MB for tenant {tenant}"
    assert problem["audit"]["error"] == "ResourceError"
    audits = (await system.get(tenant, "audit"))["items"]
    assert [(one["action"], one["outcome"]) for one in audits] == [
        ("quota.rejected", "rejected"),
        ("quota.granted", "done"),
    ]


@pytest.mark.deep
async def test_whoever_asks_never_gets_more_than_there_is(system: System, tenant: str) -> None:
    """All workers are asked, in turn, at once: 20 times a tenth of what can be allocated."""
    others = [f"{tenant}-{number}" for number in range(20)]
    apis = [worker.url for worker in system.workers.values()]
    answers = await asyncio.gather(
        *(
            command(
                *(system, name, {"quota_mb": 184}, apis[number % len(apis)]),
                wait="true",
                wait_ms="60000",
            )
            for number, name in enumerate(others)
        )
    )
    codes = sorted(answer.status_code for answer in answers)
    assert codes == [200] * 9 + [409] * 11 or codes == [200] * 10 + [409] * 10
    # Given back, so that other tests find them.
    gone = await asyncio.gather(
        *(command(system, name, {"quota_mb": 0}, wait="true", wait_ms="60000") for name in others)
    )
    assert {answer.status_code for answer in gone} == {200}


async def test_after_a_quota_waits_for_the_answer(system: System, tenant: str) -> None:
    sent = await command(system, tenant, {"quota_mb": 1})
    assert sent.status_code == 202
    at = sent.json()["events"][0]
    place = f"{at['topic']}:{at['partition']}:{at['offset']}"
    audits = await system.get(tenant, "audit", after=place, wait_ms=30000)
    assert [one["action"] for one in audits["items"]] == ["quota.granted"]


async def test_control_is_one_of_the_partitions_that_are_shown(system: System) -> None:
    async with httpx.AsyncClient(timeout=60) as client:
        body = (await client.get(f"{system.api}/v1/partitions", params={"digest": "true"})).json()
    control = body["control"]
    assert control["topic"].endswith("tenant.control.v1")
    assert control["state"] == "running"
    assert control["rows"] > 0
    assert control["digest"]


async def say(system: System, tenant: str, priority: str, number: int) -> Any:
    """Write a memory of 60 KB; returns where it lies."""
    data = {"content": f"{priority} {number} ".ljust(60_000, "x"), "priority": priority}
    answer = await system.http.post(
        system.tenant(tenant, "messages"),
        json=data,
        headers={"Idempotency-Key": f"{priority}-{number}"},
    )
    assert answer.status_code == 202, answer.text
    at = answer.json()["events"][0]
    return f"{at['topic']}:{at['partition']}:{at['offset']}"


@pytest.mark.deep
async def test_a_full_tenant_forgets_what_it_values_least_and_critical_stays(
    system: System, tenant: str
) -> None:
    await system.command(tenant, "quota.set", quota_mb=1)
    for number in range(10):
        await say(system, tenant, "CRITICAL", number)
    for number in range(6):
        await say(system, tenant, "LOW", number)
    place = await say(system, tenant, "LOW", 6)
    quota = await system.get(tenant, "quota", after=place, wait_ms=30000)
    assert (quota["quota_mb"], quota["class"], quota["reserve_bytes"]) == (1, "standard", 0)
    assert 17 * 60_000 < quota["used_bytes"] <= 1 << 20
    # 17 fit; the next LOW one takes the place of the first.
    place = await say(system, tenant, "LOW", 7)
    memories = await system.get(tenant, "memories", after=place, wait_ms=30000, limit=100)
    found = [memory["content"].split("x")[0].strip() for memory in memories["items"]]
    assert sorted(found) == sorted(
        [f"CRITICAL {n}" for n in range(10)] + [f"LOW {n}" for n in range(1, 8)]
    )
    audits = (await system.get(tenant, "audit"))["items"]
    pruned = [one for one in audits if one["action"] == "memory.pruned"]
    assert [one["details"]["priority"] for one in pruned] == ["LOW"]
    # CRITICAL ones take all of it, then the reserve, and are stored even beyond that.
    for number in range(10, 25):
        place = await say(system, tenant, "CRITICAL", number)
    quota = await system.get(tenant, "quota", after=place, wait_ms=30000)
    assert quota["used_bytes"] > 1 << 20
    assert quota["reserve_bytes"] == quota["used_bytes"] - (1 << 20)
    refused = await say(system, tenant, "MEDIUM", 0)
    answer = await system.http.get(
        system.tenant(tenant, "memories"), params={"after": refused, "wait_ms": 30000}
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "quota_exceeded")
    (letter,) = await system.of_tenant("agent.messages.v1.dlq", tenant)
    headers = dict(letter.headers)
    assert headers["error_code"] == b"quota_exceeded"
    assert headers["__streams.errors.offset"] == refused.rpartition(":")[2].encode()
    assert json.loads(letter.value)["data"]["priority"] == "MEDIUM"
    alerts = (await system.get(tenant, "alerts"))["items"]
    crossed = [one["threshold_percent"] for one in reversed(alerts)]
    assert crossed[:2] == [80, 100]
    # With more memory of its own the tenant may say again what was refused.
    await system.command(tenant, "quota.set", quota_mb=3)
    place = await say(system, tenant, "MEDIUM", 0)
    memories = await system.get(tenant, "memories", after=place, wait_ms=30000, limit=100)
    assert "MEDIUM" in {memory["priority"] for memory in memories["items"]}
    assert (await system.get(tenant, "quota"))["reserve_bytes"] == 0


@pytest.mark.deep
async def test_what_is_pruned_is_gone_from_the_records_too(system: System, tenant: str) -> None:
    await system.command(tenant, "quota.set", quota_mb=1)
    for number in range(18):
        place = await say(system, tenant, "LOW", number)
    await system.get(tenant, "quota", after=place, wait_ms=30000)
    records = await system.records("memory.records.v1")
    mine = [r for r in records if r.key.startswith(f"{tenant}/".encode())]
    gone = [r for r in mine if r.value is None]
    assert len(gone) == 1
    assert gone[0].key == mine[0].key
    ended = await system.cli(
        *("tail", "memory.records.v1", "--from", "earliest", "--timeout", "5", "--json")
    )
    shown = [json.loads(line) for line in ended.out.splitlines()]
    assert gone[0].key.decode() in [line["key"] for line in shown if line["value"] is None]
