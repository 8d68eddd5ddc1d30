"""What a contender of the metering job has left on the broker, against the model."""

import sys
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from aiokafka import TopicPartition
from metering_model import Alert, Model, Place, Sums

from streams.core.money import parse_usd
from streams.core.time import parse_time
from streams.runtime import clients

_ours = msgspec.msgpack.Decoder(tuple[int, ...])
_ours_scope = msgspec.msgpack.Decoder(tuple[str, str, str, str, str, str])
_plain = msgspec.msgpack.Decoder(tuple[int, int, int, int, int, int])

Read = Callable[[bytes, bytes], tuple[Place, Sums] | None]


async def check(
    kafka: str, contender: str, read: Read, model: Model, *, changelog: str, alerts: str, dead: str
) -> None:
    """Compare all sums, all alerts and the number of refused events with the model.

    Raises
    ------
    SystemExit
        Something is not right: such a run has no figures.
    """
    rows: dict[bytes, bytes] = {}
    for key, value in await records(kafka, changelog):
        if value is None:
            rows.pop(key, None)
        else:
            rows[key] = value
    usage = dict(found for row in rows.items() if (found := read(*row)) is not None)
    _same(f"{contender}: sums", usage, model.usage)
    said = [alert(value) for _, value in await records(kafka, alerts)]
    if len(said) != len(set(said)):
        sys.exit(f"{contender}: {len(said) - len(set(said))} alerts came twice")
    _same(f"{contender}: alerts", dict.fromkeys(said, True), dict.fromkeys(model.alerts, True))
    if (refused := len(await records(kafka, dead))) != model.refused:
        sys.exit(f"{contender} refused {refused} events, {model.refused} are wrong")


async def records(kafka: str, topic: str) -> list[tuple[bytes, bytes]]:
    """Key and value of all committed records of a topic."""
    found: list[tuple[bytes, bytes]] = []
    async with clients.admin(kafka) as admin:
        described = (await admin.describe_topics([topic]))[0]
    if described["error_code"]:
        sys.exit(f"there is no topic {topic}")
    for partition in range(len(described["partitions"])):
        tp = TopicPartition(topic, partition)
        # A reader each: aiokafka's does not stop well after a second assign().
        async with clients.reader(kafka) as consumer:
            end = (await consumer.end_offsets([tp]))[tp]
            async for batch in clients.read_to(consumer, tp, 0, end):
                found += [(record.key, record.value) for record in batch]
    return found


def ours(key: bytes, value: bytes) -> tuple[Place, Sums] | None:
    """A row of our changelog, if it is one of usage."""
    if not key.startswith(b"u/"):
        return None
    tenant, _, rest = key[2:].partition(b"\0")
    start = int.from_bytes(rest[1:9], "big") - (1 << 63)
    provider, model, agent, project, _, _ = _ours_scope.decode(rest[9:])
    row = _ours.decode(value[1:])
    place = tenant.decode(), rest[:1].decode(), start, provider, model, agent, project
    return place, (row[0], row[1], row[2], row[3], row[5], row[6])


def plain(key: bytes, value: bytes) -> tuple[Place, Sums] | None:
    """A row of a peer's changelog: tenant|u/period/start/provider/model/agent/project."""
    tenant, _, rest = key.partition(b"|")
    if not rest.startswith(b"u/"):
        return None
    _, kind, start, provider, model, agent, project = rest.decode().split("/")
    place = tenant.decode(), kind, int(start), provider, model, agent, project
    return place, _plain.decode(value)


def alert(value: bytes) -> Alert:
    """An alert, in any contender's JSON."""
    said = msgspec.json.decode(value)
    return (
        said["tenant"],
        said["budget_id"],
        parse_time(said["period_start"]),
        said["type"],
        said["threshold_percent"],
        parse_usd(said["spent_usd"]),
        said["cause"]["id"],
    )


def _same(what: str, got: Mapping[Any, Any], expected: Mapping[Any, Any]) -> None:
    if got == expected:
        return
    wrong = [(key, got.get(key), expected.get(key)) for key in {*got, *expected}]
    wrong = [item for item in wrong if item[1] != item[2]]
    sys.exit(f"{what}: {len(wrong)} of {len(expected)} are wrong (is, should be): {wrong[:5]}")
