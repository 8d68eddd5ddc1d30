"""CloudEvents 1.0 in the Kafka protocol binding, binary and structured, and whose event it is.

A record is looked at in this order, and the first thing that is wrong is the answer:

 1. ``too_large``            the value has more than 1 MiB
 2. ``not_json``             the value is empty or null
 3. ``not_cloudevent``       no marks: neither ce_specversion nor a structured content-type
 4. ``bad_encoding``         a charset other than UTF-8, a content-encoding, bytes that aren't UTF-8
 5. ``not_json``             the content-type isn't JSON, or the structured event isn't
 6. ``unsupported_version``  specversion is not 1.0
 7. ``schema``               id, source or type is missing, empty or not text
 8. ``not_json``             the data isn't JSON
 9. ``tenant_missing``, ``bad_tenant``, ``tenant_mismatch``
10. ``bad_time``
11. ``unknown_type``         the topic doesn't serve the type
12. ``schema``               the data breaks the type's schema

Step 9 is in streams/core/tenant.py; the caller, who knows the types, decodes the data (8, 11, 12).
Header names are case-sensitive in Kafka and are taken as the binding writes them.
"""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from streams.core.errors import Refused
from streams.core.time import HOUR, parse_time

MAX_BYTES = 1 << 20
"""The largest input value."""
MAX_ATTRIBUTE = 1024
"""The longest id, source or type, in characters."""
MAX_AHEAD = HOUR
"""How far an event time may lie after its receipt, microseconds."""
STRUCTURED = "application/cloudevents+json"

Headers = Sequence[tuple[str, bytes | None]]

# CloudEvents forbids control characters in every attribute.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_USED = frozenset(
    (
        "ce_specversion",
        "ce_id",
        "ce_source",
        "ce_type",
        "ce_time",
        "ce_tenant",
        "content-type",
        "content-encoding",
    )
)


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """An event's attributes, and its data as JSON text that is not decoded yet."""

    id: str
    source: str
    type: str
    time: str | None
    tenants: tuple[str, ...]
    """What ce_tenant and the extension say: none, one, or two that may differ."""
    data: bytes | msgspec.Raw


class _Structured(msgspec.Struct, gc=False):
    specversion: Any = None
    id: Any = None
    source: Any = None
    type: Any = None
    time: Any = None
    tenant: Any = None
    datacontenttype: Any = None
    data: msgspec.Raw = msgspec.Raw()
    data_base64: Any = None


_structured = msgspec.json.Decoder(_Structured)
_anything = msgspec.json.Decoder()


def check_size(value: bytes | None) -> bytes:
    """Steps 1 and 2: the value is there and not too large."""
    if not value:
        raise Refused("not_json", "the value is empty")
    if len(value) > MAX_BYTES:
        raise Refused("too_large", f"the value has {len(value)} bytes; {MAX_BYTES} are allowed")
    return value


def read_headers(headers: Headers) -> dict[str, bytes]:
    """Headers by name; one that says two different things is refused, a null one is not there."""
    found: dict[str, Any] = dict(headers)
    if len(found) != len(headers):
        for name, value in headers:
            if name in _USED and value != found[name]:
                code = "tenant_mismatch" if name == "ce_tenant" else "schema"
                raise Refused(code, f"the header {name} is there twice with different values")
    return found


def open_envelope(headers: Mapping[str, bytes], value: bytes) -> Envelope | None:
    """Read the attributes of an event: steps 3 to 7; None when there are no marks.

    Parameters
    ----------
    headers : mapping
        As `read_headers` gives them.
    value : bytes
        As `check_size` gives it.

    Raises
    ------
    Refused
        With the code of the first step that fails.
    """
    media, charset = _content_type((headers.get("content-type") or b"")[:MAX_ATTRIBUTE])
    structured = media == STRUCTURED
    version = headers.get("ce_specversion")
    if version is None and not structured:
        return None
    if charset not in ("", "utf-8"):
        raise Refused("bad_encoding", "the charset of the content-type is not UTF-8")
    encoding = headers.get("content-encoding")
    if encoding and encoding.lower() != b"identity":
        raise Refused("bad_encoding", "a content-encoding is not supported")
    check_utf8(value)
    if structured:
        return _open_structured(headers, value)
    if not _is_json(media):
        raise Refused("not_json", "the content-type is not JSON")
    if version != b"1.0":
        raise Refused("unsupported_version", "ce_specversion is not 1.0")
    time = headers.get("ce_time")
    return Envelope(
        id=identifier("ce_id", _text("ce_id", headers.get("ce_id"))),
        source=_often("ce_source", headers.get("ce_source")),
        type=_often("ce_type", headers.get("ce_type")),
        time=None if time is None else _text("ce_time", time),
        tenants=header_tenant(headers),
        data=value,
    )


def header_tenant(headers: Mapping[str, bytes]) -> tuple[str, ...]:
    """What ce_tenant says, as a tuple of none or one."""
    tenant = headers.get("ce_tenant")
    return () if tenant is None else (_text("ce_tenant", tenant),)


