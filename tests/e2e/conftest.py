"""One running installation for tests that only use it, one of its own for those that break it."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial

import pytest
from aiokafka import AIOKafkaProducer

from streams.settings import Settings

from .system import System, running


@pytest.fixture(scope="session")
async def producer(kafka: str) -> AsyncIterator[AIOKafkaProducer]:
    client = AIOKafkaProducer(bootstrap_servers=kafka, max_request_size=8 << 20)
    await client.start()
    yield client
    await client.stop()


@pytest.fixture(scope="session")
async def system(
    kafka: str, producer: AIOKafkaProducer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[System]:
    """An admit and two fold workers over four partitions; each test takes tenants of its own."""
    settings = Settings(
        kafka=kafka,
        topic_prefix="e2e-",
        group="e2e-streams",
        partitions=4,
        data=str(tmp_path_factory.mktemp("e2e")),
        tick_seconds=0.2,
    )
    async with running(settings, producer, folds=2) as shared:
        yield shared


Installation = Callable[..., AbstractAsyncContextManager[System]]


@pytest.fixture
def installation(settings: Settings, producer: AIOKafkaProducer) -> Installation:
    """``async with installation()``: an installation of this test's own."""
    return partial(running, settings, producer)


@pytest.fixture
def tenant(request: pytest.FixtureRequest) -> str:
    """Tenant that no other test uses."""
    return "".join(c if c.isalnum() else "-" for c in request.node.name)[:100]
