"""A writer without Faust: whatever fails, each record reaches the log, in order for its tenant."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec
import pytest
from aiokafka.errors import KafkaTimeoutError
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.types import TP

from streams import topology
from streams.adapters.embedding.choice import Choice
from streams.core import log
from streams.core.log import Call, Message, Record, Refusal, Vector
from streams.runtime import admit_slice, admitter, clients, topics
from streams.runtime.admitter import AdmitHost, OriginWriter
from streams.runtime.chunks import Chunk
from streams.runtime.clients import Inquiry
from streams.runtime.commits import OffsetCommits
from streams.runtime.embedding import Embedding
from streams.runtime.ownership import Incarnation, Ownership, announce_incarnation
from streams.runtime.shared_producer import SharedProducer
from streams.settings import Settings
from streams.topology import AGENT_MESSAGES, TENANT_LOG, dlq

Until = Callable[..., Awaitable[None]]
COUNT = 40
METERING = b'{"usage":{"gen_ai.usage.input_tokens":1}}'
BROKEN = b"broken"


def rarely(*values: Any) -> list[Any]:
    """Parameters that the deeper tier tries too."""
    return [pytest.param(value, marks=pytest.mark.deep) for value in values]


def value(number: int) -> bytes:
    if number % 10 == 3:
        return BROKEN
    return b'{"content":"memory %d"}' % number if number % 3 else METERING


class FreeBook:
    version = "1"

    def cost(self, call: Call, at: int) -> int:
        return 0


class Group(Inquiry):
    """The group's committed offsets are kept here; all else is Kafka's."""

    def __init__(self, kafka: str) -> None:
        super().__init__(kafka)
        self.offsets: dict[TopicPartition, OffsetAndMetadata] = {}

    async def committed(self, group: str, tp: TopicPartition) -> OffsetAndMetadata:
        return self.offsets.get(tp, OffsetAndMetadata(-1, ""))


class Feed:
    """Stands for the consumer: from where it is sought it hands out chunks of a few records."""

    def __init__(self, group: Group, records: list[Any]) -> None:
        self.writer: OriginWriter | None = None
        self.sought: list[int] = []
        self.fail_commits = 0
        self._group = group
        self._records = records

    def hold(self, tp: TP) -> None: ...

    def is_held(self, tp: TP) -> bool:
        return False

    async def release(self, tp: TP, offset: int) -> None:
        self.sought.append(offset)
        asyncio.get_running_loop().call_soon(self._hand_out, offset)

    def _hand_out(self, offset: int) -> None:
        assert self.writer is not None
        self.writer.state = "running"
        for first in range(offset, len(self._records), 7):
            self.writer.put(Chunk(first - 1, self._records[first : first + 7]))

    async def commit(self, offsets: Mapping[TP, tuple[int, str]]) -> None:
        if self.fail_commits:
            self.fail_commits -= 1
            raise KafkaTimeoutError("injected")
        for tp, (offset, metadata) in offsets.items():
            self._group.offsets[TopicPartition(*tp)] = OffsetAndMetadata(offset, metadata)


async def records_of(settings: Settings, short: str, partition: int) -> list[Any]:
    tp = TopicPartition(topology.name(settings, short), partition)
    async with clients.reader(settings.kafka) as consumer:
        consumer.assign([tp])
        end = (await consumer.end_offsets([tp]))[tp]
        return [r async for batch in clients.read_to(consumer, tp, 0, end) for r in batch]


class Stage:
    """A writer between an input partition of COUNT records and the log."""

    def __init__(self, settings: Settings, group: Group, ownership: Ownership, feed: Feed) -> None:
        self.settings, self.group, self.feed = settings, group, feed
        self.gave_up: list[str] = []
        self.producer = SharedProducer(settings.kafka)
        self.dead_letters = SharedProducer(settings.kafka, compression="gzip")
        self.tp = TP(topology.name(settings, AGENT_MESSAGES), 0)
        self._host = AdmitHost(
            settings,
            FreeBook(),
            ownership,
            group,
            OffsetCommits(feed.commit),
            self.producer,
            self.dead_letters,
            lambda: feed,  # type: ignore[arg-type,return-value]
            self.gave_up.append,
        )

    def start(self, embedding: Embedding | None = None) -> OriginWriter:
        host = msgspec.structs.replace(self._host, embedding=embedding)
        self.feed.writer = OriginWriter(host, AGENT_MESSAGES, self.tp)
        return self.feed.writer

    def done(self) -> bool:
        at = self.group.offsets.get(TopicPartition(*self.tp))
        return at is not None and at.offset == COUNT

    async def logged(self) -> list[Record]:
        """The log as the folds take it: what is not above its origin's last is skipped."""
        taken: list[Record] = []
        for partition in range(self.settings.partitions):
            last = -1
            for raw in await records_of(self.settings, TENANT_LOG, partition):
                record = log.decode(raw.value)
                assert record.origin is not None
                if record.origin.offset > last:
                    taken.append(record)
                    last = record.origin.offset
        return taken


