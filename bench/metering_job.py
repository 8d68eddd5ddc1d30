"""The metering job's input: calls of agents, the budgets that they fall under, and how to send it.

Everything that a contender reads is there before it begins, in a transaction that is still open:
its commit is the shot, and whoever sent it takes no part in the race.
"""

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer

from streams.core.ids import partition_of

PARTITIONS = 4
TENANTS = 200
AGENTS = 10
"""Of each tenant; an agent has one project and mostly one model."""
SPAN_S = 6 * 3600
"""Events come in the order of their time, which covers this much."""
REPEATED = 0.01
"""Share of events that their sender sends twice."""
INVALID = 0.001
"""Share of events that break the schema: they belong into the dead letter queue."""
REPORTED = 0.02
"""Share of calls that bring their own cost."""
SEED = 20261122
MODELS = (
    ("openai", "gpt-4o"),
    ("openai", "gpt-4o-mini"),
    ("google", "gemini-1.5-flash"),
    ("anthropic", "claude-sonnet-4-5"),
)
SOURCES = ("/agents/a", "/agents/b", "/jobs")
FILL_TIMEOUT_MS = 600_000

Headers = list[tuple[str, bytes]]
_json = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Event:
    """One event of an agent; ``time`` in microseconds, ``data`` as it is sent."""

    tenant: str
    source: str
    id: str
    time: int
    data: dict[str, Any]


@dataclass(frozen=True)
class Budget:
    """A tenant's budget, as a command or a configuration says it."""

    budget_id: str
    limit_usd: str
    period: str
    thresholds: tuple[int, ...]
    scope: dict[str, str]


@dataclass(frozen=True)
class Input:
    """The same for the same arguments; ``base`` (seconds) is the newest event time."""

    events: int
    base: int

    def names(self) -> list[str]:
        """All tenants."""
        return [f"tenant-{n}" for n in range(TENANTS)]

    def budgets(self) -> dict[str, list[Budget]]:
        """One to three budgets of each tenant, sorted by id; most are exceeded in the end."""
        draw = random.Random(f"budgets {SEED}")
        # What a tenant spends in an hour, about; limits are of this order.
        hourly = 0.006 * self.events / TENANTS / (SPAN_S / 3600)
        found = {}
        for tenant in self.names():
            limits = [
                Budget("day", f"{draw.uniform(0.5, 8) * hourly:.4f}", "day", (50, 80, 100), {})
            ]
            if draw.random() < 0.5:
                limit = f"{draw.uniform(0.1, 0.8) * hourly:.6f}"
                scope = {"model": "gpt-4o"}
                limits.append(Budget("hour-4o", limit, "hour", (10, 50, 90, 100), scope))
            if draw.random() < 0.3:
                limit = f"{draw.uniform(0.2, 4) * hourly:.4f}"
                scope = {"cost_attribution": "project-a"}
                limits.append(Budget("project", limit, "week", (25, 75), scope))
            found[tenant] = limits
        return found

    def stream(self) -> Iterator[Event]:
        """All events in the order in which they are sent."""
        draw = random.Random(f"events {SEED}")
        names = self.names()
        weights = list(accumulate((n + 1) ** -0.5 for n in range(TENANTS)))
        homes = {
            (tenant, agent): (draw.choice(("project-a", "project-b")), draw.randrange(len(MODELS)))
            for tenant in names
            for agent in range(AGENTS)
        }
        recent: list[Event] = []
        for n, tenant in enumerate(draw.choices(names, cum_weights=weights, k=self.events)):
            chance = draw.random()
            if chance < REPEATED and recent:
                yield recent[draw.randrange(len(recent))]
                continue
            agent = draw.randrange(AGENTS)
            project, model = homes[tenant, agent]
            if draw.random() < 0.1:
                model = draw.randrange(len(MODELS))
            behind = (self.events - n) * SPAN_S * 1_000_000 // self.events
            event = Event(
                tenant,
                SOURCES[agent % len(SOURCES)],
                f"{n:x}-{draw.getrandbits(32):08x}",
                self.base * 1_000_000 - behind + draw.randrange(1_000_000),
                call(draw, agent, project, model, valid=chance < 1 - INVALID),
            )
            if len(recent) < 2000:
                recent.append(event)
            else:
                recent[n % 2000] = event
            yield event


