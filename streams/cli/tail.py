"""`streams tail`: the records of a topic as they come, without a consumer group."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator

import click
import msgspec

from streams import topology
from streams.cli.client import find_kafka, json_option, kafka_option, settings_for
from streams.core.errors import Failed, Misuse
from streams.core.time import format_time
from streams.settings import Settings

_POLL_MS = 200
_QUIET_SECONDS = 1.0


class Tailed(msgspec.Struct, frozen=True):
    """One record of a topic, as ``--json`` prints it."""

    key: str | None
    headers: dict[str, str]
    value: msgspec.Raw | str | None


@click.command()
@click.argument("topic")
@click.option(
    "--from",
    "start",
    type=click.Choice(["latest", "earliest"]),
    default="latest",
    show_default=True,
    help="Where to begin.",
)
@click.option(
    "--max", "limit", type=click.IntRange(min=1), metavar="N", help="End after N records."
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    metavar="S",
    help="End after S seconds, and after all that was there at the start.",
)
@kafka_option
@json_option
def tail(
    topic: str,
    start: str,
    limit: int | None,
    timeout: float | None,
    kafka: str | None,
    as_json: bool,
) -> None:
    """Print the committed records of TOPIC as they come; Ctrl-C ends it.

    TOPIC may be given without the installation's prefix.

    \b
    Example:
      streams tail budget.alerts.v1
      streams tail budget.alerts.v1 --from earliest --max 4 --timeout 10 --json
    """
    settings = settings_for(kafka=kafka)
    bootstrap = find_kafka(settings)
    asyncio.run(_tail(settings, bootstrap, topic, start, limit, timeout, as_json))


async def _tail(
    settings: Settings,
    bootstrap: str,
    topic: str,
    start: str,
    limit: int | None,
    timeout: float | None,
    as_json: bool,
) -> None:
    shown = 0
    async for at, record in records(settings, bootstrap, topic, start=start, timeout=timeout):
        text = msgspec.json.encode(record) if as_json else pretty(at, record)
        sys.stdout.buffer.write(text + b"\n")
        sys.stdout.buffer.flush()
        shown += 1
        if shown == limit:
            return


async def records(
    settings: Settings, bootstrap: str, topic: str, *, start: str, timeout: float | None = None
) -> AsyncIterator[tuple[int, Tailed]]:
    """Committed records of a topic and their Kafka time (microseconds), all partitions at once.

    Raises
    ------
    Misuse
        There is no such topic.
    Failed
        Kafka can't be reached.
    """
    from aiokafka import AIOKafkaConsumer, TopicPartition  # noqa: PLC0415 - only where used
    from aiokafka.errors import KafkaError  # noqa: PLC0415

    from streams.cli.metadata import partition_counts  # noqa: PLC0415

    counts = await partition_counts(bootstrap)
    name = full_name(settings, topic, set(counts))
    parts = [TopicPartition(name, partition) for partition in range(counts[name])]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        isolation_level="read_committed",
        enable_auto_commit=False,
        fetch_max_wait_ms=_POLL_MS,
        max_partition_fetch_bytes=topology.INTERNAL_MAX_BYTES,
    )
    try:
        try:
            await consumer.start()
            consumer.assign(parts)
            if start == "earliest":
                await consumer.seek_to_beginning(*parts)
            else:
                await consumer.seek_to_end(*parts)
            ends = await consumer.end_offsets(parts)
        except (KafkaError, OSError, ValueError) as error:
            raise Failed(f"can't reach Kafka at {bootstrap}: {error}") from None
        end = None if timeout is None else time.monotonic() + timeout
        heard = time.monotonic()
        while True:
            fetched = await consumer.getmany(timeout_ms=_POLL_MS, max_records=500)
            for batch in fetched.values():
                for message in batch:
                    yield (
                        message.timestamp * 1000,
                        tailed(message.key, message.headers, message.value),
                    )
            now = time.monotonic()
            heard = now if fetched else heard
            if end is None or now < end:
                continue
            # An open transaction can hold the end back for long: then silence ends it too.
            if now - heard > _QUIET_SECONDS:
                return
            places = [await consumer.position(part) for part in parts]
            if all(place >= ends[part] for place, part in zip(places, parts, strict=True)):
                return
    finally:
        await consumer.stop()


def full_name(settings: Settings, topic: str, known: set[str]) -> str:
    """Name of a topic that exists: with this installation's prefix, or as it is given."""
    for name in (topology.name(settings, topic), topic):
        if name in known:
            return name
    ours = ", ".join(sorted(t.name for t in topology.topics(settings) if t.name in known))
    raise Misuse(f"there is no topic {topic!r}; there are: {ours or 'none of this installation'}")


def tailed(
    key: bytes | None, headers: tuple[tuple[str, bytes], ...], value: bytes | None
) -> Tailed:
    """Record with everything as text; a value that is not JSON is a string of it."""
    return Tailed(
        key=None if key is None else _text(key),
        headers={name: _text(part or b"") for name, part in headers},
        value=None if value is None else _json_or_text(value),
    )


def _json_or_text(value: bytes) -> msgspec.Raw | str:
    try:
        parsed = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _text(value)
    # As it is, digits and all, unless it would break the line.
    one_line = b"\n" not in value and b"\r" not in value
    return msgspec.Raw(value if one_line else msgspec.json.encode(parsed))


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")


def pretty(at: int, record: Tailed) -> bytes:
    """One line for a person: time, key, type, value."""
    value = record.value
    shown = bytes(value).decode() if isinstance(value, msgspec.Raw) else str(value)
    kind = record.headers.get("error_code") or record.headers.get("ce_type", "-")
    return f"{format_time(at)[:23]}Z  {record.key or '-'}  {kind}  {shown}".encode()