@pytest.fixture
async def stage(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    monkeypatch.setattr(admitter, "SLICE", 5)
    monkeypatch.setattr(admitter, "RETRY_S", 0.01)
    await topics.ensure(settings)
    name = topology.name(settings, AGENT_MESSAGES)
    producer = clients.plain_producer(settings.kafka)
    await producer.start()
    for number in range(COUNT):
        headers = [
            ("ce_specversion", b"1.0"),
            ("ce_id", str(number).encode()),
            ("ce_source", b"/s"),
            ("ce_type", b"agent.message"),
        ]
        await producer.send_and_wait(name, value(number), b"t%d" % (number % 4), 0, headers=headers)
    ownership, group = Ownership(settings), Group(settings.kafka)
    await ownership.start()
    await group.start()
    feed = Feed(group, await records_of(settings, AGENT_MESSAGES, 0))
    made = Stage(settings, group, ownership, feed)
    yield made
    if feed.writer is not None:
        await feed.writer.stop()
    for client in (producer, made.producer, made.dead_letters, group, ownership):
        await client.stop()


async def check_all(stage: Stage) -> None:
    """Each record once, in order for each tenant; each broken one dead and marked in the log."""
    found = await stage.logged()
    assert sorted(r.origin.offset for r in found if r.origin) == list(range(COUNT))
    for tenant in range(4):
        mine = [r.origin.offset for r in found if r.tenant == f"t{tenant}" and r.origin]
        assert mine == list(range(tenant, COUNT, 4))
    for record in found:
        assert record.origin is not None
        broken = record.origin.offset % 10 == 3
        assert type(record.body) is (Refusal if broken else Message)
    dead = await records_of(stage.settings, dlq(AGENT_MESSAGES), 0)
    offsets = {dict(r.headers)["__streams.errors.offset"] for r in dead}
    assert offsets == {b"%d" % n for n in range(3, COUNT, 10)}


async def test_all_reach_the_log_in_order(stage: Stage, until: Until) -> None:
    stage.start()
    await until(stage.done)
    await check_all(stage)
    assert stage.feed.sought == [0]


@pytest.mark.parametrize("at", [0, *rarely(1, 4), 9])
@pytest.mark.parametrize("what", ["send", "ack", "dead letter", "commit"])
async def test_a_failure_goes_back_and_loses_nothing(
    stage: Stage, until: Until, monkeypatch: pytest.MonkeyPatch, what: str, at: int
) -> None:
    shared = stage.dead_letters if what == "dead letter" else stage.producer
    producer = await shared.get()
    send, sends = producer.send_batch, 0

    async def failing(*arguments: Any, **named: Any) -> Any:
        nonlocal sends
        sends += 1
        if sends - 1 < at and what != "dead letter":
            return await send(*arguments, **named)
        if what == "send":
            raise KafkaTimeoutError("injected")
        # It was written, and nobody heard of it.
        await (await send(*arguments, **named))
        lost = asyncio.get_running_loop().create_future()
        lost.set_exception(KafkaTimeoutError("injected"))
        return lost

    if what == "commit":
        stage.feed.fail_commits = at + 1
    else:
        monkeypatch.setattr(producer, "send_batch", failing)
    stage.start()
    await until(stage.done)
    if what != "commit":
        assert await shared.get() is not producer
    await until(lambda: len(stage.feed.sought) > 1)
    assert stage.gave_up == []
    await check_all(stage)


class Model:
    """Its vector is the text; at the calls that are told it fails, as a GPU without memory does."""

    model = "copy@1"

    def __init__(self, *fail: int) -> None:
        self.calls: list[list[str]] = []
        self._fail = fail

    def embed(self, texts: Sequence[str]) -> list[Vector]:
        self.calls.append(list(texts))
        if len(self.calls) - 1 in self._fail:
            raise RuntimeError("injected")
        return [Vector(self.model, 1.0, text.encode()) for text in texts]


def vectors_of(found: list[Record]) -> None:
    """Each content has the vector of its own text, and nothing else has one."""
    for record in found:
        assert record.origin is not None
        number = record.origin.offset
        content = record.body.content if isinstance(record.body, Message) else None
        assert (content is not None) == value(number).startswith(b'{"content')
        if content is not None:
            assert content.vector == Vector(Model.model, 1.0, b"memory %d" % number)


@pytest.mark.parametrize("texts", [1, *rarely(2), 256])
@pytest.mark.parametrize("fail", [(), (0,), *rarely((1,), (3, 4)), (0, 2, 4)], ids=str)
async def test_contents_get_their_vectors_and_a_model_that_fails_is_asked_again(
    stage: Stage,
    until: Until,
    monkeypatch: pytest.MonkeyPatch,
    fail: tuple[int, ...],
    texts: int,
) -> None:
    monkeypatch.setattr(admit_slice, "SLICE_TEXTS", texts)
    model = Model(*fail)
    embedding = Embedding(Choice("copy", lambda: model, named=True))
    stage.start(embedding)
    await until(stage.done)
    assert len(stage.feed.sought) == 1 + len(fail)
    assert stage.gave_up == []
    await check_all(stage)
    vectors_of(await stage.logged())
    assert max(map(len, model.calls)) <= min(texts, 5)
    asked = [text for call in model.calls for text in call]
    assert list(dict.fromkeys(asked)) == [
        f"memory {n}" for n in range(COUNT) if value(n).startswith(b'{"content')
    ]
    await embedding.stop()


async def test_a_model_that_always_fails_is_given_up_and_nothing_is_a_dead_letter(
    stage: Stage, until: Until
) -> None:
    embedding = Embedding(Choice("copy", lambda: Model(*range(99)), named=True))
    stage.start(embedding)
    await until(lambda: stage.gave_up)
    assert "injected" in stage.gave_up[0]
    assert not stage.done()
    assert await records_of(stage.settings, dlq(AGENT_MESSAGES), 0) == []
    await embedding.stop()


async def test_a_bug_that_stays_is_given_up(
    stage: Stage, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admitter, "admit", lambda *_: 1 // 0)
    stage.start()
    await until(lambda: stage.gave_up)
    assert "ZeroDivisionError" in stage.gave_up[0]
    assert not stage.done()


async def test_a_gap_is_sought_again(stage: Stage, until: Until) -> None:
    writer = stage.start()
    await until(stage.done)
    for prev in (COUNT, None):
        before = len(stage.feed.sought)
        writer.put(Chunk(prev, stage.feed._records[-1:]))
        await until(lambda before=before: len(stage.feed.sought) > before)
    assert stage.feed.sought[-1] == COUNT
    await check_all(stage)


async def test_another_id_of_the_topic_is_red_until_adopted(stage: Stage, until: Until) -> None:
    writer = stage.start()
    await until(stage.done)
    await writer.stop()
    # Kafka forgets offsets with a topic.
    stage.group.offsets.clear()
    await _announce(stage, 0, "another id", until)
    writer = stage.start()
    await until(lambda: writer.state == "red")
    assert "`streams topics adopt agent.messages.v1`" in (writer.error or "")
    await _announce(stage, 1, "", until)
    writer.nudge()
    await until(stage.done)
    again = [r for p in (0, 1) for r in await records_of(stage.settings, TENANT_LOG, p)]
    origins = [log.decode(raw.value).origin for raw in again]
    assert sum(origin.incarnation == 1 for origin in origins if origin) == COUNT


async def _announce(stage: Stage, incarnation: int, topic_id: str, until: Until) -> None:
    ownership, name = stage._host.ownership, stage.tp.topic
    producer = await stage.producer.get()
    await announce_incarnation(producer, stage.settings, Incarnation(name, incarnation, topic_id))
    await until(lambda: ownership.topic_ids.get(name) == topic_id)


def test_metadata_of_another_version_is_read() -> None:
    known = msgspec.json.decode(b'{"fingerprint":"x","later":1}', type=admitter.Committed)
    assert known == admitter.Committed(0, "x")
