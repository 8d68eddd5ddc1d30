"""Clients as they are used, not as they are made."""

import asyncio

from streams.runtime import clients


async def test_a_reader_that_nobody_uses_cancels_nobody(kafka: str) -> None:
    async def look_in() -> str:
        async with clients.reader(kafka):
            pass
        return "done"

    assert await asyncio.gather(look_in(), return_exceptions=True) == ["done"]
