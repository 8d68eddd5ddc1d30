"""Faust's Kafka transport with what an exactly-once reader needs from its consumer.

What differs from stock Faust, and why:

- read_committed, because grants come in transactions; the assignment that the app names (Faust's
  depends on tables); short fetch waits (Faust has 1.5 s fixed);
- Faust commits nothing and seeks nothing: a partition is held until its owner says where to begin,
  and a reset after an out-of-range fetch is an error, never silent;
- fetch and seek run in the consumer's thread, where the last offset handed out is kept too.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import Any

import aiokafka
import faust
from aiokafka.errors import (
    IllegalStateError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
)
from aiokafka.structs import OffsetAndMetadata
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage
from yarl import URL

from streams.runtime.chunks import Chunk
from streams.runtime.lean import GatheringConsumer

log = logging.getLogger(__name__)

FETCH_WAIT_MS = 100
FETCH_BYTES = 2 << 20
SESSION_TIMEOUT_S = 6.0
JOIN_AGAIN_S = 1.0
METADATA_MAX_AGE_MS = 5_000
"""A topic that comes (again) or grows is read this soon; aiokafka asks each 5 minutes only."""


class GroupConsumer(GatheringConsumer):
    """Joins its group again after an error that aiokafka has no name for.

    A coordinator that is being shut down may answer "unknown error" to a join. aiokafka then waits
    until somebody asks for records, and a member without partitions asks for none: it would never
    join again.
    """

    async def start(self) -> None:
        await super().start()
        coordinator = self._coordinator
        stop_for = coordinator._push_error_to_user

        async def heard(error: Exception) -> None:
            if type(error) is KafkaError or getattr(error, "retriable", False):
                log.warning("the group is joined again after: %r", error)
                await asyncio.sleep(JOIN_AGAIN_S)
            else:
                await stop_for(error)

        coordinator._push_error_to_user = heard


class ConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """The thread in which aiokafka's consumer lives; knows what it handed out last."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.handed: dict[TP, int] = {}

    def _create_worker_consumer(self, transport: "Transport") -> aiokafka.AIOKafkaConsumer:
        conf = self.app.conf
        return GroupConsumer(
            client_id=conf.broker_client_id,
            group_id=conf.id,
            group_instance_id=conf.consumer_group_instance_id,
            bootstrap_servers=driver.server_list(transport.url, transport.default_port),
            partition_assignment_strategy=[self.app.group_assignor],
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="none",
            max_poll_records=conf.broker_max_poll_records,
            max_partition_fetch_bytes=FETCH_BYTES,
            fetch_max_wait_ms=FETCH_WAIT_MS,
            check_crcs=False,
            metadata_max_age_ms=METADATA_MAX_AGE_MS,
            session_timeout_ms=int(conf.broker_session_timeout * 1000),
            heartbeat_interval_ms=int(conf.broker_heartbeat_interval * 1000),
            max_poll_interval_ms=int(conf.broker_max_poll_interval * 1000),
        )

    async def _fetch_records(self, *args: Any, **kwargs: Any) -> Mapping[TP, Chunk]:
        try:
            fetched = await super()._fetch_records(*args, **kwargs)
        except OffsetOutOfRangeError as error:
            return {TP(tp.topic, tp.partition): Chunk(None, [], error) for tp in error.args[0]}
        except NoOffsetForPartitionError:
            # Nobody has said yet where this partition begins.
            return {}
        chunks = {}
        for tp, records in fetched.items():
            # aiokafka drained these records and we note it before this thread does anything else:
            # no seek can come between.
            chunks[tp] = chunk = Chunk(self.handed.get(tp), records)
            self.handed[tp] = chunk.last
        return chunks

    async def _seek_wait(
        self, consumer: aiokafka.AIOKafkaConsumer, partitions: Mapping[TP, int]
    ) -> None:
        for tp, offset in partitions.items():
            consumer.seek(tp, offset)
            self.handed[tp] = offset - 1

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        self.handed.clear()
        await super().on_partitions_assigned(assigned, generation_id)

    async def commit_with_metadata(self, offsets: Mapping[TP, tuple[int, str]]) -> None:
        """Commit as a member of the group: a member that was put out can't."""
        await self.call_thread(
            self._ensure_consumer().commit,
            {driver.ensure_aiokafka_TP(tp): OffsetAndMetadata(*to) for tp, to in offsets.items()},
        )

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust's livelock detector reads its own acks, which are not kept here."""


