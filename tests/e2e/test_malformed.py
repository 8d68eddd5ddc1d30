"""Malformed records between good ones, on real topics: each dead-lettered, nothing stopped."""

import asyncio
import json
from typing import Any

import pytest
from agents.malformed import MALFORMED, good, marks

from streams.topology import AGENT_MESSAGES, JOB_EVENTS, TENANT_COMMANDS, dlq

from .system import At, System

PREFIX = "__streams.errors."
ERRORS = {*(f"{PREFIX}{n}" for n in ("exception", "message", "topic", "partition", "offset"))}
ERRORS |= {"error_code"}


def without_errors(headers: Any) -> list[tuple[str, bytes]]:
    return [header for header in headers if header[0] not in ERRORS]


async def test_each_is_dead_lettered_and_the_good_ones_count(system: System, tenant: str) -> None:
    key = tenant.encode()
    places: list[At] = []
    last = [At(system.name(AGENT_MESSAGES), p, -1) for p in range(system.settings.partitions)]
    for number, bad in enumerate(MALFORMED):
        partition = number % system.settings.partitions
        places.append(await system.send(AGENT_MESSAGES, bad.key, bad.value, bad.headers, partition))
        event = marks(ce_id=str(number).encode())
        last[partition] = await system.send(AGENT_MESSAGES, key, good(), event, partition)
    usage = await system.get(tenant, "usage", after=[str(at) for at in last], wait_ms=60000)
    assert usage["total"]["calls"] == len(MALFORMED)
    assert usage["total"]["input_tokens"] == 1200 * len(MALFORMED)

    def place(record: Any) -> tuple[str, int, int]:
        headers = {name: value.decode() for name, value in record.headers if name in ERRORS}
        at = [headers[f"{PREFIX}{name}"] for name in ("topic", "partition", "offset")]
        return at[0], int(at[1]), int(at[2])

    found = {place(record): record for record in await system.records(dlq(AGENT_MESSAGES))}
    for bad, at in zip(MALFORMED, places, strict=True):
        record = found[at]
        headers = dict(record.headers)
        assert headers["error_code"] == bad.code.encode(), bad.name
        assert headers.keys() >= ERRORS, bad.name
        assert (record.key, record.value) == (bad.key, bad.value), bad.name
        assert without_errors(record.headers) == bad.headers, bad.name
        assert headers[f"{PREFIX}message"].decode().strip(), bad.name
        assert headers[f"{PREFIX}exception"].decode().endswith("Refused"), bad.name
    assert all(state["state"] == "running" for state in await system.partitions())
    for worker in system.workers.values():
        assert (await system.readyz(worker))[0] == 200, worker.name


@pytest.mark.parametrize(
    ("short", "value", "code"),
    [
        (TENANT_COMMANDS, {"budget_id": "b", "limit_usd": "-1", "period": "day"}, "schema"),
        (TENANT_COMMANDS, {"budget_id": "b", "limit_usd": "1", "period": "year"}, "schema"),
        (JOB_EVENTS, {"job": {"namespace": "n", "name": "j"}, "state": "START"}, "schema"),
    ],
)
async def test_each_topic_has_its_own(
    system: System, tenant: str, short: str, value: dict[str, Any], code: str
) -> None:
    kind = b"job.run" if short == JOB_EVENTS else b"budget.set"
    headers = marks(ce_type=kind, ce_tenant=tenant.encode())
    at = await system.send(short, tenant.encode(), json.dumps(value).encode(), headers)
    answer = await system.http.get(
        system.tenant(tenant, "audit"), params={"after": str(at), "wait_ms": 30000}
    )
    assert (answer.status_code, answer.json()["code"]) == (409, code)
    (record,) = await system.of_tenant(dlq(short), tenant)
    assert dict(record.headers)["error_code"] == code.encode()
    assert record.value == json.dumps(value).encode()


async def test_a_refusal_is_told_only_to_its_tenant(system: System, tenant: str) -> None:
    at = await system.send(AGENT_MESSAGES, tenant.encode(), b"nothing", marks())
    theirs, mine = await asyncio.gather(
        *(
            system.http.get(
                system.tenant(name, "usage"), params={"after": str(at), "wait_ms": 30000}
            )
            for name in (f"{tenant}-other", tenant)
        )
    )
    assert theirs.status_code == 200
    assert (mine.status_code, mine.json()["code"]) == (409, "not_json")
