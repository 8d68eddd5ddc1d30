"""A cluster, a producer and a decoder that do as they are told."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from usage.memory_view import MemoryView

from streams.core.errors import Refused
from streams.core.ids import partition_of
from streams.memory.question import Question
from streams.ports import (
    LocalPartition,
    Looked,
    MigrationStatus,
    Outgoing,
    Owner,
    PartitionStatus,
    Produced,
    SnapshotTaken,
    Watcher,
)

NOW = 1_763_805_600_000_000
"""2025-11-22T10:00:00Z."""
PARTITIONS = 4


class Rows:
    """A reader without rows."""

    def get(self, kind: Any, key: bytes) -> None:
        return None

    def scan(self, kind: Any, prefix: bytes, **_: Any) -> Iterator[Any]:
        return iter(())


class FakeSnapshot(MemoryView):
    """The rows of a reader as they were."""

    def __init__(self, reader: Any) -> None:
        super().__init__(stored=True)
        self.rows = dict(getattr(reader, "rows", {}))
        self._keys = None

    def close(self) -> None:
        """Nothing is open."""


class FakePartition:
    """A local partition; ``folded`` is how far its fold has come."""

    def __init__(self, folded: int = 0) -> None:
        self.reader: Any = Rows()
        self.watcher: Watcher | None = None
        self.log_time = NOW
        self.offset = folded - 1
        self.asked: list[int] = []
        self.caught_up = True

    def snapshot(self) -> FakeSnapshot:
        return FakeSnapshot(self.reader)

    async def wait_folded(self, next_offset: int, timeout: float) -> bool:
        self.asked.append(next_offset)
        return await _wait(lambda: self.offset + 1 >= next_offset, timeout)


class FakeCluster:
    """Partitions that are here, owners that are announced, and where admit stands."""

    def __init__(self, *local: int) -> None:
        self.partitions = PARTITIONS
        self.here: dict[int, FakePartition] = {number: FakePartition() for number in local}
        self.announced: dict[int, Owner] = {}
        self.committed: dict[tuple[str, int], int] = {}
        self.log_ends: dict[int, int] = {}
        self.waits_for: str | None = None
        self.digests_asked: list[bool] = []
        self.url = "http://127.0.0.1:1"
        self.has_control = False
        self.announced_control: Owner | None = None
        self.decisions_asked: list[tuple[int, int]] = []
        self.decides = True
        self.schema, self.newest = "2.1.0", "2.2.0"
        self.migrated: list[bool] = []

    def local(self, partition: int) -> LocalPartition | None:
        return self.here.get(partition)

    def owner(self, partition: int) -> Owner | None:
        return self.announced.get(partition)

    def owners(self) -> list[Owner]:
        return list(self.announced.values())

    async def status(self, *, digest: bool) -> list[PartitionStatus]:
        self.digests_asked.append(digest)
        here = [("x-tenant.log.v1", number, p.offset) for number, p in self.here.items()]
        if self.has_control:
            here.append(("x-tenant.control.v1", 0, 5))
        return [
            PartitionStatus(
                topic=topic,
                partition=number,
                worker="here",
                url=self.url,
                state="running",
                error=None,
                offset=offset,
                end_offset=offset + 1,
                lag=0,
                log_time="2025-11-22T10:00:00.000000Z",
                changelog_offset=7,
                recovered_from="changelog",
                snapshot_age_seconds=None,
                rows=1 if digest else None,
                digest="d" if digest else None,
            )
            for topic, number, offset in here
        ]

    async def admitted(self, topic: str, partition: int, offset: int, timeout: float) -> bool:
        if partition >= PARTITIONS:
            raise LookupError(partition)
        return await _wait(lambda: self.committed.get((topic, partition), 0) > offset, timeout)

    def control(self) -> Owner | None:
        return self.announced_control

    async def snapshot(self) -> list[SnapshotTaken]:
        return [SnapshotTaken("x-tenant.log.v1", number, name="n") for number in self.here]

    async def erased(self, tenant: str, texts: Sequence[str]) -> list[Looked]:
        return [Looked("archive", 7, len(texts), tuple(texts))]

    async def migrations(self, *, rows: bool) -> list[MigrationStatus]:
        found = [("x-tenant.log.v1", number) for number in self.here]
        if self.has_control:
            found.append(("x-tenant.control.v1", 0))
        counted = {"Memory": {"1.0.0": 3}} if rows else None
        return [
            MigrationStatus(topic, n, "here", self.schema, self.newest, rows=counted)
            for topic, n in found
        ]

    async def migrate(self, *, finalize: bool) -> None:
        self.migrated.append(finalize)
        if finalize:
            self.schema = self.newest

    async def decided(self, partition: int, offset: int, timeout: float) -> bool:
        self.decisions_asked.append((partition, offset))
        return self.decides

    async def log_end(self, partition: int) -> int:
        return self.log_ends.get(partition, 0)

    def ready(self) -> str | None:
        return self.waits_for

    def announce(self, url: str, *partitions: int) -> None:
        for number in partitions:
            self.announced[number] = Owner(number, url, "other")


class FakeProducer:
    """Keeps what is produced, each topic's records in one row of offsets."""

    def __init__(self) -> None:
        self.sent: list[Outgoing] = []
        self.fails: Exception | None = None

    async def produce(self, records: Sequence[Outgoing]) -> list[Produced]:
        if self.fails is not None:
            raise self.fails
        first = len(self.sent)
        self.sent += records
        return [
            Produced(record.topic, partition_of((record.key or b"").decode(), PARTITIONS), offset)
            for offset, record in enumerate(records, first)
        ]


class FakeFinder:
    """Finds nothing; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Question]] = []

    async def find(self, local: LocalPartition, tenant: str, question: Question) -> msgspec.Raw:
        self.asked.append((tenant, question))
        return msgspec.Raw(b'{"results":[],"as_of":"2025-11-22T10:00:00.000000Z"}')


class FakeDecoder:
    """Refuses what holds ``refuse:<code>``; keeps what it was shown."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, bytes | None, bytes | None, dict[str, bytes]]] = []

    def __call__(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]],
    ) -> None:
        self.seen.append((topic, key, value, dict(headers)))
        _, mark, after = (value or b"").partition(b"refuse:")
        if mark:
            raise Refused(after.partition(b'"')[0].decode(), "as the test wants it")


def audit_record(outcome: str = "done", **details: Any) -> dict[str, Any]:
    return {
        "action": "budget.set",
        "tenant": "t1",
        "at": "2025-11-22T10:00:00.000000Z",
        "actor": "/api",
        "target": {"kind": "budget", "id": "daily"},
        "outcome": outcome,
        "error": None if outcome == "done" else "ResourceError",
        "details": details,
    }


def encoded(value: Any) -> bytes:
    return msgspec.json.encode(value)


async def _wait(condition: Any, timeout: float) -> bool:
    clock = asyncio.get_running_loop().time
    deadline = clock() + timeout
    while not condition():
        if clock() >= deadline:
            return False
        await asyncio.sleep(0.005)
    return True
