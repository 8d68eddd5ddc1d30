"""DESIGN.md section 2, rules 3, 4, 5 and 11 of a store, each under the fault that it is for."""

import asyncio
import errno
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka.errors import MessageSizeTooLargeError
from aiokafka.structs import TopicPartition

from streams.core.errors import StoreLost
from streams.core.time import HOUR
from streams.runtime import clients
from streams.runtime.store import PartitionStore
from streams.settings import Settings
from streams.topology import BUDGET_ALERTS

from .faults import die, full_disk, refusing
from .stores import (
    PARTITION,
    TENANT,
    Stores,
    chunk,
    counted,
    event,
    job,
    numbers,
    said,
    take_over,
)


@pytest.mark.parametrize("what", ["changelog", "output", "identities"])
async def test_a_refused_batch_is_no_commit(stores: Stores, installed: Settings, what: str) -> None:
    """Rule 4: aiokafka commits a transaction although the broker refused one of its batches."""
    one = await stores()
    await one.apply(chunk(0, [event(0), event(1)]))
    topic = {
        "changelog": one.job.changelog,
        "output": one.job.output(BUDGET_ALERTS),
        "identities": one.job.dedupe or "",
    }[what]
    async with refusing(installed, topic, 80):
        with pytest.raises(StoreLost, match=MessageSizeTooLargeError.__name__):
            await one.apply(chunk(2, [event(2), event(3)]))
    one = await stores()
    assert (counted(one), one.offset) == (2, 1)
    await one.apply(chunk(2, [event(2), event(3)]))
    assert counted(one) == 4
    assert await said(installed) == numbers(4)


@pytest.mark.parametrize("wiped", [False, True], ids=["local", "wiped"])
async def test_a_cancelled_commit_counts_as_the_changelog_says(
    stores: Stores, installed: Settings, monkeypatch: pytest.MonkeyPatch, wiped: bool
) -> None:
    """Rule 5: whoever waits for the commit is cancelled, and it did commit."""
    one = await stores()
    await one.apply(chunk(0, [event(0), event(1)]))
    commit, committed = one._producer.commit_transaction, asyncio.Event()

    async def commit_and_hear_nothing() -> None:
        await commit()
        committed.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(one._producer, "commit_transaction", commit_and_hear_nothing)
    folding = asyncio.create_task(one.apply(chunk(2, [event(2), event(3)])))
    await asyncio.wait_for(committed.wait(), 10)
    folding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await folding
    assert counted(one) == 2
    one = await stores(wiped=wiped)
    assert (counted(one), one.offset) == (4, 3)
    await one.apply(chunk(2, [event(n) for n in range(2, 6)]))
    assert counted(one) == 6
    assert await said(installed) == numbers(6)


async def test_a_full_disk_at_the_write_loses_nothing(
    stores: Stores, installed: Settings, tmp_path: Path
) -> None:
    """Rule 5: the transaction has committed, RocksDB can't write it."""
    one = await stores()
    await one.apply(chunk(0, [event(0), event(1)]))
    with (
        full_disk(tmp_path / "state"),
        pytest.raises(StoreLost, match=os.strerror(errno.EFBIG)),
    ):
        await one.apply(chunk(2, [event(2), event(3)]))
    # Closing fails too, since RocksDB remembers; whoever closes has to go on all the same.
    one = await stores()
    assert (counted(one), one.offset) == (4, 3)
    await one.apply(chunk(2, [event(n) for n in range(2, 6)]))
    assert counted(one) == 6
    assert await said(installed) == numbers(6)


@asynccontextmanager
async def owned(opened: PartitionStore) -> AsyncIterator[PartitionStore]:
    try:
        yield opened
    finally:
        await opened.close()


async def test_two_topics_do_not_fence_each_other(installed: Settings, tmp_path: Path) -> None:
    """Rule 3: one group folds two topics; partition 0 of one is not partition 0 of the other."""
    first = job(installed)
    second = msgspec.structs.replace(
        first, topic=first.output("job.events.v1"), changelog=first.output("tenant.audit.v1")
    )
    async with (
        owned(await take_over(installed, tmp_path / "a", first)) as one,
        owned(await take_over(installed, tmp_path / "b", second)) as other,
    ):
        for n in range(3):
            await one.apply(chunk(n, [event(n)]))
            await other.apply(chunk(n, [event(n)]))
        assert (counted(one), counted(other)) == (3, 3)


async def test_what_a_dead_owner_left_open_does_not_count(
    stores: Stores, installed: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rules 5 and 7: killed before its commit; the next owner ends the transaction, then reads."""
    dead = await take_over(installed, tmp_path / "dead")
    await dead.apply(chunk(0, [event(0), event(1)]))

    async def die_there(*_: Any) -> None:
        await die(dead._producer)
        raise ConnectionError("killed")

    monkeypatch.setattr(dead._producer, "commit_transaction", die_there)
    with pytest.raises(StoreLost, match="killed"):
        await dead.apply(chunk(2, [event(2), event(3)]))
    dead.db.close()
    (tmp_path / "dead").rename(tmp_path / "state")
    one = await stores()
    assert (counted(one), one.offset) == (2, 1)
    # Nothing of it is in anybody's way: a read_committed reader gets to the end at once.
    assert await said(installed) == numbers(2)
    await one.apply(chunk(2, [event(2), event(3)]))
    assert await said(installed) == numbers(4)


async def test_duplicates_across_restarts_and_past_the_window(stores: Stores) -> None:
    """Rule 11: within 24 hours of log time an id counts once, whoever owns the partition."""
    day = 24 * HOUR // 1000
    expected = offset = 0
    one = await stores()
    for timestamp, ids, new, wiped in [
        (1_000, ["a", "b", "a"], 2, False),
        (day, ["b", "c", "a"], 1, True),
        # "a" came at 1,000 ms and "b" at 1,001 ms: their windows end a millisecond apart.
        (day + 999, ["a", "a", "b", "b"], 2, False),
        (2 * day + 998, ["c", "a", "b"], 1, True),
        (9 * day, ["a", "b", "c", "c"], 3, False),
    ]:
        records = [event(offset + n, event_id) for n, event_id in enumerate(ids)]
        await one.apply(chunk(offset, records, timestamp=timestamp))
        offset += len(ids)
        expected += new
        assert counted(one) == expected, timestamp
        one = await stores(wiped=wiped)
        assert counted(one) == expected


async def test_the_open_transaction_of_a_dead_producer_ends_by_itself(installed: Settings) -> None:
    """Rule 13: what stands behind it is hidden from readers for about a second, not for 20."""
    tp = TopicPartition(job(installed).topic, PARTITION)
    dead = clients.transactional_producer(installed.kafka, f"{installed.group}-dead")
    dead._txn_manager.transaction_timeout_ms = 1_000
    await dead.start()
    await dead.begin_transaction()
    await (await dead.send(tp.topic, b"uncommitted", TENANT.encode(), tp.partition))
    await die(dead)
    producer = clients.plain_producer(installed.kafka)
    await producer.start()
    behind = await producer.send_and_wait(tp.topic, b"behind", b"", tp.partition)
    await producer.stop()
    async with clients.reader(installed.kafka) as consumer, asyncio.timeout(10):
        seen = [
            record.value
            async for records in clients.read_to(consumer, tp, 0, behind.offset + 1)
            for record in records
        ]
    assert seen == [b"behind"]
