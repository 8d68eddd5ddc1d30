"""Owners: the partitions of one job that this process owns, as the group assigns them."""

import asyncio
import contextlib
from collections.abc import Iterator

from streams.runtime import metrics
from streams.runtime.owner import Host, PartitionOwner


class Owners:
    """Opens and closes the owners of a job's partitions."""

    def __init__(self, host: Host) -> None:
        self.open: dict[int, PartitionOwner] = {}
        self._host = host
        self._closing: dict[int, asyncio.Task[None]] = {}

    def assigned(self, partitions: set[int]) -> None:
        """Close what went elsewhere, keep what stayed, open what is new. Waits for nothing."""
        for partition in sorted(set(self.open) - partitions):
            self._close(partition)
        for partition in sorted(partitions):
            if partition in self.open:
                self.open[partition].reassigned()
            else:
                before = self._closing.get(partition)
                self.open[partition] = PartitionOwner(self._host, partition, before)

    def revoked(self, partition: int) -> None:
        """A rebalance began: until it ends nobody knows whose this partition is."""
        if partition in self.open:
            self.open[partition].revoked()

    def waiting(self) -> Iterator[str]:
        """Say which partitions are not folded."""
        name = "control" if self._host.job.owner_kind == "control" else "partition"
        for p, owner in sorted(self.open.items()):
            if owner.state != "running":
                yield f"{name} {p} is {owner.state}{f': {owner.error}' if owner.error else ''}"

    async def stop(self) -> None:
        await asyncio.gather(*(o.stop() for o in self.open.values()), *self._closing.values())

    def _close(self, partition: int) -> None:
        for gauge in (metrics.LAG, metrics.SNAPSHOT_AGE):
            with contextlib.suppress(KeyError):
                gauge.remove(self._host.job.topic, str(partition))
        task = asyncio.create_task(self.open.pop(partition).stop())
        self._closing[partition] = task
        task.add_done_callback(lambda done: self._closed(partition, done))

    def _closed(self, partition: int, done: asyncio.Task[None]) -> None:
        if self._closing.get(partition) is done:
            del self._closing[partition]
