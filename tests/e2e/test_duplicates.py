"""Users' duplicates: the same source and id count once, wherever they come from."""

from collections.abc import Iterable

import msgspec
import pytest
from agents.malformed import GOOD

from .system import System


def lines(tenant: str, ids: Iterable[str], source: str = "/dup") -> bytes:
    return b"\n".join(
        msgspec.json.encode(
            {"type": "agent.message", "tenant": tenant, "id": i, "source": source, "data": GOOD}
        )
        for i in ids
    )


async def calls(system: System, tenant: str) -> int:
    total: int = (await system.done("usage", tenant))["total"]["calls"]
    return total


@pytest.mark.deep
async def test_twice_in_one_batch_and_across_sends(system: System, tenant: str) -> None:
    twice = lines(tenant, ["a", "b", "a", "a"])
    assert (await system.done("send", "-", "--wait", stdin=twice))["sent"] == 4
    assert await calls(system, tenant) == 2
    more = lines(tenant, ["b", "c"]) + b"\n" + lines(tenant, ["a"], source="/other")
    await system.done("send", "-", "--wait", stdin=more)
    assert await calls(system, tenant) == 4
    # The same id is another tenant's own.
    await system.done("send", "-", "--wait", stdin=lines(f"{tenant}-2", ["a"]))
    assert await calls(system, f"{tenant}-2") == 1
