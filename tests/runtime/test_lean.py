"""How long a consumer rests before a fetch, by what the last one of the same broker brought."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from streams.runtime import lean
from streams.runtime.lean import BEHIND_BYTES, REST_S, GatheringConsumer


async def test_rests_before_a_fetch_for_what_the_last_one_of_that_broker_brought(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps: list[Any] = []

    async def sleep(seconds: float) -> None:
        steps.append(round(seconds, 4))

    async def fetch(assignment: Any, node: int, brought: int) -> bool:
        steps.append(f"fetch {node}")
        return True

    consumer = GatheringConsumer(bootstrap_servers="localhost:1")
    monkeypatch.setattr(lean.asyncio, "sleep", sleep)
    monkeypatch.setattr(lean, "_unwrap", lambda results: brought)
    consumer._fetcher = SimpleNamespace(_records={})
    rest_and_fetch = consumer._wrapped(fetch)
    for node, brought in [
        (1, 1000),  # two records: the next fetch hardly waits
        (2, 0),
        (1, 10_000),
        (1, BEHIND_BYTES - 1),
        (2, 0),
        (1, BEHIND_BYTES),  # a backlog: no rest
        (1, 0),
    ]:
        assert await rest_and_fetch(None, node, brought)
    rests = [step for step in steps if not isinstance(step, str)]
    assert rests == [0, 0, 0.004, 0.04, 0, REST_S, 0]
    assert steps[::2] == rests
    assert steps[1::2] == [f"fetch {node}" for node in (1, 2, 1, 1, 2, 1, 1)]


async def test_a_fetch_that_is_cancelled_while_it_rests_ends_as_one_without_news() -> None:
    """aiokafka's fetcher cancels and awaits it when it closes: an error would end the closing."""

    async def fetch(*_: Any) -> bool:
        raise AssertionError("fetched after it was cancelled")

    consumer = GatheringConsumer(bootstrap_servers="localhost:1")
    consumer._rest[1] = 3600.0
    resting = asyncio.create_task(consumer._wrapped(fetch)(None, 1, None))
    await asyncio.sleep(0)
    resting.cancel()
    assert await resting is False
