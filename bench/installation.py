"""An installation of ours for a metering run: topics, budgets, a process for each role."""

import asyncio
import sys
import time
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import harness
import metering_job as job
from aiokafka import TopicPartition
from racer import RUN_S, START_S, STEADY_S, Racer, shared

from streams import topology
from streams.runtime import clients, topics
from streams.settings import Settings


class Installation:
    """Admit and fold, from before their events to after them."""

    def __init__(self, kafka: str, name: str, data: Path, partitions: int, workers: int) -> None:
        self.settings = settings = Settings(
            kafka=kafka, data=str(data), group=name, topic_prefix=f"{name}.", partitions=partitions
        )
        self.input = self.name(topology.AGENT_MESSAGES)
        self.alerts = self.name(topology.BUDGET_ALERTS)
        self.dead = self.name(topology.dlq(topology.AGENT_MESSAGES))
        self.changelog = self.name(topology.changelog(settings))
        self._workers = workers
        self._roles: dict[str, list[Racer]] = {"fold": [], "admit": []}

    def name(self, short: str) -> str:
        return topology.name(self.settings, short)

    @property
    def racers(self) -> list[Racer]:
        return [racer for racers in self._roles.values() for racer in racers]

    async def make_topics(self) -> None:
        """Make all topics of the installation."""
        await topics.ensure(self.settings)

    async def prepare(self, of: job.Input, ends: dict[int, int]) -> None:
        """Start both roles, and have the budgets folded."""
        settings = self.settings
        await job.send(settings.kafka, self.name(topology.TENANT_COMMANDS), job.commands(of))
        script = harness.CONTENDERS / "metering_ours.py"
        for member, role in product(range(self._workers), self._roles):
            data = Path(settings.data) / str(member)
            data.mkdir(exist_ok=True)
            spec = {
                "role": role,
                "member": member,
                "kafka": settings.kafka,
                "data": str(data),
                "group": settings.group,
                "prefix": settings.topic_prefix,
                "partitions": settings.partitions,
                "events": of.events,
            }
            log = data / f"{role}.log"
            self._roles[role].append(Racer(Path(sys.executable), script, spec, log))
        for racer in self.racers:
            await asyncio.to_thread(racer.hear, START_S)
        await settled(settings)
        for racers in self._roles.values():
            await self._shared(racers)
        for racer in self.racers:
            racer.tell({"do": "begin"})
            await asyncio.to_thread(racer.hear, START_S)

    async def finish(self, ends: dict[int, int]) -> dict[str, dict[str, Any]]:
        """Return what each role says of itself once all events are folded."""
        reports = await self._ask("admit", {topology.AGENT_MESSAGES: ends})
        log = await ends_of(self.settings, topology.TENANT_LOG)
        return reports | await self._ask("fold", {self.name(topology.TENANT_LOG): log})

    async def _ask(self, role: str, ends: Mapping[str, Mapping[int, int]]) -> dict[str, Any]:
        for racer in self._roles[role]:
            racer.tell({"do": "finish", "ends": ends})
        return {
            racer.name: await asyncio.to_thread(racer.hear, RUN_S) for racer in self._roles[role]
        }

    async def _shared(self, racers: list[Racer]) -> None:
        """Wait until each process has its part of the partitions, and for a second the same."""
        steady, before = time.monotonic(), [[0]]
        deadline = steady + START_S
        while time.monotonic() < steady + STEADY_S:
            shares = []
            for racer in racers:
                racer.tell({"do": "share"})
                shares.append((await asyncio.to_thread(racer.hear, START_S))["share"])
            if shares != before or not shared(shares, range(self.settings.partitions)):
                steady, before = time.monotonic(), shares
            if time.monotonic() > deadline:
                tails = "\n".join(racer.tail() for racer in racers)
                raise SystemExit(f"the partitions were not shared: {shares}\n{tails}")
            await asyncio.sleep(0.1)

    def end(self) -> None:
        for racer in self.racers:
            racer.end()


async def settled(settings: Settings) -> None:
    """Wait until all commands so far are admitted and folded."""
    commands = await ends_of(settings, topology.TENANT_COMMANDS)
    await _until(settings, settings.admit_group, topology.TENANT_COMMANDS, commands)
    log = await ends_of(settings, topology.TENANT_LOG)
    await _until(settings, settings.group, topology.TENANT_LOG, log)


async def ends_of(settings: Settings, short: str) -> dict[int, int]:
    """End offsets of a topic, by partition."""
    async with clients.reader(settings.kafka) as consumer:
        topic = topology.name(settings, short)
        tps = [TopicPartition(topic, p) for p in range(settings.partitions)]
        return {tp.partition: end for tp, end in (await consumer.end_offsets(tps)).items()}


async def _until(settings: Settings, group: str, short: str, ends: dict[int, int]) -> None:
    inquiry = clients.Inquiry(settings.kafka)
    await inquiry.start()
    deadline = time.monotonic() + START_S
    try:
        for partition, end in ends.items():
            tp = TopicPartition(topology.name(settings, short), partition)
            while (await inquiry.committed(group, tp)).offset < end:
                if time.monotonic() > deadline:
                    raise SystemExit(f"{group} does not come to the end of {tp}")
                await asyncio.sleep(0.1)
    finally:
        await inquiry.stop()
