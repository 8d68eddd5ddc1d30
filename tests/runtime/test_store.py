"""A chunk's steps on a real broker: whatever fails on the way, each record counts once."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka.errors import ProducerFenced
from aiokafka.structs import TopicPartition
from msgspec import structs

from streams.core.errors import PartitionRed, StoreLost
from streams.core.log import DEFAULT_CONFIG, VERSION, Record, Tick
from streams.core.time import HOUR
from streams.runtime import clients, folding, store
from streams.runtime.digest import digest
from streams.settings import Settings

from .stores import PARTITION, TENANT, Stores, chunk, counted, event, numbers, said, take_over


async def test_a_chunk_counts_once_wherever_the_state_comes_from(
    stores: Stores, installed: Settings
) -> None:
    one = await stores()
    await one.apply(chunk(0, [event(n) for n in range(10)]))
    assert (counted(one), one.offset) == (10, 9)
    before = digest(one.db.iter())
    for wiped in (False, True):
        one = await stores(wiped=wiped)
        assert digest(one.db.iter()) == before
        # The chunk itself, the same origins further on, and users' duplicates.
        await one.apply(chunk(0, [event(n) for n in range(10)]))
        offset = one.offset + 1
        await one.apply(chunk(offset, [event(n) for n in range(10)]))
        repeats = [event(100 + offset + n, str(n)) for n in range(10)]
        await one.apply(chunk(offset + 10, repeats))
        assert (counted(one), one.offset) == (10, offset + 19)
        assert digest(one.db.iter()) == before
    assert await said(installed) == numbers(10)


async def test_the_inputs_offset_is_committed_for_lag_tools_once_in_a_while(
    stores: Stores, installed: Settings
) -> None:
    one = await stores()
    tp = TopicPartition(one.job.topic, PARTITION)

    async def committed() -> int:
        async with clients.admin(installed.kafka) as admin:
            offsets = await admin.list_consumer_group_offsets(installed.group, partitions=[tp])
        return int(offsets[tp].offset)

    one.job = structs.replace(one.job, tell_offsets_every=3600.0)
    await one.apply(chunk(5, [event(0), event(1)]))
    assert await committed() == 7
    await one.apply(chunk(7, [event(2)]))
    assert await committed() == 7
    one.job = structs.replace(one.job, tell_offsets_every=0.0)
    await one.apply(chunk(8, [event(3)]))
    assert await committed() == 9


STEPS = ["begin_transaction", "send_batch", "send", "send_offsets_to_transaction", "commit"]


@pytest.mark.parametrize(
    "wiped", [False, pytest.param(True, marks=pytest.mark.deep)], ids=["local", "wiped"]
)
@pytest.mark.parametrize("step", [*STEPS, "committed", "write", "ack", "silence"])
async def test_whatever_fails_only_a_takeover_helps(
    stores: Stores,
    installed: Settings,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    wiped: bool,
) -> None:
    one = await stores()
    one.job = structs.replace(one.job, tell_offsets_every=0.0)
    await one.apply(chunk(0, [event(0), event(1)]))
    producer = one._producer

    async def fail(*_: Any, **__: Any) -> None:
        raise TimeoutError("injected")

    async def commit_then_fail() -> None:
        await commit()
        raise TimeoutError("injected")

    async def acknowledge_never(*_: Any, **__: Any) -> asyncio.Future[None]:
        lost = asyncio.get_running_loop().create_future()
        lost.set_exception(TimeoutError("injected"))
        return lost

    async def never_acknowledged(*_: Any, **__: Any) -> asyncio.Future[None]:
        return asyncio.get_running_loop().create_future()

    commit = producer.commit_transaction
    if step == "write":
        monkeypatch.setattr(one, "_write", lambda *_: 1 // 0)
    elif step == "ack":
        monkeypatch.setattr(producer, "send", acknowledge_never)
    elif step == "silence":
        monkeypatch.setattr(producer, "send", never_acknowledged)
        monkeypatch.setattr(store, "COMMIT_SECONDS", 0.5)
    elif step == "committed":
        monkeypatch.setattr(producer, "commit_transaction", commit_then_fail)
    else:
        name = "commit_transaction" if step == "commit" else step
        monkeypatch.setattr(producer, name, fail)
    with pytest.raises(StoreLost):
        await one.apply(chunk(2, [event(2), event(3)]))
    monkeypatch.undo()
    one = await stores(wiped=wiped)
    # The changelog alone says whether the chunk counted.
    assert (counted(one), one.offset) == ((4, 3) if step in ("committed", "write") else (2, 1))
    await one.apply(chunk(one.offset + 1, [event(n) for n in range(one.offset + 1, 6)]))
    assert counted(one) == 6
    assert await said(installed) == numbers(6)


async def test_a_new_owner_fences_the_old_one(
    stores: Stores, installed: Settings, tmp_path: Path
) -> None:
    old = await stores()
    await old.apply(chunk(0, [event(0)]))
    new = await take_over(installed, tmp_path / "other")
    try:
        assert counted(new) == 1
        with pytest.raises(ProducerFenced):
            await old.apply(chunk(1, [event(1)]))
        await new.apply(chunk(1, [event(1)]))
        assert counted(new) == 2
        assert await said(installed) == numbers(2)
    finally:
        await new.close()


async def test_who_is_fenced_while_it_sends_knows_it(
    stores: Stores, installed: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = await stores()
    await old.apply(chunk(0, [event(0)]))
    new = await take_over(installed, tmp_path / "other")
    producer = old._producer
    send_batch = producer.send_batch

    async def send_until_refused(*args: Any, **options: Any) -> Any:
        sent = await send_batch(*args, **options)
        await asyncio.wait((producer._sender.sender_task,), timeout=10)
        return sent

    monkeypatch.setattr(producer, "send_batch", send_until_refused)
    try:
        with pytest.raises(ProducerFenced):
            await old.apply(chunk(1, [event(1)]))
    finally:
        await new.close()


async def test_a_bug_in_a_fold_names_its_record(stores: Stores, installed: Settings) -> None:
    one = await stores()
    records = [event(0), event(1, "bug"), event(2)]
    with pytest.raises(PartitionRed, match=r"log\.v1/0/1 can't be folded: ZeroDivisionError"):
        await one.apply(chunk(0, records))
    assert await said(installed) in ([], ["1"])


@pytest.mark.parametrize("bad", ["newer", "garbage"])
async def test_what_stands_before_an_unreadable_record_is_folded(stores: Stores, bad: str) -> None:
    newer = msgspec.msgpack.encode(Record(VERSION + 1, TENANT, None, "", "", 0, Tick()))
    one = await stores()
    value = newer if bad == "newer" else b"\xc1"
    with pytest.raises(PartitionRed, match=r"tenant\.log\.v1/0/2: a record of the log"):
        await one.apply(chunk(0, [event(0), event(1), value, event(3)]))
    assert (counted(one), one.offset) == (2, 1)


@pytest.mark.parametrize(("seconds", "every"), [(0.05, 64), (0.0, 1)])
async def test_no_figure_depends_on_how_chunks_are_cut(
    stores: Stores,
    installed: Settings,
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
    every: int,
) -> None:
    monkeypatch.setattr(store, "FOLD_SECONDS", seconds)
    monkeypatch.setattr(folding, "CLOCK_EVERY", every)
    one = await stores()
    await one.apply(chunk(0, [event(n, str(n % 7)) for n in range(20)]))
    assert counted(one) == 7
    assert await said(installed) == numbers(7)


async def test_a_config_record_takes_effect_with_the_next_record(stores: Stores) -> None:
    one = await stores()
    config = msgspec.structs.replace(DEFAULT_CONFIG, dedupe_hours=1)
    change = Record(VERSION, "", None, "", "", 0, config)
    two_hours = 2 * HOUR // 1000
    await one.apply(chunk(0, [event(0, "a"), event(1, "b")]))
    late = chunk(2, [event(2, "a"), change, event(3, "a"), event(4, "b")], timestamp=two_hours)
    await one.apply(late)
    # "a" is within 24 hours, then beyond one.
    assert (counted(one), one.offset, one.config) == (4, 5, config)
    one = await stores(wiped=True)
    assert one.config == config
    again = chunk(6, [event(6, "a"), event(7, "b"), event(8, "c")], timestamp=two_hours + 10)
    await one.apply(again)
    assert counted(one) == 5


async def test_readers_wait_for_what_is_folded(stores: Stores) -> None:
    one = await stores()
    assert await one.wait_folded(0, 0.0)
    assert not await one.wait_folded(2, 0.01)
    waiting = asyncio.ensure_future(one.wait_folded(2, 20))
    await asyncio.sleep(0)
    await one.apply(chunk(0, [event(0), event(1)]))
    assert await waiting
