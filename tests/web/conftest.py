"""An API over fakes: one app for all tests, since making one takes long; its fakes begin anew."""

from collections.abc import AsyncIterator

import httpx
import pytest
from litestar import Litestar

from streams.web.app import create_app

from .fakes import NOW, PARTITIONS, FakeCluster, FakeDecoder, FakeFinder, FakeProducer
from .servers import SETTINGS, client_of
from .whole import Whole


class Fakes:
    """What the one app rests on."""

    def __init__(self) -> None:
        self.cluster = FakeCluster()
        self.producer = FakeProducer()
        self.decoder = FakeDecoder()
        self.app: Litestar = create_app(
            cluster=self.cluster,
            producer=self.producer,
            check=self.decoder,
            settings=SETTINGS,
            finder=FakeFinder(),
            clock=lambda: NOW,
        )


@pytest.fixture(scope="session")
def _fakes() -> Fakes:
    return Fakes()


@pytest.fixture
def cluster(_fakes: Fakes) -> FakeCluster:
    """All partitions are here."""
    _fakes.cluster.__init__(*range(PARTITIONS))  # type: ignore[misc]
    return _fakes.cluster


@pytest.fixture
def producer(_fakes: Fakes) -> FakeProducer:
    _fakes.producer.__init__()  # type: ignore[misc]
    return _fakes.producer


@pytest.fixture
def decoder(_fakes: Fakes) -> FakeDecoder:
    _fakes.decoder.__init__()  # type: ignore[misc]
    return _fakes.decoder


@pytest.fixture
async def api(
    _fakes: Fakes, cluster: FakeCluster, producer: FakeProducer, decoder: FakeDecoder
) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(_fakes.app) as client:
        yield client


@pytest.fixture(scope="session")
def _whole() -> Whole:
    return Whole()


@pytest.fixture
def whole(_whole: Whole) -> Whole:
    """Empty again."""
    _whole.begin_anew()
    return _whole
