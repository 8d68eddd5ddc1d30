"""A TCP proxy between workers and a broker that drops, delays, stalls and throttles by a seed.

A broker says where it is, so it must say the proxy's address: it has a second listener for those
who come by the proxy (streams/dev/kafka.py). Whose a connection is shows the kernel's table of
sockets, so that one worker alone can be cut off.
"""

import asyncio
import contextlib
import os
import random
import socket
import struct
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

PIECE = 1 << 16
LIVES_BYTES = 4_000
"""A connection lives for at most so many more bytes while they are cut."""
LONGEST_DELAY_S = 0.12
RATE = 60_000
"""Bytes a second of each connection and direction that is throttled."""
KINDS = ("cut", "refuse", "stall", "delay", "throttle")


@dataclass(eq=False)
class Line:
    """One connection through the proxy."""

    owner: str
    writers: tuple[asyncio.StreamWriter, asyncio.StreamWriter]
    left: int | None = None
    """Bytes until it is cut."""

    def cut(self, *, reset: bool = False) -> None:
        for writer in self.writers:
            if reset:
                sock = writer.get_extra_info("socket")
                with contextlib.suppress(OSError):
                    # Without lingering the kernel answers with RST instead of FIN.
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


@dataclass
class Weather:
    """What happens to connections at the moment, shared by all proxies of a run.

    Attributes
    ----------
    kind : str
        One of `KINDS`, or nothing.
    on : str
        Owner of the connections that it happens to; empty: all.
    hits : Counter
        How often each kind has befallen a connection or a piece of it.
    """

    draw: random.Random
    kind: str = ""
    on: str = ""
    hits: Counter[str] = field(default_factory=Counter)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def turn(self, kind: str = "", on: str = "") -> None:
        """Change; what is stalled goes on."""
        self.kind, self.on = kind, on
        self._changed.set()
        self._changed = asyncio.Event()

    def befalls(self, owner: str, *kinds: str) -> bool:
        return self.kind in kinds and self.on in ("", owner)

    async def passing(self, line: Line, size: int) -> None:
        """Hold a piece for as long as the weather has it."""
        while self.befalls(line.owner, "stall"):
            self.hits["stall"] += 1
            await self._changed.wait()
        if self.befalls(line.owner, "delay"):
            self.hits["delay"] += 1
            await asyncio.sleep(self.draw.uniform(0, LONGEST_DELAY_S))
        elif self.befalls(line.owner, "throttle"):
            self.hits["throttle"] += 1
            await asyncio.sleep(size / RATE)


class Proxy:
    """Listens at ``port`` and brings what it gets to ``to``, as the weather has it.

    Parameters
    ----------
    owner_of : callable
        Name of who has the other end of a connection from this port of 127.0.0.1.
    """

    def __init__(
        self, port: int, to: int, weather: Weather, owner_of: Callable[[int], str]
    ) -> None:
        self.port = port
        self._to = to
        self._weather = weather
        self._owner_of = owner_of
        self._lines: set[Line] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> "Proxy":
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for line in list(self._lines):
            line.cut()
        await asyncio.sleep(0)

    def strike(self) -> None:
        """Let the weather befall the connections that there are."""
        weather = self._weather
        for line in list(self._lines):
            if weather.befalls(line.owner, "refuse"):
                weather.hits["refuse"] += 1
                line.cut(reset=weather.draw.random() < 0.5)
            elif weather.befalls(line.owner, "cut"):
                line.left = weather.draw.randrange(LIVES_BYTES)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        weather = self._weather
        owner = self._owner_of(writer.get_extra_info("peername")[1])
        if weather.befalls(owner, "refuse"):
            weather.hits["refuse"] += 1
            writer.transport.abort()
            return
        try:
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            writer.transport.abort()
            return
        line = Line(owner, (writer, to_writer))
        if weather.befalls(owner, "cut"):
            line.left = weather.draw.randrange(LIVES_BYTES)
        self._lines.add(line)
        try:
            # Cancelled with the run: nobody asks this task how it ended.
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(
                    self._pump(line, reader, to_writer), self._pump(line, to_reader, writer)
                )
        finally:
            self._lines.discard(line)
            line.cut()

    async def _pump(
        self, line: Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Bring pieces over until one side ends; then nothing more comes back either."""
        with contextlib.suppress(OSError):
            while piece := await reader.read(PIECE):
                await self._weather.passing(line, len(piece))
                if line.left is not None:
                    if not self._weather.befalls(line.owner, "cut"):
                        line.left = None
                    elif line.left < len(piece):
                        # In the middle of a request or an answer, mostly.
                        writer.write(piece[: line.left])
                        self._weather.hits["cut"] += 1
                        break
                    else:
                        line.left -= len(piece)
                writer.write(piece)
                await writer.drain()
        with contextlib.suppress(OSError):
            await writer.drain()
        line.cut(reset=line.left is not None and self._weather.draw.random() < 0.5)


def owner_of(port: int, processes: Iterable[tuple[str, int]]) -> str:
    """Name of the process, of some (name, process id), that connects from a port of 127.0.0.1."""
    inode = _inode(port)
    wanted = f"socket:[{inode}]"
    for name, pid in processes:
        with contextlib.suppress(OSError):
            for handle in os.scandir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    if os.readlink(handle.path) == wanted:
                        return name
    return ""


def _inode(port: int) -> str:
    local = f"0100007F:{port:04X}"
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        # A closed connection of the same port may linger: it is nobody's.
        if fields[1] == local and fields[9] != "0":
            return fields[9]
    return ""
