"""A real admit worker under the faults of rules 8, 9 and 10: nothing lost, nothing twice."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka.structs import TopicPartition
from faust.types import TP

from streams import topology
from streams.core import log
from streams.core.ids import partition_of
from streams.runtime import admitter, clients, topics, transport
from streams.runtime.admit_role import AdmitRole
from streams.runtime.adopt import adopt
from streams.runtime.clients import Inquiry
from streams.settings import Settings
from streams.topology import AGENT_MESSAGES, JOB_EVENTS, TENANT_LOG

from .faults import delete, recreate, refusing, truncate
from .stores import TENANT, asking
from .workers import admitting, alone, folding, send_inputs

Until = Callable[..., Awaitable[None]]
COUNT = 40


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admitter, "RETRY_S", 0.01)
    monkeypatch.setattr(admitter, "SLICE", 5)
    monkeypatch.setattr(transport, "METADATA_MAX_AGE_MS", 300)


@pytest.fixture
async def one(settings: Settings) -> Settings:
    made = alone(settings)
    await topics.ensure(made)
    return made


@pytest.fixture
async def inquiry(kafka: str) -> AsyncIterator[Inquiry]:
    async with asking(kafka) as opened:
        yield opened


def messages(settings: Settings, partition: int = 0) -> TP:
    return TP(topology.name(settings, AGENT_MESSAGES), partition)


async def committed(settings: Settings, inquiry: Inquiry, partition: int = 0) -> int:
    tp = TopicPartition(*messages(settings, partition))
    return (await inquiry.committed(settings.admit_group, tp)).offset


async def logged(settings: Settings, inquiry: Inquiry, partition: int = 0) -> list[int]:
    """Offsets of the inputs in a partition of the log, in the log's order."""
    tp = TopicPartition(topology.name(settings, TENANT_LOG), partition)
    async with clients.reader(settings.kafka) as consumer:
        begin, end = await inquiry.bounds(tp)
        records = [r async for b in clients.read_to(consumer, tp, begin, end) for r in b]
    origins = [log.decode(record.value).origin for record in records]
    return [origin.offset for origin in origins if origin is not None]


async def counted(settings: Settings, folder: Path, until: Until, partition: int = 0) -> int:
    """What the folds make of the log."""
    async with asking(settings.kafka) as inquiry:
        end = await inquiry.end(TopicPartition(topology.name(settings, TENANT_LOG), partition))
    async with folding(settings, folder) as worker:
        await until(lambda: (o := worker.owners.get(partition)) and o.store)
        store = worker.owners[partition].store
        assert store is not None
        assert await store.wait_folded(end, 20)
        return worker.counted(partition)


@pytest.mark.deep
async def test_a_refused_batch_in_the_middle_of_a_slice_stops_what_is_behind_it(
    one: Settings, inquiry: Inquiry, tmp_path: Path, until: Until
) -> None:
    """Rule 9: an idempotent producer lets later batches through after a refused one."""
    await send_inputs(one, range(COUNT), long=[12])
    gave_up: list[str] = []
    async with contextlib.AsyncExitStack() as refused:
        await refused.enter_async_context(refusing(one, topology.name(one, TENANT_LOG), 900))
        async with admitting(one, tmp_path, gave_up.append) as role:
            with contextlib.suppress(TimeoutError):
                await until(lambda: (w := role._writers.get(messages(one))) and w._failures > 2)
            assert (await committed(one, inquiry), max(await logged(one, inquiry))) == (10, 9)
            await refused.aclose()
            await until(lambda: committed_all(one, inquiry))
    assert gave_up == []
    found = await logged(one, inquiry)
    assert [o for at, o in enumerate(found) if o not in found[:at]] == list(range(COUNT))
    assert await counted(one, tmp_path, until) == COUNT


async def committed_all(settings: Settings, inquiry: Inquiry) -> bool:
    return await committed(settings, inquiry) == COUNT


async def red(role: AdmitRole, until: Until, *words: str) -> None:
    await until(lambda: "is red" in (role.ready() or ""))
    said = role.ready() or ""
    assert all(word in said for word in words), said