def _open_structured(headers: Mapping[str, bytes], value: bytes) -> Envelope:
    try:
        event = _structured.decode(value)
    except msgspec.ValidationError:
        check_json(value)
        raise Refused("schema", "a structured CloudEvent is a JSON object") from None
    except (msgspec.DecodeError, RecursionError):
        raise Refused("not_json", "the value is not JSON") from None
    if event.specversion is None:
        raise Refused("schema", "specversion is missing")
    if event.specversion != "1.0":
        raise Refused("unsupported_version", "specversion is not 1.0")
    tenants = header_tenant(headers)
    if event.tenant is not None:
        if not isinstance(event.tenant, str):
            raise Refused("schema", "the extension tenant is not text")
        tenants += (event.tenant,)
    if event.time is not None and not isinstance(event.time, str):
        raise Refused("bad_time", "time is not text")
    return Envelope(
        id=identifier("id", event.id),
        source=identifier("source", event.source),
        type=identifier("type", event.type),
        time=event.time,
        tenants=tenants,
        data=_structured_data(event),
    )


def _structured_data(event: _Structured) -> bytes | msgspec.Raw:
    content_type = event.datacontenttype
    if content_type is not None:
        if not isinstance(content_type, str):
            raise Refused("schema", "datacontenttype is not text")
        media, charset = _content_type(content_type.encode()[:MAX_ATTRIBUTE])
        if charset not in ("", "utf-8"):
            raise Refused("bad_encoding", "the charset of datacontenttype is not UTF-8")
        if not _is_json(media):
            raise Refused("not_json", "datacontenttype is not JSON")
    if event.data_base64 is None:
        if not bytes(event.data):
            raise Refused("schema", "data is missing")
        return event.data
    if bytes(event.data):
        raise Refused("schema", "data and data_base64 exclude each other")
    try:
        data = b64decode(event.data_base64, validate=True)
    except (Base64Error, TypeError, ValueError):
        raise Refused("schema", "data_base64 is not base64") from None
    check_utf8(data)
    return data


def check_utf8(value: bytes) -> None:
    """Refuse bytes that are not UTF-8."""
    if not value.isascii():
        try:
            value.decode()
        except UnicodeDecodeError:
            raise Refused("bad_encoding", "the value is not UTF-8") from None


def check_json(value: bytes | msgspec.Raw) -> Any:
    """Decode any JSON; None when it is JSON that holds a number beyond all bounds.

    Raises
    ------
    Refused
        ``not_json``.
    """
    try:
        return _anything.decode(value)
    except msgspec.ValidationError:
        return None
    except (msgspec.DecodeError, RecursionError):
        raise Refused("not_json", "the value is not JSON") from None


def event_time(text: str | None, timestamp: int, received: int) -> int:
    """Step 10: the event time in microseconds.

    Parameters
    ----------
    text : str or None
        What the event says (RFC 3339).
    timestamp : int
        The record's Kafka timestamp, which counts when the event says nothing.
    received : int
        When it was received.
    """
    try:
        time = timestamp if text is None else parse_time(text)
    except (ValueError, OverflowError):
        raise Refused("bad_time", "the event time is not RFC 3339 with a zone") from None
    if time < 0:
        raise Refused("bad_time", "the event time is before 1970")
    if time > received + MAX_AHEAD:
        raise Refused("bad_time", "the event time is more than an hour after receipt")
    return time


def identifier(name: str, value: object) -> str:
    """An id, source or type: text that is there, not too long, without control characters."""
    if value is None or value == "":
        raise Refused("schema", f"{name} is missing or empty")
    if not isinstance(value, str):
        raise Refused("schema", f"{name} is not text")
    # No control character is printable, and few texts have anything that is not.
    if len(value) > MAX_ATTRIBUTE or (not value.isprintable() and _CONTROL.search(value)):
        raise Refused("schema", f"{name} is longer than {MAX_ATTRIBUTE} or has control characters")
    return value


@lru_cache(maxsize=4096)
def _often(name: str, raw: bytes | None) -> str:
    """Few sources and types make many events: each is checked once."""
    return identifier(name, _text(name, raw))


def _text(name: str, raw: bytes | None) -> str:
    try:
        return (raw or b"").decode()
    except UnicodeDecodeError:
        raise Refused("bad_encoding", f"the header {name} is not UTF-8") from None


@lru_cache(maxsize=1024)
def _content_type(raw: bytes) -> tuple[str, str]:
    """Media type (JSON when there is none) and charset ("" when there is none), lower case."""
    media, *parameters = raw.decode("utf-8", "replace").lower().split(";")
    charset = ""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset":
            charset = value.strip().strip('"')
    return media.strip() or "application/json", "utf-8" if charset == "utf8" else charset


def _is_json(media: str) -> bool:
    return media in ("application/json", "text/json") or media.endswith("+json")
