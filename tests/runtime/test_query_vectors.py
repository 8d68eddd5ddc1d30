"""A question's vector, whatever the workers that have a model do."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable

import httpx
import pytest

from streams.core.log import Vector
from streams.runtime import query_vectors
from streams.runtime.ownership import Ownership, embedder_record
from streams.runtime.query_vectors import QueryVectors
from streams.settings import Settings
from streams.web.embedding import EMBED_PATH
from streams.web.reading import FORWARDED

VECTOR = Vector("m", 0.5, b"\x01\xff")
BODY = {"model": "m", "scale": 0.5, "data": base64.b64encode(b"\x01\xff").decode()}


class Workers:
    """Answers for each host; ``None`` is one that is not there."""

    def __init__(self, **answers: Callable[[], httpx.Response] | None) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.vectors = QueryVectors({name: f"http://{name}:1" for name in answers}, self._client)

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self._answer))

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host
        self.asked.append(host)
        assert (request.url.path, request.headers[FORWARDED]) == (EMBED_PATH, "1")
        assert json.loads(request.content) == {"text": "why?"}
        answer = self.answers[host]
        if answer is None:
            raise httpx.ConnectError("nothing there")
        return answer()


def good() -> httpx.Response:
    return httpx.Response(200, json=BODY)


def slow() -> httpx.Response:
    raise httpx.ReadTimeout("too slow")


async def test_without_a_model_there_is_no_vector() -> None:
    assert await Workers().vectors.of("why?") is None


@pytest.mark.parametrize(
    "bad",
    [
        None,
        lambda: httpx.Response(503, json={}),
        lambda: httpx.Response(200, content=b"<html>"),
        lambda: httpx.Response(200, json={"model": "m"}),
    ],
)
async def test_the_next_worker_is_asked_when_one_gives_none(
    bad: Callable[[], httpx.Response] | None,
) -> None:
    workers = Workers(a=bad, b=bad, c=good)
    assert await workers.vectors.of("why?") == VECTOR
    alone = Workers(a=bad)
    assert await alone.vectors.of("why?") is None
    assert await alone.vectors.of("why?") is None
    assert alone.asked == ["a", "a"]


async def test_workers_take_turns() -> None:
    workers = Workers(a=good, b=good)
    for _ in range(4):
        await workers.vectors.of("why?")
    assert sorted(workers.asked) == ["a", "a", "b", "b"]


async def test_a_model_that_is_too_slow_is_left_alone_for_a_while(
    monkeypatch: pytest.MonkeyPatch, until: Callable[..., Awaitable[None]]
) -> None:
    workers = Workers(a=slow)
    monkeypatch.setattr(query_vectors, "REST_SECONDS", 0.05)
    assert [await workers.vectors.of("why?") for _ in range(3)] == [None] * 3
    assert workers.asked == ["a"]
    workers.answers["a"] = good
    await until(lambda: workers.vectors.of("why?"))
    await workers.vectors.stop()


async def test_it_waits_no_longer_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    hanging = asyncio.Event()

    class Hanging(Workers):
        async def _answer(self, request: httpx.Request) -> httpx.Response:
            await hanging.wait()
            return good()

    monkeypatch.setattr(query_vectors, "SECONDS", 0.01)
    async with asyncio.timeout(10):
        assert await Hanging(a=good).vectors.of("why?") is None


def test_the_owners_topic_tells_where_a_model_is() -> None:
    settings = Settings(worker="w1")
    ownership = Ownership(settings)
    for url in ("http://a:1", "http://b:1"):
        told = embedder_record(settings, url)
        assert told.key is not None
        ownership._note(told.key, told.value)
    assert ownership.embedders == {"w1": "http://b:1"}
    gone = embedder_record(settings, None)
    assert gone.key is not None
    ownership._note(gone.key, gone.value)
    assert ownership.embedders == {}
