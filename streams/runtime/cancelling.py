"""Tells a cancellation that somebody asked for from one that only looks like it."""

import asyncio


def asked() -> bool:
    """Whether somebody wants the running task to end.

    Whoever waits for a future that a client has cancelled gets the same CancelledError. A task that
    took it for its own end would be gone without a word, and what it does with it.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class Stray(Exception):
    """A CancelledError that nobody asked for, as the failure that it is."""

    def __init__(self) -> None:
        super().__init__("what was waited for was cancelled")
