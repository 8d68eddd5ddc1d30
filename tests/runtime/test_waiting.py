"""Readers wait for what is committed, and ask for a tick where the log may end with a mark."""

import asyncio

import pytest

from streams.core.errors import StoreLost
from streams.runtime import waiting
from streams.runtime.waiting import Waiting


class At:
    """Where a store stands."""

    offset = 4


async def test_what_is_there_is_not_waited_for() -> None:
    one = Waiting(lambda: 4)
    assert await one.until(5, 0.0)
    assert not await one.until(6, 0.01)


async def test_one_that_moves_wakes_who_waits() -> None:
    at = At()
    one = Waiting(lambda: at.offset)
    waits = asyncio.ensure_future(one.until(7, 20))
    await asyncio.sleep(0)
    at.offset = 5
    await one.moved()
    await asyncio.sleep(0)
    assert not waits.done()
    at.offset = 6
    await one.moved()
    assert await waits


async def test_one_that_is_closed_is_lost() -> None:
    one = Waiting(lambda: 4)
    waits = asyncio.ensure_future(one.until(7, 20))
    await asyncio.sleep(0)
    await one.close()
    with pytest.raises(StoreLost):
        await waits
    with pytest.raises(StoreLost):
        await one.until(1, 20)


async def test_a_tick_moves_a_log_that_ends_with_a_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "NUDGE_SECONDS", 0.0)
    at = At()
    one = Waiting(lambda: at.offset)

    async def tick() -> None:
        at.offset += 2
        await one.moved()

    one.nudge = tick
    assert await one.until(7, 20)
    assert at.offset == 6