class _Unread(dict[TP, Any]):
    """Faust's record of read offsets, kept empty: Faust would drop what it thinks it has seen."""

    def __missing__(self, tp: TP) -> None:
        return None

    def __setitem__(self, tp: TP, offset: Any) -> None:
        pass

    def update(self, *args: Any, **kwargs: Any) -> None:
        pass


class Consumer(driver.Consumer):  # type: ignore[misc]
    """Consumer of chunks whose partitions are held and released by their owners."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._read_offset = _Unread()
        self._held: set[TP] = set()
        self._released = asyncio.Event()

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def hold(self, tp: TP) -> None:
        """Fetch no more of this partition until it is released."""
        self._held.add(tp)
        self._active_partitions.discard(tp)

    def is_held(self, tp: TP) -> bool:
        """Return whether the partition waits for its owner to release it."""
        return tp in self._held

    async def release(self, tp: TP, offset: int) -> None:
        """Seek, then fetch (again): the only way in which a partition starts or goes on.

        Raises
        ------
        aiokafka.errors.IllegalStateError
            The partition is not assigned to this process any more.
        """
        await self.seek_wait({tp: offset})
        self._held.discard(tp)
        if tp in self.assignment() and tp not in self._paused_partitions:
            self._active_partitions.add(tp)
        self._released.set()

    def highwater(self, tp: TP) -> int | None:
        """Return the partition's end as last heard; None between two assignments too."""
        try:
            end: int | None = super().highwater(tp)
        except (AssertionError, IllegalStateError):  # aiokafka asserts that it is assigned
            return None
        return end

    def _set_active_tps(self, tps: set[TP]) -> set[TP]:
        # A new assignment begins held: its owner releases it.
        self._held = set(tps)
        active = super()._set_active_tps(tps)
        active.difference_update(self._held)
        return set(active)

    def resume_partitions(self, tps: Iterable[TP]) -> None:
        super().resume_partitions(tps)
        self._active_partitions.difference_update(self._held)
        self._released.set()

    async def perform_seek(self) -> None:
        """Owners seek, never Faust."""

    async def commit(self, *args: Any, **kwargs: Any) -> bool:
        """Offsets are committed in the store's transaction, or by admit itself."""
        return True

    def track_message(self, message: ConsumerMessage) -> None:
        """Keep no list of unacknowledged messages: positions are the stores'."""

    def ack(self, message: ConsumerMessage) -> bool:
        message.acked = True
        return True

    async def _wait_next_records(self, timeout: float) -> tuple[Any, set[TP]]:
        if not self.flow_active:
            await self.wait(self.can_resume_flow)
        active = set(self._get_active_partitions())
        if active:
            # Short, since a partition that is released meanwhile joins with the next call only.
            return await self._getmany(active_partitions=active, timeout=0.1), active
        self._released.clear()
        await self.wait_first(self._released.wait(), self.suspend_flow.wait(), timeout=1.0)
        return {}, active

    def _to_message(self, tp: TP, chunk: Chunk) -> ConsumerMessage:
        last = chunk.records[-1] if chunk.records else None
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            last.offset if last else 0,
            0.0,
            0,
            (),
            None,
            chunk,
            None,
            0,
            chunk.nbytes,
            tp,
            generation_id=self.app.consumer_generation_id,
        )


class Transport(driver.Transport):  # type: ignore[misc]
    Consumer = Consumer


class ChunkSchema(faust.Schema):  # type: ignore[misc]
    """Passes chunks through: records are decoded where they are folded."""

    def loads_key(self, app: Any, message: Any, **kwargs: Any) -> None:
        return None

    def loads_value(self, app: Any, message: Any, **kwargs: Any) -> Chunk:
        chunk: Chunk = message.value
        return chunk


def transport(app: faust.App, bootstrap: str) -> Transport:
    """Transport of an app, to be set as ``app.transport``; ``bootstrap`` may name several nodes."""
    return Transport([URL(f"kafka://{node.strip()}") for node in bootstrap.split(",")], app)
