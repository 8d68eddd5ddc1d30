"""quota.set through the API: decided on the control partition, answered in the tenant's log."""

import asyncio
from typing import Any

import httpx

from .system import System


async def command(system: System, tenant: str, data: dict[str, Any], **params: str) -> Any:
    async with httpx.AsyncClient(timeout=60) as client:
        return await client.post(
            f"{system.api}/v1/tenants/{tenant}/commands",
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


async def test_whoever_asks_never_gets_more_than_there_is(system: System, tenant: str) -> None:
    """All workers are asked at once: 20 times a tenth of what can be allocated."""
    others = [f"{tenant}-{number}" for number in range(20)]
    answers = await asyncio.gather(
        *(command(system, name, {"quota_mb": 184}, wait="true", wait_ms="60000") for name in others)
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
