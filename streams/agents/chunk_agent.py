"""The Faust agents: they hand chunks on and never wait, so no partition holds up another."""

from collections.abc import Awaitable, Callable
from typing import Any


def chunk_agent(deliver: Callable[[str, int, Any], None]) -> Callable[[Any], Awaitable[None]]:
    """Make an agent function.

    Parameters
    ----------
    deliver : callable
        Takes topic (full name), partition and chunk; returns at once.
    """

    async def agent(stream: Any) -> None:
        async for event in stream.events():
            message = event.message
            deliver(message.topic, message.partition, event.value)

    return agent
