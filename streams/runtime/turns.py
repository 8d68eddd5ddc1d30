"""What a process does again and again for as long as it runs."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from streams.runtime.cancelling import unless_stray


class Turns:
    """Has a turn every so many seconds, until it is stopped.

    One that fails is told and is not the last: ended by it, nobody would go on, or hear of it.

    Parameters
    ----------
    failed : str
        What is told then, with what was raised, on the logger.
    """

    def __init__(
        self,
        turn: Callable[[], Awaitable[object]],
        seconds: float,
        *,
        name: str,
        log: logging.Logger,
        failed: str,
    ) -> None:
        self._turn = turn
        self._seconds = seconds
        self._name = name
        self._log = log
        self._failed = failed
        self._task: asyncio.Task[None] | None = None

    @property
    def began(self) -> bool:
        """Whether it was started."""
        return self._task is not None

    def start(self) -> None:
        """Begin: the first turn is after a pause."""
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def stop(self) -> None:
        """End, also within a turn."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            try:
                await unless_stray(self._turn())
            except Exception:
                self._log.exception(self._failed)
