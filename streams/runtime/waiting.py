"""Readers that wait until something is folded and committed."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from aiokafka.errors import KafkaError

from streams.core.errors import StoreLost

NUDGE_SECONDS = 0.03
"""So long a reader waits before it asks whether the log ends with a transaction's mark."""


class Waiting:
    """Who waits for offsets of one store; ``offset`` tells the last one that is committed."""

    def __init__(self, offset: Callable[[], int]) -> None:
        self.nudge: Callable[[], Awaitable[None]] | None = None
        """Appends a tick to the log."""
        self.closed = False
        self._offset = offset
        self._moved = asyncio.Condition()

    async def until(self, next_offset: int, timeout: float) -> bool:
        """Wait until everything below an offset is committed; False when time ran out.

        Raises
        ------
        StoreLost
            The store was closed meanwhile.
        """
        if not self.closed and self._offset() + 1 >= next_offset:
            return True
        nudging = asyncio.create_task(self._nudge_later())
        try:
            async with asyncio.timeout(timeout), self._moved:
                await self._moved.wait_for(lambda: self.closed or self._offset() + 1 >= next_offset)
        except TimeoutError:
            return False
        finally:
            nudging.cancel()
        if self.closed:
            raise StoreLost("the partition is being taken over")
        return True

    async def moved(self) -> None:
        """Tell them that more is committed."""
        async with self._moved:
            self._moved.notify_all()

    async def close(self) -> None:
        """Tell them that the store is closed."""
        self.closed = True
        await self.moved()

    async def _nudge_later(self) -> None:
        """See to it that the log does not end with the mark of a transaction.

        Marks have offsets, but nobody is handed one: only the next record moves the store past it.
        """
        await asyncio.sleep(NUDGE_SECONDS)
        if self.nudge is not None:
            with contextlib.suppress(KafkaError):
                await self.nudge()