@pytest.mark.deep
async def test_retention_that_passes_a_running_reader_is_red_until_adopted(
    one: Settings, inquiry: Inquiry, tmp_path: Path, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 8."""
    go_on = asyncio.Event()
    decode = admitter.OriginWriter._slice

    async def wait_there(self: Any, records: Any) -> None:
        if records[0].offset >= 10:
            await go_on.wait()
            raise ConnectionError("injected")
        await decode(self, records)

    monkeypatch.setattr(admitter.OriginWriter, "_slice", wait_there)
    await send_inputs(one, range(COUNT))
    async with admitting(one, tmp_path, lambda why: None) as role:
        await until(lambda: (w := role._writers.get(messages(one))) and w._next == 10)
        await truncate(one, TopicPartition(*messages(one)), 15)
        monkeypatch.undo()
        go_on.set()
        await red(role, until, "begins at 15 but was read up to 9", "`streams topics adopt")
        assert await logged(one, inquiry) == list(range(10))
        await adopt(one, AGENT_MESSAGES)
        await until(lambda: committed_all(one, inquiry))
    assert await logged(one, inquiry) == [*range(10), *range(15, COUNT)]


@pytest.mark.deep
@pytest.mark.parametrize("after", [1, 30], ids=["shorter", "longer"])
@pytest.mark.parametrize("alive", [True, False], ids=["while running", "while stopped"])
async def test_an_input_topic_made_anew_is_red_until_adopted(
    one: Settings, inquiry: Inquiry, tmp_path: Path, until: Until, alive: bool, after: int
) -> None:
    """Rule 8; with the topic Kafka forgets the group's offsets too."""

    async def remake() -> None:
        await recreate(one, messages(one).topic)
        await send_inputs(one, range(100, 100 + after))

    await send_inputs(one, range(20))
    async with admitting(one, tmp_path, lambda why: None) as role:
        await until(lambda: _at(one, inquiry, 0, 20))
        if alive:
            await remake()
            await red(role, until, "`streams topics adopt agent.messages.v1` begins anew")
    if not alive:
        await remake()
    async with admitting(one, tmp_path, lambda why: None) as role:
        await red(role, until, "`streams topics adopt agent.messages.v1` begins anew")
        assert await logged(one, inquiry) == list(range(20))
        await adopt(one, AGENT_MESSAGES)
        await until(lambda: _at(one, inquiry, 0, after))
    assert await logged(one, inquiry) == [*range(20), *range(after)]
    assert await counted(one, tmp_path, until) == 20 + after


async def test_a_deleted_topic_is_said_until_it_is_there_again(
    one: Settings, tmp_path: Path, until: Until
) -> None:
    async with admitting(one, tmp_path, lambda why: None) as role:
        await until(lambda: role.ready() is None)
        await delete(one, topology.name(one, JOB_EVENTS))
        await until(lambda: "job.events.v1 is missing" in (role.ready() or ""))
        assert "`streams topics ensure` makes it" in (role.ready() or "")
        await topics.ensure(one)
        await red(role, until, "job.events.v1", "`streams topics adopt")
        await adopt(one, JOB_EVENTS)
        await until(lambda: role.ready() is None)


class Frozen:
    """A worker whose consumer's thread hangs: no heartbeat, no commit, no rebalance."""

    def __init__(self, role: AdmitRole) -> None:
        self._thread = role.app.chunk_consumer._thread
        self._thaw = threading.Event()

    def __enter__(self) -> "Frozen":
        self._thread.thread_loop.call_soon_threadsafe(self._thaw.wait)
        return self

    def __exit__(self, *_: object) -> None:
        self._thaw.set()


@pytest.mark.deep
async def test_a_zombie_commits_nothing_and_its_late_records_count_once(
    settings: Settings, inquiry: Inquiry, tmp_path: Path, until: Until
) -> None:
    """Rules 9 and 10: out of the group for longer than its session, with a slice in its hands."""
    both = alone(settings, partitions=2)
    await topics.ensure(both)
    async with AsyncExitStack() as stack:
        old, new = [
            await stack.enter_async_context(
                admitting(
                    msgspec.structs.replace(both, worker=name), tmp_path / name, lambda why: None
                )
            )
            for name in ("old", "new")
        ]
        await until(lambda: old._writers and new._writers and old.ready() is new.ready() is None)
        inputs = {messages(both, 0), messages(both, 1)}
        if not inputs & {*old._writers}:
            old, new = new, old
        tp = min(inputs & {*old._writers})
        asked, late, get = asyncio.Event(), asyncio.Event(), old._producer.get

        async def get_late() -> Any:
            asked.set()
            await late.wait()
            return await get()

        old._producer.get = get_late  # type: ignore[method-assign]
        await send_inputs(both, range(5), tp.partition)
        await asyncio.wait_for(asked.wait(), 20)
        with Frozen(old):
            await until(lambda: tp in new._writers, 30)
            await until(lambda: _at(both, inquiry, tp.partition, 5), 30)
            late.set()
            writer = old._writers[tp]
        await until(lambda: writer._failures or writer.state != "running", 20)
        await send_inputs(both, range(5, 10), tp.partition)
        await until(lambda: _at(both, inquiry, tp.partition, 10), 30)
        await until(lambda: old.ready() is None and new.ready() is None, 30)
    partition = partition_of(TENANT, both.partitions)
    found = await logged(both, inquiry, partition)
    assert sorted(set(found)) == list(range(10))
    assert found.count(0) == 2, "without late records this shows nothing"
    assert await counted(both, tmp_path, until, partition) == 10


async def _at(settings: Settings, inquiry: Inquiry, partition: int, offset: int) -> bool:
    return await committed(settings, inquiry, partition) == offset


@pytest.mark.deep
async def test_two_workers_share_each_topic_evenly(
    settings: Settings, tmp_path: Path, until: Until
) -> None:
    """Sticky assignment gave one of them all of the messages in a third of all cases."""
    four = alone(settings, partitions=4)
    other = msgspec.structs.replace(four, worker="w1")
    await topics.ensure(four)

    def shares(role: AdmitRole) -> list[int]:
        held = [tp.topic for tp in role._writers]
        return [held.count(topology.name(four, topic)) for topic in topology.INPUTS]

    async with (
        admitting(four, tmp_path / "w0", pytest.fail) as one,
        admitting(other, tmp_path / "w1", pytest.fail) as two,
    ):
        even = [2] * len(topology.INPUTS)
        await until(lambda: shares(one) == shares(two) == even, 30)
