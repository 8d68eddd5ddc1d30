"""From an HTTP request to the records it asks to produce (CloudEvents HTTP binding, or bare data).

What is wrong with an event is said by admit's decoder, not here: this only takes requests apart.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar
from urllib.parse import unquote

import msgspec

from streams.core import openlineage
from streams.core.errors import Refused
from streams.topology import JOB_EVENTS

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
JSON = "application/json"
SOURCE = "/api"
"""``source`` of events that come as bare data."""

T = TypeVar("T")
Header = tuple[str, bytes]
Check = Callable[[str, bytes | None, bytes | None, Sequence[Header]], None]
"""Admit's decoder: (short topic, key, value, headers); raises Refused."""

_MARKS = ("specversion", "id", "source", "type")
_DATA = ("data", "data_base64", "datacontenttype")


class Draft(msgspec.Struct, frozen=True):
    """A record to produce: binary mode, key = tenant."""

    source: str
    id: str
    value: bytes
    headers: tuple[Header, ...]


class Intake(msgspec.Struct, frozen=True):
    """What a request asks to produce, all of it checked."""

    drafts: list[Draft]
    batch: bool


class _Command(msgspec.Struct):
    type: str
    data: msgspec.Raw = msgspec.Raw(b"")


_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_many = msgspec.json.Decoder(list[msgspec.Raw])
_command = msgspec.json.Decoder(_Command)
_scalar = msgspec.json.Decoder(str | int | bool | None)
_base64 = msgspec.json.Decoder(bytes)


class Taker(msgspec.Struct, frozen=True):
    """Takes requests for one topic and tenant apart.

    Attributes
    ----------
    topic : str
        Short name.
    bare_type : str, optional
        Type of an event that comes as bare data; None: the body is ``{"type", "data"}``.
    check : callable
        Admit's decoder; sees each event as it came and as it is going to be produced.
    new_id : callable
        Makes the id of bare data that has no Idempotency-Key.
    """

    topic: str
    tenant: str
    bare_type: str | None
    check: Check
    new_id: Callable[[], str]

    def take_in(self, headers: Mapping[str, str], body: bytes) -> Intake:
        """Take a request apart; ``headers`` are in lower case.

        Raises
        ------
        Refused
            With the DLQ's code, for the first event that is wrong.
        """
        content_type = headers.get("content-type", "")
        media_type = content_type.partition(";")[0].strip().lower()
        traceparent = headers.get("traceparent")
        if media_type == BATCH:
            return Intake(self._batch(body, traceparent), True)
        if media_type == STRUCTURED:
            return Intake([self._structured(body, content_type, traceparent)], False)
        marks = {name[3:]: unquote(text) for name, text in headers.items() if name[:3] == "ce-"}
        value = body
        if not any(mark in marks for mark in _MARKS):
            if self.topic == JOB_EVENTS and (lineage := openlineage.find(body)) is not None:
                return Intake([self._openlineage(lineage, body)], False)
            event_type, content_type = self.bare_type, JSON
            if event_type is None:
                command = decode(_command, body, '{"type", "data"}')
                event_type, value = command.type, bytes(command.data)
            marks |= {
                "specversion": "1.0",
                "id": headers.get("idempotency-key") or self.new_id(),
                "source": SOURCE,
                "type": event_type,
            }
        return Intake([self._draft(marks, value, content_type or JSON, traceparent)], False)

    def _openlineage(self, event: openlineage.Event, body: bytes) -> Draft:
        """As it came: what an OpenLineage client posts; the path says whose it is."""
        headers = (("ce_tenant", self.tenant.encode()), ("content-type", JSON.encode()))
        self.check(self.topic, None, body, headers)
        source, event_id = openlineage.identity(event)
        return Draft(source, event_id, body, headers)

    def _batch(self, body: bytes, traceparent: str | None) -> list[Draft]:
        drafts = []
        events: list[msgspec.Raw] = decode(_many, body, "an array of CloudEvents")
        for index, event in enumerate(events):
            try:
                drafts.append(self._structured(bytes(event), STRUCTURED, traceparent))
            except Refused as error:
                raise Refused(error.code, f"event {index}: {error.message}") from None
        return drafts

    def _structured(self, body: bytes, content_type: str, traceparent: str | None) -> Draft:
        as_it_came = [("content-type", content_type.encode())]
        self.check(self.topic, self.tenant.encode(), body, as_it_came)
        members = decode(_members, body, "a CloudEvent, a JSON object")
        attributes = {}
        for name, raw in members.items():
            if name not in _DATA and (text := _text(name, raw)) is not None:
                attributes[name] = text
        value = bytes(members.get("data", b""))
        if (encoded := members.get("data_base64")) is not None and not value:
            value = decode(_base64, encoded, "base64 as data_base64")
        data_type = members.get("datacontenttype")
        data_text = None if data_type is None else _text("datacontenttype", data_type)
        return self._draft(attributes, value, data_text or JSON, traceparent)

    def _draft(
        self, attributes: dict[str, str], value: bytes, content_type: str, traceparent: str | None
    ) -> Draft:
        if attributes.pop("tenant", self.tenant) != self.tenant:
            raise Refused("tenant_mismatch", "the event's tenant is not the one of the path")
        traceparent = attributes.pop("traceparent", traceparent)
        headers = [(f"ce_{name}", text.encode()) for name, text in attributes.items()]
        headers.append(("ce_tenant", self.tenant.encode()))
        headers.append(("content-type", content_type.encode()))
        if traceparent is not None:
            headers.append(("traceparent", traceparent.encode()))
        self.check(self.topic, self.tenant.encode(), value, headers)
        source, event_id = attributes.get("source", ""), attributes.get("id", "")
        return Draft(source, event_id, value, tuple(headers))


def _text(name: str, raw: msgspec.Raw) -> str | None:
    """Attribute as the text of a header; None for null, which means absent."""
    value = decode(_scalar, raw, f"a text, a whole number or a boolean as {name}")
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)


def decode(decoder: msgspec.json.Decoder[T], body: bytes | msgspec.Raw, what: str) -> T:
    """Decode a part of a request; ``what`` was expected.

    Raises
    ------
    Refused
        schema or not_json.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError:
        raise Refused("schema", f"expected {what}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refused("not_json", f"not JSON; expected {what}") from None
