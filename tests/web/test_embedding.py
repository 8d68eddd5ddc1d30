"""The vectors that workers ask each other for."""

import base64

import httpx
import pytest
from litestar import Litestar

from streams.core.log import Vector
from streams.web.app import create_app
from streams.web.embedding import EMBED_PATH
from streams.web.reading import FORWARDED

from .fakes import FakeCluster, FakeDecoder, FakeFinder, FakeProducer
from .servers import SETTINGS, client_of


class Model:
    async def embed_query(self, text: str) -> Vector:
        return Vector("m", 0.5, text.encode())


def app(model: Model | None) -> Litestar:
    return create_app(
        cluster=FakeCluster(),
        producer=FakeProducer(),
        check=FakeDecoder(),
        settings=SETTINGS,
        finder=FakeFinder(),
        embedder=model,
    )


@pytest.fixture(scope="module")
def with_model() -> Litestar:
    return app(Model())


async def asked(app: Litestar, body: object, **headers: str) -> httpx.Response:
    async with client_of(app) as client:
        return await client.post(EMBED_PATH, json=body, headers=headers)


async def test_a_worker_gets_a_vector(with_model: Litestar) -> None:
    answer = await asked(with_model, {"text": "why?"}, **{FORWARDED: "1"})
    data = base64.b64encode(b"why?").decode()
    assert (answer.status_code, answer.json()) == (200, {"model": "m", "scale": 0.5, "data": data})


async def test_others_get_none(with_model: Litestar) -> None:
    answer = await asked(with_model, {"text": "why?"})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_what_is_no_question_is_refused(with_model: Litestar) -> None:
    answer = await asked(with_model, {"text": 1}, **{FORWARDED: "1"})
    assert (answer.status_code, answer.json()["code"]) == (422, "schema")


async def test_a_worker_without_a_model_says_so() -> None:
    answer = await asked(app(None), {"text": "why?"}, **{FORWARDED: "1"})
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
