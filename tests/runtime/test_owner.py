"""An owner's life in a real fold worker: what stops it, what does not, and whom it may hold up."""

import asyncio
import errno
import gc
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka.errors import KafkaTimeoutError
from aiokafka.structs import TopicPartition
from faust.types import TP

from streams.runtime import clients, owner, reading, recovery, store, topics
from streams.runtime.adopt import adopt
from streams.runtime.transport import Consumer
from streams.settings import Settings
from streams.topology import TENANT_LOG

from .faults import full_disk, recreate, truncate
from .stores import event, job, numbers, said
from .workers import Folding, alone, append, folding

Until = Callable[..., Awaitable[None]]
MANY = 12_000


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner, "RETRY_S", 0.01)
    monkeypatch.setattr(owner, "FENCED_PAUSE_S", 0.01)
    monkeypatch.setattr(reading, "RETRY_S", 0.01)
    monkeypatch.setattr(reading, "STOP_S", 0.5)


@pytest.fixture
async def four(settings: Settings) -> Settings:
    made = alone(settings, partitions=4)
    await topics.ensure(made)
    return made


@pytest.fixture
async def one(settings: Settings) -> Settings:
    made = alone(settings)
    await topics.ensure(made)
    return made


@pytest.fixture
async def worker(one: Settings, tmp_path: Path, until: Until) -> AsyncIterator[Folding]:
    """One partition, running."""
    async with folding(one, tmp_path) as made:
        await until(made.running)
        yield made


def here(settings: Settings, partition: int = 0) -> TP:
    return TP(job(settings).topic, partition)


# -- rule 1: chunks ----------------------------------------------------------------------------


