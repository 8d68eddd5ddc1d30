"""A rebalance may fall into any wait of an owner or writer; each must then seek once more."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest
from faust.types import TP

from streams.runtime import owner
from streams.runtime.admitter import AdmitHost, OriginWriter
from streams.runtime.chunks import Chunk
from streams.runtime.commits import OffsetCommits
from streams.runtime.owner import Host, PartitionOwner
from streams.settings import Settings

Until = Callable[..., Awaitable[None]]


class FakeConsumer:
    """Lets a test act while a seek is on its way."""

    def __init__(self) -> None:
        self.seeks = 0
        self.during: dict[int, Callable[[], None]] = {}

    async def release(self, tp: TP, offset: int) -> None:
        self.seeks += 1
        await asyncio.sleep(0)
        self.during.get(self.seeks, lambda: None)()

    def hold(self, tp: TP) -> None:
        pass

    def is_held(self, tp: TP) -> bool:
        return False

    async def commit(self, offsets: Mapping[TP, tuple[int, str]]) -> None:
        raise AssertionError("nothing was admitted")


@pytest.fixture(autouse=True)
def _no_topics(monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_id(*_: Any) -> str:
        return ""

    monkeypatch.setattr(owner, "topic_id", no_id)


class OwnerOfNothing(PartitionOwner):
    async def _open(self) -> None:
        self.store = cast(Any, SimpleNamespace(source=SimpleNamespace(offset=4), close=_nothing))
        await self._seek()


class WriterOfNothing(OriginWriter):
    opened = 0

    async def _open(self) -> None:
        self.opened += 1
        self._reopen = False
        await self._seek()

    async def _where(self) -> int:
        return 0


def host_of(consumer: FakeConsumer) -> Host:
    host = SimpleNamespace(
        job=SimpleNamespace(topic="log", changelog="changelog"),
        inquiry=SimpleNamespace(admin=None),
        ownership=SimpleNamespace(incarnations={}, restoring=False),
        consumer=lambda: consumer,
    )
    return cast(Host, host)


async def _nothing() -> None:
    pass


async def _wait(event: asyncio.Event) -> None:
    await event.wait()


async def test_an_owner_seeks_again_when_a_rebalance_falls_into_its_seek(until: Until) -> None:
    consumer = FakeConsumer()
    host = host_of(consumer)
    mine = OwnerOfNothing(host, 0)
    await until(lambda: mine.state == "running")
    consumer.during[2] = mine.reassigned
    mine.reassigned()
    await until(lambda: consumer.seeks == 3)
    consumer.during[4] = lambda: setattr(mine, "_stopping", True)
    mine.reassigned()
    await asyncio.wait_for(mine.stop(), 2)
    assert mine.state == "closed"


async def test_an_owner_waits_until_the_last_one_has_closed_the_database(until: Until) -> None:
    consumer = FakeConsumer()
    host = host_of(consumer)
    closed = asyncio.Event()
    before = asyncio.create_task(_wait(closed))
    mine = OwnerOfNothing(host, 0, before)
    await asyncio.sleep(0.05)
    assert consumer.seeks == 0
    closed.set()
    await until(lambda: mine.state == "running")
    await mine.stop()


@pytest.mark.parametrize(
    ("prev", "taken"), [(None, False), (5, False), (4, True), (2, True)], ids=str
)
async def test_an_owner_takes_only_what_follows_on(
    until: Until, prev: int | None, taken: bool
) -> None:
    consumer = FakeConsumer()
    host = host_of(consumer)
    mine = OwnerOfNothing(host, 0)
    await until(lambda: mine.state == "running")
    applied: list[Chunk] = []

    async def apply(chunk: Chunk) -> None:
        applied.append(chunk)

    cast(Any, mine.store).apply = apply
    mine.put(Chunk(prev, [SimpleNamespace(offset=9, value=b"v")]))
    await until(lambda: applied if taken else consumer.seeks == 2)
    assert (len(applied), consumer.seeks) == ((1, 1) if taken else (0, 2))
    await mine.stop()


async def test_a_writer_opens_anew_when_a_rebalance_falls_into_its_seek(until: Until) -> None:
    consumer = FakeConsumer()
    commits = OffsetCommits(consumer.commit)
    host = cast(
        AdmitHost,
        SimpleNamespace(settings=Settings(), consumer=lambda: consumer, commits=commits),
    )
    writer = WriterOfNothing(host, "agent.messages.v1", TP("agent.messages.v1", 0))
    await until(lambda: writer.state == "running")
    consumer.during[2] = writer.reassigned
    writer._seeking = True
    writer._inbox.filled.set()
    await until(lambda: writer.opened == 2)
    await asyncio.wait_for(writer.stop(), 2)