def call(
    draw: random.Random, agent: int, project: str, model: int, *, valid: bool = True
) -> dict[str, Any]:
    """Data of an agent's call of one of ``MODELS``."""
    provider, name = MODELS[model]
    tokens = draw.randrange(1, 4000)
    usage: dict[str, Any] = {
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": name,
        "gen_ai.usage.input_tokens": tokens if valid else -tokens,
        "gen_ai.usage.output_tokens": draw.randrange(600),
    }
    if draw.random() < 0.3:
        usage["gen_ai.usage.cache_read.input_tokens"] = draw.randrange(tokens)
    data: dict[str, Any] = {
        "agent": f"agent-{agent}",
        "session": f"session-{draw.randrange(10_000)}",
        "cost_attribution": project,
        "usage": usage,
    }
    if draw.random() < REPORTED:
        data["cost_usd"] = f"0.{draw.randrange(10**5):07d}"
    return data


def record(event: Event) -> tuple[bytes, bytes, Headers]:
    """Key, value and headers: a CloudEvent in binary mode."""
    moment = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=event.time)
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", event.id.encode()),
        ("ce_source", event.source.encode()),
        ("ce_type", b"agent.message"),
        ("ce_time", f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}".encode()),
        ("content-type", b"application/json"),
    ]
    return event.tenant.encode(), _json(event.data), headers


def commands(of: Input) -> Iterator[tuple[bytes, bytes, Headers]]:
    """The budgets as commands, for those who read commands."""
    for tenant, budgets in of.budgets().items():
        for budget in budgets:
            yield command(tenant, budget)


def command(tenant: str, budget: Budget) -> tuple[bytes, bytes, Headers]:
    """A record of tenant.commands.v1 that sets a budget."""
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", f"set-{budget.budget_id}".encode()),
        ("ce_source", b"/ops"),
        ("ce_type", b"budget.set"),
        ("content-type", b"application/json"),
    ]
    data = {"timezone": "UTC"} | msgspec.to_builtins(budget)
    return tenant.encode(), _json(data), headers


class Filled:
    """A topic that holds all events in an open transaction; ``ends`` by partition, once filled."""

    def __init__(self, kafka: str, topic: str) -> None:
        self.topic = topic
        self.ends: dict[int, int] = {}
        self._producer = AIOKafkaProducer(
            bootstrap_servers=kafka,
            transactional_id=f"fill-{topic}",
            transaction_timeout_ms=FILL_TIMEOUT_MS,
            max_batch_size=1 << 18,
        )

    async def fill(self, records: list[tuple[bytes, bytes, Headers]], partitions: int) -> None:
        """Send all records; nobody who reads committed records sees one of them yet."""
        producer = self._producer
        await producer.start()
        await producer.begin_transaction()
        batches = {p: producer.create_batch() for p in range(partitions)}
        sent = []
        for key, value, headers in records:
            partition = partition_of(key.decode(), partitions)
            whole = {"key": key, "value": value, "timestamp": None, "headers": headers}
            if batches[partition].append(**whole) is None:
                full = batches[partition]
                sent.append(await producer.send_batch(full, self.topic, partition=partition))
                batches[partition] = producer.create_batch()
                batches[partition].append(**whole)
            self.ends[partition] = self.ends.get(partition, 0) + 1
        for partition, batch in batches.items():
            sent.append(await producer.send_batch(batch, self.topic, partition=partition))
        await asyncio.gather(*sent)

    async def release(self) -> None:
        """Show the records to their readers, all at once."""
        await self._producer.commit_transaction()

    async def close(self) -> None:
        await self._producer.stop()


async def send(kafka: str, topic: str, records: Iterator[tuple[bytes, bytes, Headers]]) -> None:
    """Send a few records."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()
    try:
        for key, value, headers in records:
            partition = partition_of(key.decode(), len(await producer.partitions_for(topic)))
            await producer.send(topic, value, key, partition, headers=headers)
        await producer.flush()
    finally:
        await producer.stop()
