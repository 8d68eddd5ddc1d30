"""What is committed when: shows when work goes on after a fault."""

import asyncio
import contextlib
import time
from collections.abc import Iterable
from itertools import pairwise

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from streams import topology
from streams.runtime import clients
from streams.settings import Settings

POLL_S = 0.1


class Watch:
    """Polls a group's committed offsets; keeps (monotonic time, offset) at each advance.

    Without a group those of the folds.
    """

    def __init__(
        self, settings: Settings, topic: str = topology.TENANT_LOG, group: str | None = None
    ) -> None:
        name = topology.name(settings, topic)
        self.partitions = [TopicPartition(name, p) for p in range(settings.partitions)]
        self.advances: dict[int, list[tuple[float, int]]] = {
            p.partition: [] for p in self.partitions
        }
        self._settings = settings
        self._group = group or settings.group
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Watch":
        self._task = asyncio.create_task(self._poll())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _poll(self) -> None:
        async with clients.admin(self._settings.kafka) as admin:
            while True:
                with contextlib.suppress(KafkaError, OSError, TimeoutError):
                    found = await admin.list_consumer_group_offsets(
                        self._group, partitions=self.partitions
                    )
                    now = time.monotonic()
                    for tp, to in found.items():
                        seen = self.advances[tp.partition]
                        if not seen or to.offset > seen[-1][1]:
                            seen.append((now, to.offset))
                await asyncio.sleep(POLL_S)

    def stall(self, since: float) -> float | None:
        """Return seconds until each partition has advanced after ``since``; None: one has not.

        What was on its way at that moment may arrive within one poll: that does not count.
        """
        firsts = []
        for seen in self.advances.values():
            after = [t for t, _ in seen if t > since + 2 * POLL_S]
            if not after:
                return None
            firsts.append(after[0] - since)
        return max(firsts)

    def first(self, partitions: Iterable[int], since: float) -> float | None:
        """Return when one of these partitions first advanced after ``since``."""
        times = (t for p in partitions for t, _ in self.advances[p] if t > since)
        return min(times, default=None)

    def gap(self, since: float, settled: float) -> float | None:
        """Return the longest time from ``since`` on in which a partition did not advance.

        None while one has not yet advanced after ``settled``.
        """
        longest = 0.0
        for seen in self.advances.values():
            times = [since, *(t for t, _ in seen if t > since)]
            if times[-1] <= settled:
                return None
            longest = max(longest, *(b - a for a, b in pairwise(times)))
        return longest

    def stuck(self, since: float) -> list[TopicPartition]:
        """Return the partitions that have not advanced after ``since``."""
        return [
            tp
            for tp in self.partitions
            if not any(t > since for t, _ in self.advances[tp.partition])
        ]

    async def resumed(self, since: float, seconds: float) -> float:
        """Wait until each partition has advanced after ``since``."""
        async with asyncio.timeout(seconds):
            while self.stall(since) is None:  # noqa: ASYNC110 - Kafka has no event for it
                await asyncio.sleep(POLL_S / 2)
        return self.stall(since) or 0.0
