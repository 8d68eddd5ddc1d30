"""An S3 server as it is on a bad day: in front of a real one, by a seed.

It reads requests and answers, so that it can answer 500 and 503 SlowDown, cut bodies, forget to
answer, say that an object is missing, and serve an old listing or another object's bytes.
"""

import asyncio
import contextlib
import random
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import urlsplit

KINDS = ("error", "slow_down", "unanswered", "cut", "stall", "missing", "stale", "flipped", "down")
LONGEST_STALL_S = 6.0
_HEAD_END = b"\r\n\r\n"
_ERRORS = {
    "error": ("500 Internal Server Error", "InternalError"),
    "slow_down": ("503 Service Unavailable", "SlowDown"),
    "missing": ("404 Not Found", "NoSuchKey"),
}


@dataclass(frozen=True)
class Request:
    """What a client asks for."""

    method: str
    target: str
    headers: dict[str, str]
    head: bytes
    body: bytes

    @property
    def lists(self) -> bool:
        return self.method == "GET" and "list-type=" in urlsplit(self.target).query

    @property
    def reads(self) -> bool:
        """Whether it is about one object's content."""
        return self.method in ("GET", "HEAD") and not self.lists

    @property
    def fetches(self) -> bool:
        return self.method == "GET" and not self.lists


@dataclass
class BadDay:
    """What befalls requests at the moment: each one's share is drawn."""

    draw: random.Random
    kind: str = ""
    share: float = 0.0
    hits: Counter[str] = field(default_factory=Counter)
    unreachable: int = 0
    """Requests that the server behind did not answer."""

    def turn(self, kind: str = "", share: float = 0.0) -> None:
        self.kind, self.share = kind, share

    def befalls(self, request: Request) -> bool:
        may_be = {"missing": request.reads, "flipped": request.fetches, "stale": request.lists}
        return may_be.get(self.kind, bool(self.kind)) and self.draw.random() < self.share


class BucketProxy:
    """Listens at ``port``, in front of an S3 server at another port of 127.0.0.1."""

    def __init__(self, port: int, to: int, day: BadDay) -> None:
        self.port = port
        self._to = to
        self._day = day
        self._listings: dict[str, bytes] = {}
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> "BucketProxy":
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._open):
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            # Cancelled with the run: nobody asks this task how it ended.
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                if self._day.kind == "down" and self._day.draw.random() < self._day.share:
                    self._day.hits["down"] += 1
                    return
                while await self._one(reader, writer):
                    pass
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Serve a request; whether the connection may be used for another."""
        day = self._day
        request = await _read(reader, writer, cut=day)
        if request is None:
            return False
        kind = day.kind if day.kind != "down" and day.befalls(request) else ""
        if kind == "stall":
            day.hits[kind] += 1
            await asyncio.sleep(day.draw.uniform(0.5, LONGEST_STALL_S))
        if kind in _ERRORS:
            day.hits[kind] += 1
            writer.write(_error(kind, request))
            await writer.drain()
            return True
        answer = await self._forwarded(request)
        if not answer:
            day.unreachable += 1
            return False
        if request.lists:
            answer = self._listed(request, answer, stale=kind == "stale")
        head, _, body = answer.partition(_HEAD_END)
        if kind == "unanswered":
            day.hits[kind] += 1
            return False
        if kind == "cut" and body:
            day.hits[kind] += 1
            answer = head + _HEAD_END + body[: day.draw.randrange(len(body))]
        if kind == "flipped" and body:
            day.hits[kind] += 1
            at = day.draw.randrange(len(body))
            answer = b"".join((head, _HEAD_END, body[:at], bytes((body[at] ^ 1,)), body[at + 1 :]))
        writer.write(answer)
        await writer.drain()
        # The server behind was asked to close, and says so in its answer.
        writer.write_eof()
        return False

    async def _forwarded(self, request: Request) -> bytes:
        """Return the whole answer of the server behind, nothing when it does not answer."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            return b""
        try:
            writer.write(request.head + request.body)
            return await reader.read()
        except OSError:
            return b""
        finally:
            writer.transport.abort()

    def _listed(self, request: Request, answer: bytes, *, stale: bool) -> bytes:
        """Return the listing, or the one before it where that was another one."""
        before = self._listings.get(request.target)
        if (
            stale
            and before is not None
            and before.partition(_HEAD_END)[2] != answer.partition(_HEAD_END)[2]
        ):
            self._day.hits["stale"] += 1
            return before
        if not stale:
            self._listings[request.target] = answer
        return answer


async def _read(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, cut: BadDay
) -> Request | None:
    """Read a request; None where the client has ended or the body was cut."""
    try:
        head = await reader.readuntil(_HEAD_END)
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head[: -len(_HEAD_END)].decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    pairs = [line.split(":", 1) for line in lines]
    headers = {name.lower(): value.strip() for name, value in pairs}
    assert "transfer-encoding" not in headers, "no client here sends chunks"
    size = int(headers.get("content-length", 0))
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    if size and cut.kind == "cut" and cut.draw.random() < cut.share:
        await reader.readexactly(cut.draw.randrange(size))
        cut.hits["cut"] += 1
        return None
    body = await reader.readexactly(size)
    # Neither of the two is signed.
    kept = [line for line in lines if line.split(":")[0].lower() not in ("expect", "connection")]
    onward = "\r\n".join([first, *kept, "Connection: close"]).encode("latin-1") + _HEAD_END
    return Request(method, target, headers, onward, body)


def _error(kind: str, request: Request) -> bytes:
    status, code = _ERRORS[kind]
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>a bad day</Message></Error>"
    content = b"" if request.method == "HEAD" else body.encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {len(content)}"
    return head.encode() + _HEAD_END + content
