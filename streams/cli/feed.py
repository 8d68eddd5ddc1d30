"""Events into Kafka, fast and in order: one idempotent producer, batches built by hand."""

import asyncio
from collections.abc import Iterable
from types import TracebackType
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from streams import topology
from streams.cli.lines import Event
from streams.cli.metadata import partition_counts
from streams.core.errors import Failed
from streams.core.ids import partition_of
from streams.settings import Settings

BATCH_BYTES = 256 * 1024


class _Batch:
    """A batch that is being filled, and its last tenant of each partition of the log."""

    def __init__(self, builder: Any) -> None:
        self.builder = builder
        self.count = 0
        self.marks: dict[int, tuple[int, str]] = {}


class Feed:
    """An open producer for input topics, acks=all.

    Attributes
    ----------
    sent : int
        Acknowledged events.
    topics : dict of str to int
        Acknowledged events by topic (full name).
    last : dict of (str, int) to int
        Last acknowledged offset by (topic, partition).
    marks : dict of (str, int, int) to (int, str)
        Last acknowledged offset, and its tenant, by (topic, partition, partition of the log):
        when these are folded, all is.
    """

    def __init__(self, settings: Settings, bootstrap: str) -> None:
        self._settings = settings
        self._bootstrap = bootstrap
        self._producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap,
            enable_idempotence=True,
            acks="all",
            max_batch_size=BATCH_BYTES,
            max_request_size=topology.INTERNAL_MAX_BYTES,
            request_timeout_ms=30_000,
        )
        self._partitions: dict[str, int] = {}
        self._log_partitions = 0
        self._turn = 0
        self._open: dict[tuple[str, int], _Batch] = {}
        self._flying: set[asyncio.Task[None]] = set()
        self._failed: Exception | None = None
        self.sent = 0
        self.topics: dict[str, int] = {}
        self.last: dict[tuple[str, int], int] = {}
        self.marks: dict[tuple[str, int, int], tuple[int, str]] = {}

    async def __aenter__(self) -> "Feed":
        self._partitions = await partition_counts(self._bootstrap)
        try:
            await self._producer.start()
        except (KafkaError, OSError) as error:
            await self._producer.stop()
            raise Failed(f"can't reach Kafka at {self._bootstrap}: {error}") from None
        self._log_partitions = self._count(topology.TENANT_LOG)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in self._flying:
            task.cancel()
        await asyncio.gather(*self._flying, return_exceptions=True)
        await self._producer.stop()

    async def add(self, events: Iterable[Event]) -> None:
        """Append events; full batches go out. Waits while the broker is behind."""
        for event in events:
            topic, partition = self._place(event)
            place = (topic, partition)
            while True:
                batch = self._open.get(place) or self._begin(place)
                taken = batch.builder.append(
                    timestamp=None, key=event.key, value=event.value, headers=event.headers
                )
                if taken is not None:
                    log_partition = partition_of(event.tenant, self._log_partitions)
                    batch.marks[log_partition] = (batch.count, event.tenant)
                    batch.count += 1
                    break
                await self._launch(place)

    async def flush(self, *, wait: bool) -> None:
        """Send what is held back; with ``wait`` until all is acknowledged.

        Raises
        ------
        Failed
            A batch was not taken; nothing was sent after it.
        """
        for place in list(self._open):
            await self._launch(place)
        while wait and self._flying:
            await asyncio.wait(self._flying)
        self._check()

    def result(self) -> dict[str, object]:
        """What `send --json` prints."""
        return {
            "sent": self.sent,
            "topics": dict(sorted(self.topics.items())),
            "last": [
                {"topic": topic, "partition": partition, "offset": offset}
                for (topic, partition), offset in sorted(self.last.items())
            ],
        }

    def _begin(self, place: tuple[str, int]) -> _Batch:
        batch = self._open[place] = _Batch(self._producer.create_batch())
        return batch

    def _place(self, event: Event) -> tuple[str, int]:
        topic = topology.name(self._settings, event.topic)
        count = self._count(event.topic)
        if event.key is None:
            self._turn += 1
            return topic, self._turn % count
        return topic, partition_of(event.key.decode(), count)

    def _count(self, short: str) -> int:
        name = topology.name(self._settings, short)
        count = self._partitions.get(name)
        if not count:
            raise Failed(f"there is no topic {name}; run `streams topics ensure`")
        return count

    async def _launch(self, place: tuple[str, int]) -> None:
        """Hand a batch to the producer, which keeps one in flight and one queued a partition."""
        self._check()
        batch = self._open.pop(place)
        try:
            future = await self._producer.send_batch(batch.builder, place[0], partition=place[1])
        except (KafkaError, OSError) as error:
            raise self._refused(place, error) from None
        task = asyncio.create_task(self._settle(place, batch, future))
        self._flying.add(task)
        task.add_done_callback(self._flying.discard)

    async def _settle(
        self, place: tuple[str, int], batch: _Batch, future: "asyncio.Future[object]"
    ) -> None:
        try:
            done = await future
        except (KafkaError, OSError) as error:
            self._failed = self._failed or self._refused(place, error)
            return
        base: int = done.offset  # type: ignore[attr-defined]
        topic, partition = place
        self.sent += batch.count
        self.topics[topic] = self.topics.get(topic, 0) + batch.count
        # A batch that the broker had already (the answer was lost) comes back without its offset.
        if base < 0:
            return
        self.last[place] = max(self.last.get(place, -1), base + batch.count - 1)
        for log_partition, (index, tenant) in batch.marks.items():
            self.marks[topic, partition, log_partition] = (base + index, tenant)

    def _check(self) -> None:
        if self._failed is not None:
            raise self._failed

    def _refused(self, place: tuple[str, int], error: Exception) -> Failed:
        text = str(error) or type(error).__name__
        return Failed(f"Kafka did not take a batch for {place[0]}[{place[1]}]: {text}")
