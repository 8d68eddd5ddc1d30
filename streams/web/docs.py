"""The OpenAPI document and a page that shows it without any network (RapiDoc, shipped here)."""

import gzip
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

import msgspec
from litestar import Litestar, Request, Response, Router, get
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import OpenAPIRenderPlugin
from litestar.openapi.spec import License, Tag
from litestar.response import Redirect

from streams import __version__
from streams.core.errors import ApiError
from streams.web import openapi, problems

SCRIPT = "rapidoc-9.3.8.min.js"

_PAGE = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Agent Streams API</title>
<link rel="icon" href="data:,">
<script type="module" src="/schema/{SCRIPT}"></script>
</head>
<body>
<rapi-doc spec-url="/openapi.json" load-fonts="false" show-header="false"
  render-style="focused" theme="light" primary-color="#0b6e4f" nav-bg-color="#f5f7f6"
  regular-font="system-ui, sans-serif" mono-font="ui-monospace, monospace"
  schema-style="table" default-schema-tab="example" allow-server-selection="false"
  allow-authentication="false" allow-spec-url-load="false" allow-spec-file-load="false">
</rapi-doc>
</body>
</html>
"""
_SECURITY = {
    "Content-Security-Policy": (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
}


class _Page(OpenAPIRenderPlugin):
    """The page at /schema."""

    def __init__(self) -> None:
        super().__init__(path="/")

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        return _PAGE.encode()

    def receive_router(self, router: Router) -> None:
        router.register(script)


def _finish(response: Response[Any]) -> Response[Any]:
    """Litestar's own 404 below /schema is a page; ours is a problem document."""
    if response.status_code == 404:
        return problems.respond(ApiError(404, "not_found", "Not Found"))
    response.headers.update(_SECURITY)
    return response


def config() -> OpenAPIConfig:
    """What the OpenAPI document says beyond the routes."""
    return OpenAPIConfig(
        title="Agent Streams",
        version=__version__,
        summary="Exactly-once budgets and usage for fleets of AI agents, from Kafka.",
        description=(
            "Money is a decimal string in US dollars, times are RFC 3339 in UTC. Any worker "
            "answers for any tenant. Lists are newest first and paged by `cursor`. A read with "
            "`after=<topic>:<partition>:<offset>` waits until that record is folded, so that you "
            "read your own writes. Errors are problem documents (RFC 9457) with a `code`."
        ),
        license=License(name="Apache-2.0", identifier="Apache-2.0"),
        tags=[
            Tag(name="write", description="Send events and commands."),
            Tag(name="read", description="A tenant's usage, budgets, alerts, audit and runs."),
            Tag(name="service", description="Health, metrics and partitions."),
        ],
        operation_id_creator=lambda handler, _method, _path: handler.handler_name,
        openapi_router=Router(
            "/schema", route_handlers=[], include_in_schema=False, after_request=_finish
        ),
        render_plugins=[_Page()],
    )


@cache
def _script() -> tuple[bytes, bytes]:
    packed = files("streams.web").joinpath("static", f"{SCRIPT}.gz").read_bytes()
    return packed, gzip.decompress(packed)


@get(f"/{SCRIPT}", include_in_schema=False, sync_to_thread=False)
def script(request: Request[Any, Any, Any]) -> Response[bytes]:
    packed, plain = _script()
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
    zipped = "gzip" in request.headers.get("accept-encoding", "")
    if zipped:
        headers["Content-Encoding"] = "gzip"
    return Response(packed if zipped else plain, media_type="text/javascript", headers=headers)


@lru_cache(maxsize=1)
def _document(app: Litestar) -> bytes:
    return msgspec.json.encode(openapi.document(app))


@get("/openapi.json", include_in_schema=False, sync_to_thread=False)
def openapi_json(request: Request[Any, Any, Any]) -> Response[bytes]:
    return Response(_document(request.app), media_type="application/json")


@get("/", include_in_schema=False, sync_to_thread=False)
def root() -> Redirect:
    """Until there is a dashboard, the docs."""
    return Redirect("/schema")
