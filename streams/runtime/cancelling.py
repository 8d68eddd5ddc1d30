"""Tells a cancellation that somebody asked for from one that only looks like it."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


class Stray(Exception):
    """A CancelledError that nobody asked for, as the failure that it is."""


async def unless_stray(awaitable: Awaitable[T]) -> T:
    """Await what a lasting task does in a turn.

    Whoever waits for a future that a client has cancelled gets the same CancelledError as one who
    is to end. A task that took it for its own end would be gone without a word.

    Raises
    ------
    Stray
        In the place of a CancelledError, where nobody wants the running task to end.
    """
    try:
        return await awaitable
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise Stray("what was waited for was cancelled") from error
