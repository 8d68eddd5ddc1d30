"""An agent's state, through any worker and over the death of all of them."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from .conftest import Installation
from .system import System


async def put(system: System, tenant: str, key: str, api: str = "", **body: Any) -> Any:
    url = system.tenant(tenant, f"agents/a%2F1/state/{key}?wait_ms=30000", api)
    return await system.http.put(url, json=body)


async def test_any_worker_sets_reads_and_deletes(
    system: System, tenant: str, until: Callable[..., Awaitable[None]]
) -> None:
    urls = [worker.url for worker in system.workers.values()]
    for number, url in enumerate(urls, 1):
        answer = await put(system, tenant, "phase", url, value={"n": number}, if_version=number - 1)
        assert answer.status_code == 200, answer.text
        for other in urls:
            read = await system.http.get(system.tenant(tenant, "agents/a%2F1/state/phase", other))
            assert read.content == answer.content
    stale = await put(system, tenant, "phase", value=0, if_version=1)
    assert (stale.status_code, stale.json()["code"]) == (409, "conflict")
    gone = await system.http.delete(system.tenant(tenant, "agents/a%2F1/state/phase?wait_ms=30000"))
    assert gone.json()["version"] == len(urls)
    assert (await put(system, tenant, "lease", value="mine", ttl_seconds=1)).status_code == 200

    async def expired() -> bool:
        url = system.tenant(tenant, "agents/a%2F1/state/lease", urls[0])
        return bool((await system.http.get(url)).status_code == 404)

    await until(expired)
    assert (await system.get(tenant, "agents/a%2F1/state"))["items"] == []


@pytest.mark.deep
async def test_the_command_says_what_the_api_says(system: System, tenant: str) -> None:
    done = await system.done(
        "state", "set", tenant, "a", "k", '{"loss": 1.50}', "--if-version", "0"
    )
    assert done == await system.done("state", "get", tenant, "a", "k")
    ended = await system.cli("state", "get", tenant, "a", "k")
    assert ended.out == '{"loss":1.50}\n'
    ended = await system.cli("state", "set", tenant, "a", "k", "2", "--if-version", "0")
    assert (ended.code, len(ended.err.splitlines())) == (1, 1)
    listed = await system.done("state", "list", tenant, "a")
    assert [(item["key"], item["version"]) for item in listed["items"]] == [("k", 1)]
    await system.done("state", "delete", tenant, "a", "k")
    assert (await system.cli("state", "get", tenant, "a", "k")).code == 1
    actions = [item["action"] for item in (await system.get(tenant, "audit"))["items"]]
    assert actions == ["state.deleted", "state.set", "state.set"]


@pytest.mark.deep
async def test_state_survives_a_restart_of_all_workers(installation: Installation) -> None:
    async with installation() as system:
        value = {"text": "x" * 65_000, "step": 1200}
        first = await put(system, "t1", "checkpoint", value=value)
        await put(system, "t1", "gone", value=1)
        await system.http.delete(system.tenant("t1", "agents/a%2F1/state/gone?wait_ms=30000"))
        for worker in system.workers.values():
            await worker.kill()
        await asyncio.gather(*(worker.start() for worker in system.workers.values()))
        await system.ready()
        read = await system.http.get(system.tenant("t1", "agents/a%2F1/state/checkpoint"))
        assert read.content == first.content
        assert json.loads(read.content)["value"] == value
        stale = await put(system, "t1", "checkpoint", value=0, if_version=0)
        assert stale.status_code == 409
        assert (await put(system, "t1", "checkpoint", value=0, if_version=1)).json()["version"] == 2
        assert (await put(system, "t1", "gone", value=0, if_version=0)).json()["version"] == 2
