"""An installation of ours for a metering run: topics, budgets, a process for each role."""

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

import harness
import metering_job as job
from aiokafka import TopicPartition
from racer import Racer

from streams import topology
from streams.runtime import clients, topics
from streams.settings import Settings

START_S = 60.0
RUN_S = 200.0


class Installation:
    """Admit and fold, from before their events to after them."""

    def __init__(self, kafka: str, name: str, data: Path, partitions: int) -> None:
        self.settings = settings = Settings(
            kafka=kafka, data=str(data), group=name, topic_prefix=f"{name}.", partitions=partitions
        )
        self.input = self.name(topology.AGENT_MESSAGES)
        self.alerts = self.name(topology.BUDGET_ALERTS)
        self.dead = self.name(topology.dlq(topology.AGENT_MESSAGES))
        self.changelog = self.name(topology.changelog(settings))
        self._roles: dict[str, Racer] = {}

    def name(self, short: str) -> str:
        return topology.name(self.settings, short)

    @property
    def racers(self) -> list[Racer]:
        return list(self._roles.values())

    async def make_topics(self) -> None:
        """Make all topics of the installation."""
        await topics.ensure(self.settings)

    async def prepare(self, of: job.Input, ends: dict[int, int]) -> None:
        """Start both roles, and have the budgets folded."""
        settings = self.settings
        await job.send(settings.kafka, self.name(topology.TENANT_COMMANDS), job.commands(of))
        script = harness.CONTENDERS / "metering_ours.py"
        for role in ("fold", "admit"):
            spec = {
                "role": role,
                "kafka": settings.kafka,
                "data": settings.data,
                "group": settings.group,
                "prefix": settings.topic_prefix,
                "partitions": settings.partitions,
                "events": of.events,
            }
            log = Path(settings.data) / f"{role}.log"
            self._roles[role] = Racer(Path(sys.executable), script, spec, log)
        for racer in self.racers:
            await asyncio.to_thread(racer.hear, START_S)
        await settled(settings)
        for racer in self.racers:
            racer.tell({"do": "begin"})
            await asyncio.to_thread(racer.hear, START_S)

    async def finish(self, ends: dict[int, int]) -> dict[str, dict[str, Any]]:
        """Return what each role says of itself once all events are folded."""
        admit, fold = self._roles["admit"], self._roles["fold"]
        admit.tell({"do": "finish", "ends": {topology.AGENT_MESSAGES: ends}})
        reports = {admit.name: await asyncio.to_thread(admit.hear, RUN_S)}
        log = await ends_of(self.settings, topology.TENANT_LOG)
        fold.tell({"do": "finish", "ends": {self.name(topology.TENANT_LOG): log}})
        return reports | {fold.name: await asyncio.to_thread(fold.hear, RUN_S)}

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
