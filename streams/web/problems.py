"""Every answer that is not a success is an RFC 9457 problem document with a ``code``."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from streams.core.errors import ApiError, Failed, Refused

MEDIA_TYPE = "application/problem+json"

log = logging.getLogger(__name__)

_CODES = {
    HTTPStatus.UNAUTHORIZED: "unauthorized",
    HTTPStatus.FORBIDDEN: "forbidden",
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.CONFLICT: "conflict",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "too_large",
    HTTPStatus.UNPROCESSABLE_ENTITY: "unprocessable",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limited",
    HTTPStatus.SERVICE_UNAVAILABLE: "not_ready",
}
"""``code`` of what the framework itself answers; any other 4xx is a bad_request."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Problem document (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str


class Extended(ApiError):
    """A problem with members of its own beside the usual ones."""

    def __init__(self, status: int, code: str, detail: str, extra: Mapping[str, Any]) -> None:
        super().__init__(status, code, detail)
        self.extra = extra


def document(error: ApiError) -> dict[str, Any]:
    """The problem document of an error."""
    title = HTTPStatus(error.status).phrase
    problem = Problem(title=title, status=error.status, detail=error.detail, code=error.code)
    return msgspec.structs.asdict(problem) | dict(getattr(error, "extra", {}))


def from_refusal(error: Refused) -> ApiError:
    """What admit's decoder refuses: 422 with the DLQ's code (413 where the size is the reason)."""
    too_large = error.code == "too_large"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE if too_large else HTTPStatus.UNPROCESSABLE_ENTITY
    return ApiError(status, error.code, error.message)


def respond(error: ApiError, headers: Mapping[str, str] | None = None) -> Response[bytes]:
    """Answer with a problem document."""
    return Response(
        msgspec.json.encode(document(error)),
        status_code=error.status,
        media_type=MEDIA_TYPE,
        headers=headers,
    )


def _on_api_error(_: Request[Any, Any, Any], error: ApiError) -> Response[bytes]:
    return respond(error)


def _on_refused(_: Request[Any, Any, Any], error: Refused) -> Response[bytes]:
    return respond(from_refusal(error))


def _on_failed(_: Request[Any, Any, Any], error: Failed) -> Response[bytes]:
    return respond(ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "not_ready", str(error)))


def _on_http_exception(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    status = HTTPStatus(error.status_code)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and status not in _CODES:
        return _on_bug(request, error)
    detail = _invalid(error) if isinstance(error, ValidationException) else error.detail
    code = _CODES.get(status, "bad_request")
    return respond(ApiError(status, code, detail), headers=error.headers)


def _on_bug(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    detail = "Something went wrong inside; the worker's log says what."
    return respond(ApiError(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", detail))


def _invalid(error: ValidationException) -> str:
    """Name each parameter that is wrong and why."""
    wrong = error.extra if isinstance(error.extra, list) else []
    named = [f"{item.get('key', '')}: {item['message']}" for item in wrong if "message" in item]
    return "; ".join(named) or error.detail


HANDLERS: dict[Any, Any] = {
    ApiError: _on_api_error,
    Refused: _on_refused,
    Failed: _on_failed,
    HTTPException: _on_http_exception,
    Exception: _on_bug,
}
