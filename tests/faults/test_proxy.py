"""The TCP proxy lets through what it should, and each kind of weather befalls what it should."""

import asyncio
import contextlib
import os
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from tests.faults.proxy import Proxy, Weather, owner_of

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def proxied(owner: str = "me") -> AsyncIterator[tuple[Proxy, Weather]]:
    """A proxy before a server that echoes."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(1 << 16):
            writer.write(piece)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    weather = Weather(random.Random(1))
    try:
        to = server.sockets[0].getsockname()[1]
        async with Proxy(0, to, weather, lambda _: owner) as proxy:
            yield proxy, weather
    finally:
        server.close()


async def connect(proxy: Proxy) -> Streams:
    return await asyncio.open_connection("127.0.0.1", proxy.port)


async def said(streams: Streams, data: bytes) -> bytes:
    reader, writer = streams
    writer.write(data)
    return await reader.readexactly(len(data))


async def test_bytes_pass_in_both_directions() -> None:
    async with proxied() as (proxy, weather):
        streams = await connect(proxy)
        data = random.Random(2).randbytes(300_000)
        assert await said(streams, data) == data
        assert not weather.hits


async def test_what_is_refused_ends_and_can_come_again_later() -> None:
    async with proxied() as (proxy, weather):
        reader, writer = await connect(proxy)
        assert await said((reader, writer), b"before") == b"before"
        weather.turn("refuse", "me")
        proxy.strike()
        for streams in ((reader, writer), await connect(proxy)):
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await said(streams, b"lost")
        assert weather.hits["refuse"] == 2
        weather.turn()
        assert await said(await connect(proxy), b"again") == b"again"


async def test_a_connection_is_cut_in_the_middle() -> None:
    async with proxied() as (proxy, weather):
        reader, writer = await connect(proxy)
        weather.turn("cut")
        proxy.strike()
        writer.write(bytes(200_000))
        found = 0
        # Without an error where it ends by FIN, with one where by RST.
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(1 << 16):
                found += len(piece)
        assert found < 200_000
        assert weather.hits["cut"] == 1


async def test_what_is_stalled_comes_when_the_weather_turns(
    until: Callable[..., Awaitable[None]],
) -> None:
    async with proxied() as (proxy, weather):
        streams = await connect(proxy)
        weather.turn("stall", "me")
        answer = asyncio.create_task(said(streams, b"late"))
        await until(lambda: weather.hits["stall"])
        assert not answer.done()
        weather.turn()
        assert await answer == b"late"


@pytest.mark.parametrize("kind", ["delay", "throttle"])
async def test_slow_weather_changes_no_byte(kind: str) -> None:
    async with proxied() as (proxy, weather):
        weather.turn(kind)
        assert await said(await connect(proxy), b"slow") == b"slow"
        assert weather.hits[kind] == 2


async def test_weather_befalls_only_whom_it_is_for() -> None:
    async with proxied("another") as (proxy, weather):
        streams = await connect(proxy)
        weather.turn("refuse", "me")
        proxy.strike()
        assert await said(streams, b"passes") == b"passes"
        assert not weather.hits


def test_the_kernel_tells_whose_a_connection_is() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname()) as client:
            port = client.getsockname()[1]
            assert owner_of(port, [("other", 1), ("this", os.getpid())]) == "this"
        assert owner_of(port, []) == ""