@pytest.mark.deep
async def test_what_faust_drops_is_fetched_again(
    one: Settings, tmp_path: Path, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pause drops what Faust has fetched; its resume seeks nothing."""
    # The next record tells that something is missing: that is a tick at the latest.
    one = msgspec.structs.replace(one, tick_seconds=0.1)
    await append(one, map(event, range(MANY)))
    to_message, release = Consumer._to_message, Consumer.release
    pauses, sought = 0, []

    def pause_in_the_middle(self: Consumer, tp: TP, chunk: Any) -> Any:
        nonlocal pauses
        pauses += 1
        if pauses <= 3:
            self.stop_flow()
            asyncio.get_running_loop().call_later(0.02, self.resume_flow)
        return to_message(self, tp, chunk)

    async def release_and_tell(self: Consumer, tp: TP, offset: int) -> None:
        sought.append(offset)
        await release(self, tp, offset)

    monkeypatch.setattr(Consumer, "_to_message", pause_in_the_middle)
    monkeypatch.setattr(Consumer, "release", release_and_tell)
    async with folding(one, tmp_path) as worker:
        await until(lambda: worker.owners and worker.owners[0].store, 30)
        opened = worker.owners[0].store
        await until(lambda: opened.offset >= MANY, 30)
        assert worker.counted() == MANY
        assert worker.owners[0].store is opened
    assert len(sought) > 1
    assert await said(one) == numbers(MANY)


@pytest.mark.deep
async def test_a_full_inbox_holds_its_partition_and_goes_on_by_a_seek(
    one: Settings, tmp_path: Path, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 2: what comes meanwhile is not kept, and not lost."""
    await append(one, map(event, range(MANY)))
    monkeypatch.setattr(reading, "INBOX_BYTES", 1)
    hold, held = Consumer.hold, []

    def hold_and_tell(self: Consumer, tp: TP) -> None:
        held.append(tp)
        hold(self, tp)

    monkeypatch.setattr(Consumer, "hold", hold_and_tell)
    async with folding(one, tmp_path) as worker:
        await until(lambda: worker.owners and worker.counted() == MANY, 30)
        assert held
    assert await said(one) == numbers(MANY)


# -- rule 2: nobody waits for another one ---------------------------------------------------------


@pytest.mark.deep
async def test_one_that_never_gets_ready_holds_up_no_other(
    four: Settings, tmp_path: Path, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    replay = recovery.replay_changelog

    async def never_for_2(inquiry: Any, changelog: TopicPartition, *more: Any) -> Any:
        if changelog.partition == 2:
            await asyncio.Event().wait()
        return await replay(inquiry, changelog, *more)

    monkeypatch.setattr(recovery, "replay_changelog", never_for_2)
    await _three_fold_on(four, tmp_path, until)


@pytest.mark.deep
async def test_one_that_is_stuck_holds_up_no_other(
    four: Settings, tmp_path: Path, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = store.PartitionStore._commit

    async def never_for_2(self: store.PartitionStore, *arguments: Any) -> None:
        if self.partition == 2:
            await asyncio.Event().wait()
        await commit(self, *arguments)

    monkeypatch.setattr(store.PartitionStore, "_commit", never_for_2)
    monkeypatch.setattr(store, "COMMIT_SECONDS", 600)
    # The log of 2 alone is more than all that lies between Faust's consumer and the inbox.
    await append(four, map(event, range(MANY)), 2)
    await _three_fold_on(four, tmp_path, until)


async def _three_fold_on(settings: Settings, folder: Path, until: Until) -> None:
    async with asyncio.timeout(60), folding(settings, folder) as worker:
        for expected in (10, 20):
            for partition in range(4):
                await append(settings, map(event, range(expected - 10, expected)), partition)
            await until(lambda n=expected: all(worker.counted(p) == n for p in (0, 1, 3)))
        assert worker.counted(2) <= 0
        # What the contract gives to SIGTERM.
        async with asyncio.timeout(15):
            await worker.role.stop()
            await worker.role.app.stop()


# -- rule 5: errors --------------------------------------------------------------------------------


@pytest.mark.deep
@pytest.mark.parametrize("committed", [False, True], ids=["not committed", "committed"])
async def test_a_lost_commit_is_settled_by_a_take_over(
    one: Settings,
    worker: Folding,
    until: Until,
    monkeypatch: pytest.MonkeyPatch,
    committed: bool,
) -> None:
    opened = worker.owners[0].store
    assert opened is not None
    commit = opened._producer.commit_transaction

    async def fail() -> None:
        if committed:
            await commit()
        raise KafkaTimeoutError("injected")

    monkeypatch.setattr(opened._producer, "commit_transaction", fail)
    await append(one, map(event, range(10)))
    await until(lambda: worker.counted() == 10)
    assert worker.owners[0].store is not opened
    assert await said(one) == numbers(10)


@pytest.mark.deep
async def test_a_stop_in_the_middle_of_a_commit_is_settled_by_the_next_owner(
    one: Settings, tmp_path: Path, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed = asyncio.Event()
    async with folding(one, tmp_path) as worker:
        await until(worker.running)
        opened = worker.owners[0].store
        assert opened is not None
        commit = opened._producer.commit_transaction

        async def commit_and_hear_nothing() -> None:
            await commit()
            committed.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(opened._producer, "commit_transaction", commit_and_hear_nothing)
        await append(one, map(event, range(10)))
        await asyncio.wait_for(committed.wait(), 20)
    async with folding(one, tmp_path) as worker:
        await until(worker.running)
        await append(one, map(event, range(5, 15)))
        await until(lambda: worker.counted() == 15)
    assert await said(one) == numbers(15)


@pytest.mark.deep
async def test_a_disk_that_is_full_for_a_while(
    one: Settings, worker: Folding, tmp_path: Path, until: Until
) -> None:
    await append(one, map(event, range(10)))
    await until(lambda: worker.counted() == 10)
    opened = worker.owners[0].store
    folder = tmp_path / f"{here(one).topic}-0"
    with full_disk(folder):
        await append(one, map(event, range(10, 20)))
        await until(lambda: worker.owners[0].store is not opened)
    await until(lambda: worker.counted() == 20)
    assert worker.gave_up == []
    assert await said(one) == numbers(20)
    assert not any("damaged" in name for name in os.listdir(tmp_path))


@pytest.mark.deep
async def test_a_disk_that_stays_full_is_told_in_one_line(
    one: Settings, worker: Folding, tmp_path: Path, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    with full_disk(tmp_path, free=0):
        await append(one, [event(0)])
        await until(lambda: worker.gave_up)
    where, full = f"{here(one).topic}/0", f"the disk of {tmp_path} is full, make room there: "
    assert worker.gave_up[0].startswith(f"{where}: take-over failed 3 times: {full}")
    assert os.strerror(errno.EFBIG) in worker.gave_up[0]
    failed = [record for record in caplog.records if "take-over failed" in record.message]
    assert failed[0].message.startswith(f"{where}: take-over failed (1 of 3) {full}")
    assert not any(record.exc_info for record in failed)


async def fence(settings: Settings, partition: int) -> None:
    """Begin as another owner would."""
    intruder = clients.transactional_producer(
        settings.kafka, job(settings).transactional_id(partition)
    )
    await intruder.start()
    await intruder.stop()


@pytest.mark.deep
async def test_a_fence_closes_its_store_only_and_the_third_in_a_minute_the_process(
    four: Settings, tmp_path: Path, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    async with folding(four, tmp_path) as worker:
        await until(worker.running)
        stores = {p: o.store for p, o in worker.owners.items()}
        for times in range(1, owner.FENCED_LIMIT + 1):
            assert worker.gave_up == []
            before = worker.owners[0].store
            await fence(four, 0)
            await append(four, [event(times)])
            if times < owner.FENCED_LIMIT:
                await until(lambda b=before: worker.owners[0].store not in (b, None))
                await until(lambda n=times: worker.counted() == n)
        await until(lambda: worker.gave_up)
        assert "fenced 3 times in a minute" in worker.gave_up[0]
        for partition in (1, 2, 3):
            assert worker.owners[partition].store is stores[partition]
    del before, stores
    gc.collect()
    assert "never retrieved" not in caplog.text


# -- rule 7: take-over ---------------------------------------------------------------------------


@pytest.mark.deep
async def test_a_take_over_that_fails_is_tried_again_then_given_up(
    one: Settings, tmp_path: Path, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    replay, tries = recovery.replay_changelog, 0

    async def fail(*arguments: Any) -> Any:
        nonlocal tries
        tries += 1
        if tries != 3:
            raise OSError("injected")
        return await replay(*arguments)

    monkeypatch.setattr(recovery, "replay_changelog", fail)
    async with folding(one, tmp_path) as worker:
        await until(worker.running)
        assert (tries, worker.gave_up) == (3, [])
        await fence(one, 0)
        await append(one, [event(0)])
        await until(lambda: worker.gave_up)
        assert tries == 3 + owner.RETRIES
        assert "take-over failed 3 times: OSError('injected')" in worker.gave_up[0]
        await until(lambda: worker.owners[0].state == "closed")
    # Nothing is left open: neither the database nor the producer.
    monkeypatch.undo()
    async with folding(one, tmp_path) as worker:
        await until(lambda: worker.owners and worker.counted() == 1)


# -- rule 8: never a silent skip -------------------------------------------------------------------


async def red(worker: Folding, until: Until, *words: str) -> None:
    try:
        await until(lambda: worker.owners and worker.states() == {0: "red"})
    except TimeoutError:
        pytest.fail(f"{worker.states()}, {worker.counted()} counted")
    said = worker.owners[0].error or ""
    assert all(word in said for word in (*words, "`streams topics adopt")), said
    assert "is red" in (worker.role.ready() or "")


async def hold(settings: Settings, worker: Folding, until: Until) -> None:
    """As a full inbox does; returns when no fetch is on its way any more."""
    consumer = worker.role.app.chunk_consumer
    wait, waits = consumer._wait_next_records, 0

    async def wait_and_count(timeout: float) -> Any:
        nonlocal waits
        waits += 1
        return await wait(timeout)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(consumer, "_wait_next_records", wait_and_count)
        consumer.hold(here(settings))
        await until(lambda: waits > 1)


@pytest.mark.deep
async def test_retention_that_passes_a_running_reader_is_red_until_adopted(
    one: Settings, worker: Folding, until: Until
) -> None:
    await append(one, map(event, range(10)))
    await until(lambda: worker.counted() == 10)
    await hold(one, worker, until)
    await append(one, map(event, range(10, 20)))
    await truncate(one, TopicPartition(*here(one)), 15)
    worker.owners[0].reassigned()
    await red(worker, until, "offset 10", "range")
    await append(one, map(event, range(20, 22)))
    assert await said(one) == numbers(10)
    await adopt(one, TENANT_LOG)
    await until(lambda: worker.counted() == 17)


@pytest.mark.deep
@pytest.mark.parametrize("held", [False, True], ids=["reading", "held"])
@pytest.mark.parametrize("after", [5, 30], ids=["shorter", "longer"])
async def test_a_log_made_anew_under_a_running_reader_is_red_until_adopted(
    one: Settings, worker: Folding, until: Until, after: int, held: bool
) -> None:
    await append(one, map(event, range(20)))
    await until(lambda: worker.counted() == 20)
    if held:
        await hold(one, worker, until)
    await recreate(one, here(one).topic)
    await append(one, map(event, range(100, 100 + after)))
    if held and 0 in worker.owners:
        worker.owners[0].reassigned()
    await red(worker, until, here(one).topic)
    assert await said(one) == numbers(20)
    await adopt(one, TENANT_LOG)
    await until(lambda: worker.owners and worker.counted() == 20 + after)
    assert await said(one) == numbers(20 + after)


@pytest.mark.deep
async def test_a_log_made_anew_unseen_is_red_at_the_next_seek(
    one: Settings, worker: Folding, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two looks of the consumer at the topics; longer than what was read."""
    await append(one, map(event, range(20)))
    await until(lambda: worker.counted() == 20)
    thread = worker.role.app.chunk_consumer._thread
    coordinator = thread._ensure_consumer()._coordinator
    monkeypatch.setattr(coordinator, "_on_metadata_change", lambda: None)
    await hold(one, worker, until)
    await recreate(one, here(one).topic)
    await append(one, map(event, range(100, 130)))
    worker.owners[0].reassigned()
    await red(worker, until, "made anew")
    assert await said(one) == numbers(20)
