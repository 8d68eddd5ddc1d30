"""Serves the API inside a worker's own event loop."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator, Sequence

import uvicorn

from streams.agents.admit import Incoming, admit
from streams.core.errors import Misuse
from streams.core.log import Origin
from streams.ports import Cluster, Finder, Producer, QueryEmbedder
from streams.runtime.processes import loopback_address
from streams.runtime.unpriced import Unpriced
from streams.settings import Settings
from streams.web.app import create_app, wall_clock

STOP_S = 3.0


def listen(bind: str) -> socket.socket:
    """Open the socket of the API.

    Raises
    ------
    Misuse
        Not ``host:port``, in use, or not loopback: without tokens the API is for this machine only.
    """
    host, number = loopback_address(bind)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, number))
    except OSError as error:
        listening.close()
        raise Misuse(f"can't listen on {bind}: {error.strerror}") from None
    listening.listen(128)
    return listening


def url_of(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the worker's."""
        yield


@contextlib.asynccontextmanager
async def serving(
    listening: socket.socket,
    settings: Settings,
    cluster: Cluster,
    producer: Producer,
    finder: Finder,
    embedder: QueryEmbedder | None = None,
) -> AsyncIterator[None]:
    """Serve the API until the context ends."""

    def check(
        topic: str, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]]
    ) -> None:
        now = wall_clock()
        incoming = Incoming(topic, key, value, headers, now, now, Origin(topic, 0, 0, 0))
        admit(incoming, Unpriced(), settings.namespace_tenants)

    app = create_app(
        cluster=cluster,
        producer=producer,
        check=check,
        settings=settings,
        finder=finder,
        embedder=embedder,
    )
    server = _Server(
        uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=1)
    )
    task = asyncio.create_task(server.serve(sockets=[listening]), name="http")
    while not server.started:
        if task.done():
            task.result()
            raise RuntimeError("the API ended while starting")
        await asyncio.sleep(0.005)
    try:
        yield
    finally:
        server.should_exit = True
        with contextlib.suppress(TimeoutError, asyncio.CancelledError):
            await asyncio.wait_for(task, STOP_S)
