"""A peer's metering run: its topics, its processes, and when all of them are done."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import harness
import metering_job as job
import msgspec
from aiokafka.admin import NewTopic
from racer import RUN_S, START_S, STEADY_S, Racer, shared

from streams.runtime import clients


class Peers:
    """Processes of one peer that share the partitions of one topic."""

    def __init__(
        self,
        kafka: str,
        name: str,
        data: Path,
        partitions: int,
        script: str,
        extra: Mapping[str, Any],
    ) -> None:
        self.input, self.alerts, self.dead = (f"{name}.{t}" for t in ("calls", "alerts", "dead"))
        # Quix names its changelog itself.
        quix = f"changelog__{name}--{self.input}--default"
        self.changelog = quix if script == "metering_quix" else f"{name}.changelog"
        self.racers: list[Racer] = []
        self._kafka = kafka
        self._name = name
        self._data = data
        self._partitions = partitions
        self._script = script
        self._extra = extra

    async def make_topics(self) -> None:
        """Make the topics; Quix makes its changelog itself."""
        names = [self.input, self.alerts, self.dead]
        if self._script != "metering_quix":
            names.append(self.changelog)
        async with clients.admin(self._kafka) as admin:
            await admin.create_topics([NewTopic(name, self._partitions, 1) for name in names])

    async def prepare(self, of: job.Input, ends: dict[int, int]) -> None:
        """Start the processes and wait until each has its share of the partitions."""
        budgets = self._data / "budgets.json"
        budgets.write_bytes(msgspec.json.encode(of.budgets()))
        script = harness.CONTENDERS / f"{self._script}.py"
        for member in range(self._extra["members"]):
            spec = {
                **self._extra,
                "kafka": self._kafka,
                "group": self._name,
                "member": member,
                "topic": self.input,
                "alerts": self.alerts,
                "dead": self.dead,
                "changelog": self.changelog,
                "ends": ends,
                "events": of.events,
                "budgets": str(budgets),
                "data": str(self._data / f"state-{member}"),
            }
            log = self._data / f"{member}.log"
            self.racers.append(Racer(harness.peers_python(), script, spec, log))
        shares: dict[str, list[int]] = {}
        deadline = time.monotonic() + START_S
        steady = time.monotonic()
        while time.monotonic() < steady + STEADY_S or not self._shared(shares, ends):
            for racer in self.racers:
                while (line := racer.heard()) is not None:
                    shares[racer.name] = line["assigned"]
                    steady = time.monotonic()
            if time.monotonic() > deadline:
                raise SystemExit(f"{self._name}: the partitions were not shared: {shares}")
            await asyncio.sleep(0.05)

    def _shared(self, shares: Mapping[str, list[int]], ends: Mapping[int, int]) -> bool:
        return shared((shares.get(racer.name, []) for racer in self.racers), ends)

    async def finish(self, ends: dict[int, int]) -> dict[str, dict[str, Any]]:
        """Return the last word of each process once all partitions are at their end."""
        deadline = time.monotonic() + RUN_S
        done: set[int] = set()
        reports: dict[str, dict[str, Any]] = {}
        while done != set(ends):
            for racer in self.racers:
                while (line := racer.heard()) is not None:
                    if "done" not in line:
                        raise SystemExit(f"{self._name}: a rebalance in the middle: {line}")
                    done.add(line["done"])
                    reports[racer.name] = line
            if time.monotonic() > deadline:
                raise SystemExit(f"{self._name} was not done after {RUN_S:.0f} s: {done}")
            await asyncio.sleep(0.02)
        return reports

    def end(self) -> None:
        for racer in self.racers:
            racer.end()
