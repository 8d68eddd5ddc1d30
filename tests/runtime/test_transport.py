"""DESIGN.md section 2, rule 12: what the consumer is told, and what the group makes of it."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka.consumer.group_coordinator import CoordinatorGroupRebalance
from aiokafka.errors import KafkaError

from streams.core import log
from streams.runtime import clients, topics, transport
from streams.settings import Settings

from .stores import TENANT, event, job, numbers, said
from .workers import alone, append, folding

Until = Callable[..., Awaitable[None]]


async def test_only_what_was_committed_to_the_log_counts(
    settings: Settings, tmp_path: Path, until: Until
) -> None:
    one = alone(settings)
    await topics.ensure(one)
    producer = clients.transactional_producer(one.kafka, f"{one.group}-grants")
    await producer.start()
    for number, commit in enumerate([True, False, True]):
        await producer.begin_transaction()
        value = log.encode(event(number))
        await producer.send_and_wait(job(one).topic, value, TENANT.encode(), 0)
        await (producer.commit_transaction() if commit else producer.abort_transaction())
    await producer.stop()
    await append(one, [event(3)])
    async with folding(one, tmp_path) as worker:
        await until(lambda: worker.owners and worker.counted() == 3)
    assert await said(one) == numbers(3)


@pytest.mark.deep
async def test_what_stays_over_a_rebalance_stays_open_and_a_restart_moves_nothing(
    settings: Settings, tmp_path: Path, until: Until
) -> None:
    """Sticky assignment; static membership: who is back within the session has what it had."""
    four = alone(settings, partitions=4)
    other = msgspec.structs.replace(four, worker="w1")
    await topics.ensure(four)
    async with folding(four, tmp_path / "w0") as one:
        await until(one.running, 30)
        opened = {p: o.store for p, o in one.owners.items()}
        assert sorted(opened) == [0, 1, 2, 3]
        async with folding(other, tmp_path / "w1") as two:
            await until(lambda: len(one.owners) == len(two.owners) == 2, 30)
            await until(lambda: one.running() and two.running())
            kept, moved = sorted(one.owners), sorted(two.owners)
        generation = one.role.app.consumer_generation_id
        async with folding(other, tmp_path / "w1") as two:
            await until(two.running, 30)
            assert (sorted(one.owners), sorted(two.owners)) == (kept, moved)
            assert one.role.app.consumer_generation_id == generation
            for partition in range(4):
                await append(four, map(event, range(10)), partition)
            await until(lambda: all(one.counted(p) == 10 for p in kept))
            await until(lambda: all(two.counted(p) == 10 for p in moved))
        assert {p: one.owners[p].store for p in kept} == {p: opened[p] for p in kept}


async def test_a_join_that_failed_without_a_known_reason_is_tried_again(
    settings: Settings, tmp_path: Path, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """aiokafka waits until records are asked for, which a member without partitions never does."""
    one = alone(settings)
    await topics.ensure(one)
    monkeypatch.setattr(transport, "JOIN_AGAIN_S", 0.01)
    join = CoordinatorGroupRebalance.perform_group_join
    failures: list[Exception] = [KafkaError("once"), KafkaError("UnknownError()")]

    async def failing(self: CoordinatorGroupRebalance) -> Any:
        if failures:
            raise failures.pop()
        return await join(self)

    monkeypatch.setattr(CoordinatorGroupRebalance, "perform_group_join", failing)
    async with folding(one, tmp_path) as worker:
        await until(worker.running)
    assert not failures
