"""Accesses reach the log once each, in bounded records, whatever Kafka does meanwhile."""

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest
from aiokafka.errors import KafkaTimeoutError

from streams.core import log
from streams.core.ids import partition_of
from streams.core.log import Accessed, Record
from streams.runtime import accesses
from streams.runtime.accesses import Accesses
from streams.runtime.positions import Fences

PARTITIONS = 4


class Log:
    """The log's partitions; ``fails`` says what becomes of an append: "", "lost" or "unknown"."""

    def __init__(self) -> None:
        self.records: list[tuple[int, Record]] = []
        self.fails: Callable[[int], str] = lambda partition: ""
        self.now = 1_000

    async def append(self, partition: int, key: bytes, value: bytes) -> None:
        await asyncio.sleep(0)
        outcome = self.fails(partition)
        if outcome != "lost":
            record = log.decode(value)
            assert key == record.tenant.encode()
            assert partition == partition_of(record.tenant, PARTITIONS)
            self.records.append((partition, record))
        if outcome:
            raise KafkaTimeoutError

    def clock(self) -> int:
        self.now += 1
        return self.now

    def accesses(self, worker: str = "w0") -> Accesses:
        return Accesses(self.append, PARTITIONS, worker, self.clock)

    def folded(self) -> Counter[tuple[str, str]]:
        """What the folds make of it: a fence for each partition."""
        fences = [Fences({}) for _ in range(PARTITIONS)]
        found: Counter[tuple[str, str]] = Counter()
        for partition, record in self.records:
            assert record.origin is not None
            assert isinstance(record.body, Accessed)
            if fences[partition].passes(record.origin):
                for memory_id, count in record.body.counts:
                    found[record.tenant, memory_id] += count
        return found


async def test_one_record_a_tenant_and_flush() -> None:
    kafka = Log()
    one = kafka.accesses()
    one.count("t1", ["a", "b"])
    one.count("t1", ["a"])
    one.count("t2", ["a"])
    await one.flush()
    await one.flush()
    found = {record.tenant: record.body for _, record in kafka.records}
    assert found == {"t1": Accessed((("a", 2), ("b", 1))), "t2": Accessed((("a", 1),))}
    assert len(kafka.records) == 2


async def test_a_record_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    kafka = Log()
    one = kafka.accesses()
    names = [f"m{n}" for n in range(2 * accesses.IN_ONE + 1)]
    one.count("t1", names)
    await one.flush()
    sizes = [len(r.body.counts) for _, r in kafka.records if isinstance(r.body, Accessed)]
    assert sizes == [accesses.IN_ONE, accesses.IN_ONE, 1]
    assert kafka.folded() == Counter({("t1", name): 1 for name in names})
    monkeypatch.setattr(accesses, "AT_MOST", 3)
    one.count("t1", ["a", "b"])
    one.count("t2", ["a", "b"])
    one.count("t1", ["a"])
    await one.flush()
    assert sum(kafka.folded().values()) == len(names) + 4


@pytest.mark.parametrize("outcome", ["lost", "unknown"])
async def test_what_failed_is_sent_again_before_what_came_later(outcome: str) -> None:
    kafka = Log()
    one = kafka.accesses()
    expected: Counter[tuple[str, str]] = Counter()
    tenants = [f"t{n}" for n in range(9)]
    bad = partition_of("t0", PARTITIONS)
    for turn in range(6):
        kafka.fails = lambda p, t=turn: outcome if p == bad and t % 3 else ""  # type: ignore[misc]
        for tenant in tenants:
            one.count(tenant, ["a", f"m{turn}"])
            expected[tenant, "a"] += 1
            expected[tenant, f"m{turn}"] += 1
        await one.flush()
    kafka.fails = lambda partition: ""
    await one.flush()
    await one.flush()
    assert kafka.folded() == expected
    if outcome == "unknown":
        assert len(kafka.records) > len({str(record.origin) for _, record in kafka.records})


async def test_a_process_started_again_is_another_writer() -> None:
    kafka = Log()
    for _ in range(2):
        one = kafka.accesses()
        one.count("t1", ["a"])
        await one.stop()
    assert kafka.folded() == Counter({("t1", "a"): 2})


async def test_it_appends_by_itself_and_stops_though_kafka_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(accesses, "FLUSH_SECONDS", 0.001)
    kafka = Log()
    one = kafka.accesses()
    one.start()
    one.count("t1", ["a"])
    async with asyncio.timeout(10):
        while not kafka.records:  # noqa: ASYNC110 - it is what is asked: does it come by itself
            await asyncio.sleep(0.001)
    kafka.fails = lambda partition: "lost"
    one.count("t1", ["a"])
    await one.stop()
    assert kafka.folded() == Counter({("t1", "a"): 1})
