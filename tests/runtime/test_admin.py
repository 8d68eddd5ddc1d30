"""The admin client among brokers of which one has just ended."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka.errors import KafkaConnectionError, NodeNotReadyError

from streams.runtime.admin import Admin


class Nodes:
    """The client below: three brokers, of which some can't be reached."""

    def __init__(self, *failing: Exception) -> None:
        self.cluster = SimpleNamespace(
            brokers=lambda: [SimpleNamespace(nodeId=i) for i in (1, 2, 3)]
        )
        self.failing = dict(enumerate(failing, 1))
        self.asked: list[int] = []

    async def send(self, node: int, request: str) -> str:
        self.asked.append(node)
        if node in self.failing:
            raise self.failing[node]
        return f"{node} answers {request}"


@asynccontextmanager
async def admin(nodes: Nodes) -> AsyncIterator[Admin]:
    client = Admin(bootstrap_servers="127.0.0.1:1")
    client._client = cast(Any, nodes)
    yield client


async def test_asks_on_until_one_can_be_reached() -> None:
    nodes = Nodes(NodeNotReadyError(), KafkaConnectionError())
    async with admin(nodes) as client:
        for _ in range(20):  # in another order each time
            assert await client._send_request("metadata") == "3 answers metadata"
    assert set(nodes.asked) == {1, 2, 3}


async def test_fails_when_none_can() -> None:
    nodes = Nodes(NodeNotReadyError(), NodeNotReadyError(), NodeNotReadyError())
    async with admin(nodes) as client:
        with pytest.raises(NodeNotReadyError):
            await client._send_request("metadata")
    assert sorted(nodes.asked) == [1, 2, 3]


async def test_asks_no_other_than_the_one_that_is_named() -> None:
    nodes = Nodes(NodeNotReadyError())
    async with admin(nodes) as client:
        with pytest.raises(NodeNotReadyError):
            await client._send_request("offsets", 1)
    assert nodes.asked == [1]


async def test_does_not_repeat_what_a_broker_refused() -> None:
    nodes = Nodes(*(ValueError("refused") for _ in range(3)))
    async with admin(nodes) as client:
        with pytest.raises(ValueError, match="refused"):
            await client._send_request("metadata")
    assert len(nodes.asked) == 1
