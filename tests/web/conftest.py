"""An API over fakes, and two real servers for what goes between processes."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from litestar.testing import AsyncTestClient

from streams.settings import Settings
from streams.web.app import create_app

from .fakes import NOW, PARTITIONS, FakeCluster, FakeDecoder, FakeProducer

SETTINGS = Settings(topic_prefix="x-", partitions=PARTITIONS)
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
) -> AsyncIterator[AsyncTestClient[Any]]:
    app = create_app(
        cluster=cluster, producer=producer, check=decoder, settings=SETTINGS, clock=lambda: NOW
    )
    # The app answers a bug with a problem document; the client must not raise it instead.
    async with AsyncTestClient(app, base_url=BASE, raise_server_exceptions=False) as client:
        yield client
