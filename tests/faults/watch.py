"""What is committed when: shows when work goes on after a fault."""

import asyncio
import contextlib
import time

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from streams import topology
from streams.runtime import clients
from streams.settings import Settings

POLL_S = 0.1


class Watch:
    """Polls the folds' committed offsets; keeps (monotonic time, offset) at each advance."""

    def __init__(self, settings: Settings) -> None:
        log = topology.name(settings, topology.TENANT_LOG)
        self.partitions = [TopicPartition(log, p) for p in range(settings.partitions)]
        self.advances: dict[int, list[tuple[float, int]]] = {
            p.partition: [] for p in self.partitions
        }
        self._settings = settings
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
                with contextlib.suppress(KafkaError):
                    found = await admin.list_consumer_group_offsets(
                        self._settings.group, partitions=self.partitions
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

    async def resumed(self, since: float, seconds: float) -> float:
        """Wait until each partition has advanced after ``since``."""
        async with asyncio.timeout(seconds):
            while self.stall(since) is None:  # noqa: ASYNC110 - Kafka has no event for it
                await asyncio.sleep(POLL_S / 2)
        return self.stall(since) or 0.0
