"""Lines of a file as events for Kafka: JSON lines as `send` takes them, and the Azure trace."""

from hashlib import sha256

import msgspec

from streams import topology
from streams.core.errors import Misuse
from streams.core.inputs import COMMAND_TYPES
from streams.core.job_events import run_key
from streams.core.time import format_time, parse_time

SOURCE = "/send"

TOPIC_OF_TYPE = {
    "agent.message": topology.AGENT_MESSAGES,
    "job.run": topology.JOB_EVENTS,
    "context.request": topology.CONTEXT_REQUESTS,
} | dict.fromkeys(COMMAND_TYPES, topology.TENANT_COMMANDS)
"""Topic (short name) by event type; what a version does not serve yet, its admit answers."""

AZURE_HEADER = b"TIMESTAMP,ContextTokens,GeneratedTokens"


class Event(msgspec.Struct, frozen=True):
    """A binary CloudEvent and the line it came from."""

    number: int
    """Line number, from 1."""
    topic: str
    """Short name."""
    tenant: str
    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes]]


class _Line(msgspec.Struct, frozen=True):
    type: str
    tenant: str
    data: msgspec.Raw
    id: str | None = None
    source: str | None = None
    time: str | None = None


_decode_line = msgspec.json.Decoder(_Line).decode


class LineIds:
    """Ids of lines that bring none: the same file gives the same ids, equal lines in it differ.

    Examples
    --------
    >>> first, again = LineIds(), LineIds()
    >>> a, b = first(b"x"), first(b"x")
    >>> a != b, (a, b) == (again(b"x"), again(b"x"))
    (True, True)
    """

    def __init__(self) -> None:
        self._seen: dict[bytes, int] = {}

    def __call__(self, line: bytes) -> str:
        digest = sha256(line)
        short = digest.digest()[:16]
        before = self._seen.get(short, 0)
        self._seen[short] = before + 1
        digest.update(b"\n%d" % before)
        return digest.hexdigest()


class JsonLines:
    """Turns JSON lines {"type", "tenant", "data", "id"?, "source"?, "time"?} into events."""

    def __init__(self) -> None:
        self._ids = LineIds()

    def event(self, number: int, line: bytes) -> Event | None:
        """Event of a line, None for a blank one.

        Raises
        ------
        Misuse
            Not JSON, not of this shape, or of a type that has no topic. What the data must be is
            admit's to say.
        """
        line = line.strip()
        if not line:
            return None
        try:
            given = _decode_line(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Misuse(f"line {number}: {error}") from None
        topic = TOPIC_OF_TYPE.get(given.type)
        if topic is None:
            raise Misuse(f"line {number}: no topic takes events of type {given.type!r}")
        value = bytes(given.data)
        if len(value) > topology.INPUT_TOPIC_BYTES - 65_536:
            raise Misuse(f"line {number}: {len(value)} bytes of data, more than the topic takes")
        return compose(
            number,
            topic,
            given.type,
            given.tenant,
            given.id if given.id is not None else self._ids(line),
            SOURCE if given.source is None else given.source,
            given.time,
            value,
        )


class AzureTrace:
    """Turns rows of the Azure LLM inference trace into metered calls of one tenant and model."""

    def __init__(self, tenant: str, provider: str, model: str) -> None:
        self._ids = LineIds()
        self._tenant = tenant
        self._names = {"gen_ai.provider.name": provider, "gen_ai.request.model": model}

    def event(self, number: int, line: bytes) -> Event | None:
        """Event of a row, None for the header and for a blank line.

        Raises
        ------
        Misuse
            Not a row of the trace, or the first line is not its header.
        """
        line = line.strip()
        if number == 1:
            if line.removeprefix(b"\xef\xbb\xbf") != AZURE_HEADER:
                raise Misuse(f"line 1: not the trace's header {AZURE_HEADER.decode()}")
            return None
        if not line:
            return None
        try:
            moment, context, generated = line.decode("ascii").split(",")
            time = format_time(parse_time(f"{moment}Z"))
            usage = self._names | {
                "gen_ai.usage.input_tokens": int(context),
                "gen_ai.usage.output_tokens": int(generated),
            }
        except ValueError as error:
            raise Misuse(f"line {number}: not a row of the trace: {error}") from None
        value = msgspec.json.encode({"usage": usage})
        return compose(
            number,
            topology.AGENT_MESSAGES,
            "agent.message",
            self._tenant,
            self._ids(line),
            SOURCE,
            time,
            value,
        )


def compose(
    number: int,
    topic: str,
    type_: str,
    tenant: str,
    id_: str,
    source: str,
    time: str | None,
    value: bytes,
) -> Event:
    """Put one event together: a binary CloudEvent, keyed as its topic asks."""
    headers = [
        ("content-type", b"application/json"),
        ("ce_specversion", b"1.0"),
        ("ce_id", id_.encode()),
        ("ce_source", source.encode()),
        ("ce_type", type_.encode()),
        ("ce_tenant", tenant.encode()),
    ]
    if time is not None:
        headers.append(("ce_time", time.encode()))
    key = run_key(value) if topic == topology.JOB_EVENTS else tenant.encode()
    return Event(number, topic, tenant, key, value, headers)
