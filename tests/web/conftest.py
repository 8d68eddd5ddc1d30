"""An API over fakes, and two real servers for what goes between processes."""

from collections.abc import AsyncIterator

import httpx
import pytest

from streams.web.app import create_app

from .fakes import NOW, PARTITIONS, FakeCluster, FakeDecoder, FakeProducer
from .servers import SETTINGS

BASE = "http://127.0.0.1"


@pytest.fixture
def cluster() -> FakeCluster:
    """All partitions are here."""
    return FakeCluster(*range(PARTITIONS))


@pytest.fixture
def producer() -> FakeProducer:
    return FakeProducer()


@pytest.fixture
def decoder() -> FakeDecoder:
    return FakeDecoder()


@pytest.fixture
async def api(
    cluster: FakeCluster, producer: FakeProducer, decoder: FakeDecoder
) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(
        cluster=cluster, producer=producer, check=decoder, settings=SETTINGS, clock=lambda: NOW
    )
    # In the test's own event loop, so that a test can act while a request waits; the lifespan is
    # left to the tests with real servers. The app answers a bug with a problem document, so the
    # client must not raise it.
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        yield client
