"""Who folds what: the compacted topic streams.owners.v1, read whole by every process.

Besides owners it carries the incarnations of topics that were made anew (`streams topics adopt`),
and the workers that have a model and embed questions.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable

import msgspec
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from streams import topology
from streams.ports import Outgoing, Owner
from streams.runtime import clients
from streams.runtime.cancelling import Stray, unless_stray
from streams.settings import Settings

log = logging.getLogger(__name__)

RETRY_S = 1.0
RESTORE_KEY = b"restore/"


class Incarnation(msgspec.Struct, frozen=True):
    """How often a topic was made anew."""

    topic: str
    incarnation: int
    topic_id: str = ""
    """Kafka's id of the topic that is read; empty where the broker gives none."""
    starts: tuple[int, ...] = ()
    """Of an adopted changelog: where it begins, by partition. Each owner writes its state there."""


def owner_key(kind: str, partition: int) -> bytes:
    return f"{kind}/{partition}".encode()


def incarnation_key(topic: str) -> bytes:
    return f"incarnation/{topic}".encode()


def embedder_record(settings: Settings, url: str | None) -> Outgoing:
    """What says that this worker embeds questions at an address, or that it does not."""
    topic = topology.name(settings, topology.OWNERS)
    value = None if url is None else url.encode()
    return Outgoing(topic, f"embedder/{settings.worker}".encode(), value, ())


async def announce_incarnation(
    producer: AIOKafkaProducer, settings: Settings, incarnation: Incarnation
) -> None:
    """Say to all workers which incarnation of a topic is to be read."""
    await producer.send_and_wait(
        topology.name(settings, topology.OWNERS),
        msgspec.json.encode(incarnation),
        incarnation_key(incarnation.topic),
        0,
    )


async def announce_restore(
    producer: AIOKafkaProducer, settings: Settings, *, unfinished: bool
) -> None:
    """Say to all workers that states are being written, or that they are whole."""
    topic = topology.name(settings, topology.OWNERS)
    await producer.send_and_wait(topic, b"unfinished" if unfinished else None, RESTORE_KEY, 0)


class Ownership:
    """What the owners topic says, kept up to date by a task."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.owners: dict[int, Owner] = {}
        self.control: Owner | None = None
        self.incarnations: dict[str, int] = {}
        self.embedders: dict[str, str] = {}
        """Address of each worker that has a model, by its name."""
        self.restoring = False
        """States are being written by a restore: nobody may fold yet."""
        self.topic_ids: dict[str, str] = {}
        """Of the current incarnations, as far as they are known."""
        self.starts: dict[str, tuple[int, ...]] = {}
        """Of adopted changelogs, by partition."""
        self.on_change: list[Callable[[], None]] = []
        self._caught_up = asyncio.Event()
        self._position = 0
        self._task: asyncio.Task[None] | None = None

    async def look(self) -> None:
        """Read what is written so far, once.

        Raises
        ------
        KafkaError
        """
        tp = TopicPartition(topology.name(self._settings, topology.OWNERS), 0)
        async with clients.reader(self._settings.kafka) as consumer:
            begin = (await consumer.beginning_offsets([tp]))[tp]
            end = (await consumer.end_offsets([tp]))[tp]
            async for records in clients.read_to(consumer, tp, begin, end):
                for record in records:
                    self._note(record.key, record.value)

    async def start(self) -> None:
        """Begin to read; returns when everything written so far is known."""
        self._task = asyncio.create_task(self._follow(), name="ownership")
        await self._caught_up.wait()

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _follow(self) -> None:
        while True:
            try:
                await unless_stray(self._read())
            except (KafkaError, Stray) as error:
                log.warning("reading %s failed, again: %r", topology.OWNERS, error)
                await asyncio.sleep(RETRY_S)

    async def _read(self) -> None:
        tp = TopicPartition(topology.name(self._settings, topology.OWNERS), 0)
        async with clients.reader(self._settings.kafka) as consumer:
            end = (await consumer.end_offsets([tp]))[tp]
            # Nothing between these two: an assigned partition without a position is an error.
            consumer.assign([tp])
            consumer.seek(tp, self._position)
            while True:
                if self._position >= end:
                    self._caught_up.set()
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    for record in records:
                        self._note(record.key, record.value)
                self._position = await consumer.position(tp)

    def _note(self, key: bytes, value: bytes | None) -> None:
        kind, _, name = key.decode().partition("/")
        if kind == "embedder":
            self.embedders.pop(name, None)
            if value is not None:
                self.embedders[name] = value.decode()
            return
        if key == RESTORE_KEY:
            self.restoring = value is not None
        elif value is None:
            return
        elif kind == "owner":
            self.owners[int(name)] = msgspec.json.decode(value, type=Owner)
        elif kind == "control":
            self.control = msgspec.json.decode(value, type=Owner)
        elif kind == "incarnation":
            found = msgspec.json.decode(value, type=Incarnation)
            if found.incarnation >= self.incarnations.get(name, 0):
                self.incarnations[name] = found.incarnation
                self.topic_ids[name] = found.topic_id
                self.starts[name] = found.starts
        for notify in self.on_change:
            notify()
