"""Sends a run's input: steadily while faults go on, at full speed once they are over."""

import asyncio
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import cache
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer

from streams import topology
from streams.core.ids import partition_of
from streams.core.time import format_time
from streams.settings import Settings
from tests.faults.events import Event

RESERVE = 0.1
"""This share is kept back for a plan that takes longer than expected."""
RESERVE_S = 30.0
"""Each second this part of what is left of it is sent."""
LEAST_RATE = 20.0
STEP_S = 0.05

_partition_of = cache(partition_of)


def record(settings: Settings, event: Event) -> dict[str, Any]:
    """Arguments of ``producer.send`` for an event, in binary mode."""
    return {
        "topic": topology.name(settings, event.topic),
        "value": msgspec.json.encode(event.data),
        "key": event.tenant.encode(),
        "partition": _partition_of(event.tenant, settings.partitions),
        "headers": [
            ("ce_specversion", b"1.0"),
            ("ce_id", event.id.encode()),
            ("ce_source", event.source.encode()),
            ("ce_type", event.type.encode()),
            ("ce_time", format_time(event.time).encode()),
            ("content-type", b"application/json"),
        ],
    }


def producer(settings: Settings) -> AIOKafkaProducer:
    """Idempotent, so that the order and number of what is sent is known."""
    return AIOKafkaProducer(
        bootstrap_servers=settings.kafka,
        enable_idempotence=True,
        acks="all",
        linger_ms=20,
        max_batch_size=1 << 18,
        request_timeout_ms=120_000,
    )


async def send_all(settings: Settings, events: Iterable[Event]) -> int:
    """Send as fast as it goes and wait for the acks."""
    async with producer(settings) as to:
        futures = [await to.send(**record(settings, event)) for event in events]
        await asyncio.gather(*futures)
    return len(futures)


async def send_steadily(
    settings: Settings,
    events: Iterable[Event],
    total: int,
    seconds: float,
    over: Callable[[], bool],
) -> int:
    """Send ``total`` events within ``seconds``, or at once when the faults are ``over``.

    Raises
    ------
    KafkaError
        An event was not acknowledged: nothing can be said about this run.
    """
    rate = total / seconds
    sent = 0
    lost: list[BaseException] = []

    def acknowledged(ack: asyncio.Future[Any]) -> None:
        if (error := ack.exception()) is not None:
            lost.append(error)

    async with producer(settings) as to:
        credit, at = 0.0, time.monotonic()
        for event in events:
            while credit < 1:
                if over():
                    credit = float("inf")
                    break
                await asyncio.sleep(STEP_S)
                now = time.monotonic()
                left = max(total - sent, 1)
                trickle = max(left / RESERVE_S, LEAST_RATE)
                now_rate = rate if left > total * RESERVE else min(rate, trickle)
                credit, at = credit + (now - at) * now_rate, now
            credit -= 1
            (await to.send(**record(settings, event))).add_done_callback(acknowledged)
            sent += 1
        await to.flush()
    if lost:
        raise lost[0]
    return sent


def today() -> int:
    """Return this hour's start, microseconds: the newest event time of a run begun now."""
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)  # noqa: TID251
    return int(hour.timestamp()) * 10**6
