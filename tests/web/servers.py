"""The API on real sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import uvicorn
from litestar import Litestar

from streams.settings import Settings
from streams.web.app import create_app

from .fakes import PARTITIONS, FakeCluster, FakeDecoder, FakeFinder, FakeProducer

SETTINGS = Settings(topic_prefix="x-", partitions=PARTITIONS)


@asynccontextmanager
async def server(cluster: FakeCluster) -> AsyncIterator[str]:
    """Serve a cluster's API; yields its URL."""
    app = create_app(
        cluster=cluster,
        producer=FakeProducer(),
        check=FakeDecoder(),
        settings=SETTINGS,
        finder=FakeFinder(),
    )
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="on")
    running = uvicorn.Server(config)
    serving = asyncio.ensure_future(running.serve())
    try:
        await until(lambda: running.started)
        port = running.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        running.should_exit = True
        await serving


def client_of(app: Litestar) -> httpx.AsyncClient:
    """Client in the test's own event loop, so that a test can act while a request waits.

    The app answers a bug with a problem document; so the client must not raise it. The lifespan is
    left to the tests with real servers.
    """
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")


def client() -> httpx.AsyncClient:
    """Client without TLS, which takes a quarter of a second to get ready."""
    return httpx.AsyncClient(verify=False, trust_env=False)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what others do has no event
            await asyncio.sleep(0.005)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
