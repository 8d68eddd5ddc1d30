"""The task that reads a partition ends when it is told to, and never else."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

from faust.types import TP

from streams.runtime.chunks import Chunk
from streams.runtime.reading import PartitionReader

Until = Callable[..., Awaitable[None]]


class Reader(PartitionReader):
    """Opens when it is let; notes what failed."""

    def __init__(self) -> None:
        super().__init__(TP("log", 0), lambda: cast(Any, None), "")
        self.gives_up_on: asyncio.Future[None] | None = None
        self.opened = 0
        self.failures: list[Exception] = []

    async def _open(self) -> None:
        self.opened += 1
        if self.gives_up_on is not None:
            await self.gives_up_on

    async def _read(self) -> None:
        await self._nudge.wait()

    async def _where(self) -> int:
        return 0

    @property
    def _next(self) -> int:
        return 0

    async def _take(self, chunk: Chunk) -> None:
        pass

    async def _failed(self, error: Exception) -> None:
        self.failures.append(error)
        self.gives_up_on = None


async def test_a_future_that_a_client_cancelled_is_a_failure_and_no_end(until: Until) -> None:
    """Seen when Kafka was cut off: partitions stayed closed for good, without a word."""
    reader = Reader()
    reader.gives_up_on = asyncio.get_running_loop().create_future()
    reader.gives_up_on.cancel()
    await until(lambda: reader.state == "running")
    assert reader.opened == 2
    assert [type(error.__cause__) for error in reader.failures] == [asyncio.CancelledError]
    await reader.stop()
    assert reader.state == "closed"


async def test_who_is_told_to_end_ends_though_it_waits() -> None:
    reader = Reader()
    reader.gives_up_on = asyncio.get_running_loop().create_future()
    await asyncio.sleep(0)
    reader._task.cancel()
    await asyncio.wait([reader._task], timeout=5)
    assert (reader.state, reader.failures) == ("closed", [])
