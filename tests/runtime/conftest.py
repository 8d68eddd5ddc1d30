"""Stores without Faust, taken over as often as a test likes."""

from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import msgspec
import pytest

from streams.runtime import topics
from streams.runtime.store import PartitionStore
from streams.settings import Settings

from .stores import Stores, take_over


@pytest.fixture
async def installed(settings: Settings) -> Settings:
    one = msgspec.structs.replace(settings, partitions=1)
    await topics.ensure(one)
    return one


@pytest.fixture
async def stores(installed: Settings, tmp_path: Path) -> AsyncIterator[Stores]:
    """Take the partition over, once more at each call; ``wiped``: on an empty disk."""
    opened: list[PartitionStore] = []
    wipes = count()

    async def again(*, wiped: bool = False) -> PartitionStore:
        while opened:
            await opened.pop().close()
        if wiped:
            (tmp_path / "state").rename(tmp_path / f"gone-{next(wipes)}")
        opened.append(await take_over(installed, tmp_path / "state"))
        return opened[0]

    yield again
    while opened:
        await opened.pop().close()
