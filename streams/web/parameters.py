"""Parameters and documented errors that several routes share."""

import base64
import binascii
from typing import Annotated, Any

from litestar.openapi.datastructures import ResponseSpec
from litestar.params import PathParameter, QueryParameter

from streams.core.errors import ApiError, Refused
from streams.core.tenant import is_tenant
from streams.web.problems import MEDIA_TYPE, Problem

MAX_WAIT_MS = 120_000

Documented = dict[int, ResponseSpec]

Tenant = Annotated[str, PathParameter(description="1 to 128 of A-Z a-z 0-9 . _ -, not . or ..")]
After = Annotated[
    list[str] | None,
    QueryParameter(
        description="Wait until this record of an input topic is folded: "
        "`<topic>:<partition>:<offset>`, as POST answered it",
    ),
]
WaitMs = Annotated[
    int,
    QueryParameter(description="How long to wait before 504 not_reflected", ge=0, le=MAX_WAIT_MS),
]
Limit = Annotated[int, QueryParameter(description="Items of a page", ge=1, le=500)]
Cursor = Annotated[str | None, QueryParameter(description="`next` of the page before")]

_DESCRIPTIONS = {
    400: "A parameter is wrong: bad_request",
    403: "Not a program of this machine: forbidden",
    404: "There is none: not_found",
    409: "Refused after it was accepted (`code` is the DLQ's), rejected: resource_error, or its id "
    "is another event's, or the version is another: conflict",
    413: "The body is over 1 MiB, or a value of state over 64 KiB: too_large",
    422: "Refused by the decoder; `code` is the DLQ's",
    503: "Not served at the moment: not_ready",
    504: "Not folded in time: not_reflected",
}


def answers(model: Any, description: str, *errors: int, status: int = 200) -> Documented:
    """Documented answers of a route: the success's model, and problem documents."""
    success = ResponseSpec(data_container=model, generate_examples=False, description=description)
    return {status: success} | problems(*errors)


def problems(*statuses: int) -> Documented:
    """Documented errors of a route."""
    return {
        status: ResponseSpec(
            data_container=Problem,
            media_type=MEDIA_TYPE,
            generate_examples=False,
            description=_DESCRIPTIONS[status],
        )
        for status in statuses
    }


def check_tenant(tenant: str) -> None:
    """Refuse names that can be no tenant's.

    Raises
    ------
    Refused
        bad_tenant.
    """
    if not is_tenant(tenant):
        raise Refused("bad_tenant", "a tenant is 1 to 128 of A-Z a-z 0-9 . _ -, not . or ..")


def to_cursor(listing: str, key: bytes | None) -> str | None:
    """Cursor that continues a list after the row at ``key``."""
    if key is None:
        return None
    return base64.urlsafe_b64encode(listing.encode() + b":" + key).decode().rstrip("=")


def from_cursor(listing: str, tenant: str, cursor: str | None) -> bytes | None:
    """Key in a cursor; it must be one that this list gave to this tenant.

    Raises
    ------
    ApiError
        400 bad_request.
    """
    if cursor is None:
        return None
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    name, _, key = raw.partition(b":")
    # Keys are kind, tenant, zero byte, rest: another tenant's rows are out of a cursor's reach.
    if name != listing.encode() or not key[2:].startswith(tenant.encode() + b"\x00"):
        raise ApiError(400, "bad_request", "cursor: not one of this list")
    return key
