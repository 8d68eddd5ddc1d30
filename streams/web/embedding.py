"""Vectors of questions, for the other workers: not for users, and not in the OpenAPI document."""

import msgspec
from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import SkipValidation

from streams.core.errors import ApiError
from streams.ports import QueryEmbedder
from streams.web.intake import decode
from streams.web.reading import FORWARDED
from streams.web.tenants import AnyRequest

EMBED_PATH = "/internal/embed"


class Text(msgspec.Struct, frozen=True):
    """What is posted."""

    text: str


class Embedded(msgspec.Struct, frozen=True):
    """What is answered; the data is base64."""

    model: str
    scale: float
    data: bytes


class Model(msgspec.Struct, frozen=True):
    """The model of this process, if it has one."""

    embedder: QueryEmbedder | None


TheModel = NamedDependency[SkipValidation[Model]]

_text = msgspec.json.Decoder(Text)


@post(EMBED_PATH, status_code=200, include_in_schema=False)
async def embed(request: AnyRequest, model: TheModel) -> Response[bytes]:
    """Embed a question, here and now."""
    if FORWARDED not in request.headers:
        raise ApiError(403, "forbidden", "for workers only")
    if model.embedder is None:
        raise ApiError(503, "not_ready", "this worker has no model")
    text = decode(_text, await request.body(), '{"text"}')
    vector = await model.embedder.embed_query(text.text)
    body = msgspec.json.encode(Embedded(vector.model, vector.scale, vector.data))
    return Response(body, media_type="application/json")
