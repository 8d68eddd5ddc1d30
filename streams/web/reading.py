"""Answers for any tenant: here if this process folds it, else from the worker that does."""

import asyncio
import re
import ssl
from collections.abc import Callable, Sequence
from inspect import isawaitable
from typing import Any

import httpx
import msgspec

from streams import topology
from streams.core.errors import ApiError, StoreLost
from streams.core.ids import partition_of
from streams.ports import Cluster, LocalPartition
from streams.settings import Settings
from streams.usage import read

FORWARDED = "X-Streams-Forwarded"
"""Says that the request has been forwarded once already; twice would be a loop."""
MOVING_SECONDS = 2.0
"""How long a read without ``after`` waits for a partition that is between two owners."""
PAUSE_SECONDS = 0.05

Compute = Callable[[LocalPartition], Any]
"""Makes an answer, or what it can be awaited from; raises StoreLost when the partition goes."""

_JSON = {"content-type": "application/json"}
_POSITION = re.compile(r"([A-Za-z0-9._-]+):(\d{1,9}):(\d{1,18})", re.ASCII)


class Position(msgspec.Struct, frozen=True):
    """A record of an input topic."""

    topic: str
    """Name in the topology, without prefix."""
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}:{self.partition}:{self.offset}"


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One read, so that it can be answered here or sent on as it is."""

    tenant: str
    path: str
    params: tuple[tuple[str, str], ...] = ()
    """Query parameters, without ``after`` and ``wait_ms``."""
    after: tuple[Position, ...] = ()
    wait_seconds: float = 5.0
    forwarded: bool = False
    body: bytes | None = None
    """What was posted, JSON; None: it is a GET."""


def internal_client() -> httpx.AsyncClient:
    """Client for what workers ask each other.

    They are on this machine or in its cluster: a proxy of the environment is never meant. They
    speak plain HTTP; a context without authorities fails closed and costs no start-up time.
    """
    return httpx.AsyncClient(
        trust_env=False,
        verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        limits=httpx.Limits(max_connections=1000, max_keepalive_connections=50),
    )


def position(text: str, settings: Settings) -> Position:
    """Read ``<topic>:<partition>:<offset>``, the topic with or without the prefix.

    Raises
    ------
    ApiError
        Not of that form, or not an input topic.
    """
    match = _POSITION.fullmatch(text)
    if match is None:
        raise ApiError(400, "bad_request", "after: expected <topic>:<partition>:<offset>")
    given, partition, offset = match.groups()
    for short in topology.INPUTS:
        if given in (short, topology.name(settings, short)):
            return Position(short, int(partition), int(offset))
    raise ApiError(400, "bad_request", f"after: {given} is not an input topic")


class Reading:
    """Answers questions about tenants.

    Parameters
    ----------
    cluster : Cluster
        Who folds what.
    client : httpx.AsyncClient
        Asks the other workers.
    """

    def __init__(self, cluster: Cluster, settings: Settings, client: httpx.AsyncClient) -> None:
        self.cluster = cluster
        self.settings = settings
        self.client = client

    async def answer(self, question: Question, compute: Compute) -> bytes:
        """Answer with JSON.

        Parameters
        ----------
        compute : callable
            Makes the answer from the tenant's partition, if it turns out to be here, at once or
            after a while.

        Raises
        ------
        ApiError
            503 not_ready: nobody folds the partition; 504 not_reflected: ``after`` was not folded
            in time; 409: it was refused; or whatever the owner answered.
        """
        partition = partition_of(question.tenant, self.cluster.partitions)
        clock = asyncio.get_running_loop().time
        wait = question.wait_seconds if question.after else MOVING_SECONDS
        deadline = clock() + wait
        while True:
            left = deadline - clock()
            if (local := self.cluster.local(partition)) is not None:
                try:
                    if await self._reflected(question, partition, local, deadline):
                        made = compute(local)
                        return msgspec.json.encode(await made if isawaitable(made) else made)
                except StoreLost:
                    pass  # Taken over again here or elsewhere: ask again.
            elif question.forwarded:
                raise _not_ready(partition)
            elif (owner := self.cluster.owner(partition)) is not None:
                body = await self._forward(owner.url, question, left)
                if body is not None:
                    return body
            if deadline - clock() <= 0:
                raise _not_reflected() if question.after else _not_ready(partition)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _reflected(
        self, question: Question, partition: int, local: LocalPartition, deadline: float
    ) -> bool:
        """Wait until all of ``after`` is folded; False when the partition went away meanwhile."""
        clock = asyncio.get_running_loop().time
        for place in question.after:
            try:
                admitted = await self.cluster.admitted(
                    place.topic, place.partition, place.offset, max(0.0, deadline - clock())
                )
            except LookupError:
                raise ApiError(400, "bad_request", f"after: no partition {place}") from None
            if not admitted:
                raise _not_reflected()
            if place.topic == topology.TENANT_COMMANDS and not await self.cluster.decided(
                place.partition, place.offset, max(0.0, deadline - clock())
            ):
                raise _not_reflected()
        if question.after:
            # What admit wrote for these records lies below the log's end of now.
            end = await self.cluster.log_end(partition)
            if not await local.wait_folded(end, max(0.0, deadline - clock())):
                raise _not_reflected()
        if self.cluster.local(partition) is not local:
            return False
        for place in question.after:
            self._raise_if_refused(local, question.tenant, place)
        return True

    def _raise_if_refused(self, local: LocalPartition, tenant: str, place: Position) -> None:
        topic = topology.name(self.settings, place.topic)
        code = read.refusal(local.reader, tenant, topic, place.partition, place.offset)
        if code is not None:
            raise ApiError(409, code, f"the record at {place} was refused: {code}")

    async def _forward(self, url: str, question: Question, left: float) -> bytes | None:
        """Ask the owner; None when it is gone or does not fold the partition (any more)."""
        params: list[tuple[str, str | int | float | bool | None]] = [*question.params]
        params += [("after", str(place)) for place in question.after]
        if question.after:
            params.append(("wait_ms", str(max(0, int(left * 1000)))))
        timeout = httpx.Timeout(max(left, 0.0) + 10.0, connect=1.0)
        try:
            response = await self.client.request(
                "GET" if question.body is None else "POST",
                url.rstrip("/") + question.path,
                params=params,
                content=question.body,
                headers={FORWARDED: "1"} | ({} if question.body is None else _JSON),
                timeout=timeout,
            )
        except httpx.TransportError:
            return None
        if response.status_code == 200:
            return response.content
        error = _problem(response)
        if error.code == "not_ready":
            return None
        raise error


def _problem(response: httpx.Response) -> ApiError:
    try:
        body = response.json()
        return ApiError(response.status_code, str(body["code"]), str(body["detail"]))
    except (ValueError, KeyError, TypeError):
        return ApiError(503, "not_ready", "the partition's owner gave no proper answer")


def _not_ready(partition: int) -> ApiError:
    return ApiError(503, "not_ready", f"no worker serves partition {partition} at the moment")


def _not_reflected() -> ApiError:
    return ApiError(504, "not_reflected", "not folded in time; ask again or raise wait_ms")


def positions(texts: Sequence[str] | None, settings: Settings) -> tuple[Position, ...]:
    """Read all values of ``after``."""
    return tuple(position(text, settings) for text in texts or ())
