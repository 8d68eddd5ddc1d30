"""How far Kafka has let go of what was erased; the log's beginning is dropped in time."""

from collections.abc import Callable, Sequence
from operator import ge

from aiokafka.admin import RecordsToDelete
from aiokafka.structs import TopicPartition
from faust.types import TP
from msgspec import structs

from streams import topology
from streams.core.log import ErasedFrom
from streams.core.time import HOUR
from streams.memory.forget_rows import ReceiptRow
from streams.memory.receipts import CHANGELOG, told
from streams.memory.traces import Traces
from streams.runtime import content_topics as contents
from streams.runtime.archiver import Archiver
from streams.runtime.clients import Inquiry
from streams.runtime.content_topics import ContentTopic
from streams.runtime.owner import PartitionOwner
from streams.runtime.store import PartitionStore
from streams.settings import Settings

Open = Sequence[tuple[str, ReceiptRow]]
"""Receipts, each with its tenant."""


class ErasedTopics:
    """Of the partitions that a process owns.

    Parameters
    ----------
    archiver : Archiver, optional
        What it has not archived is not dropped; None: there is no archive.
    now : callable
        Wall clock, microseconds.
    """

    def __init__(
        self,
        settings: Settings,
        inquiry: Inquiry,
        archiver: Archiver | None,
        now: Callable[[], int],
    ) -> None:
        self._settings = settings
        self._inquiry = inquiry
        self._archiver = archiver
        self._now = now
        self._read_at: dict[tuple[TP, str], int] = {}

    async def bring_on(
        self, owner: PartitionOwner, store: PartitionStore, open_: Open
    ) -> list[list[ErasedFrom]]:
        """Look at all topics; how far each receipt has come in each of them."""
        now = self._now()
        found: list[list[ErasedFrom]] = [[] for _ in open_]
        for topic in await contents.content_topics(self._settings, owner.partition):
            ends = await contents.ends(self._inquiry, topic)
            waiting = [mark for _, row in open_ if (mark := _waits(row, topic)) is not None]
            begins: tuple[int, ...] = ()
            if waiting and topic.place == topology.TENANT_LOG:
                await self._trim(owner, store, topic, waiting, now)
            if waiting and not topic.compacted:
                begins = await contents.begins(self._inquiry, topic)
            standing: int | None = 0
            if topic.compacted and self._is_read(owner, topic, waiting, now):
                tenants = {tenant for tenant, _ in open_}
                standing = await self._standing(store, topic, ends, tenants)
            for (_, row), places in zip(open_, found, strict=True):
                mark = told(row, topic.place)
                if mark is None:
                    mark = ErasedFrom(topic.place, self._by(topic, now), ends, not any(ends))
                elif not mark.done and topic.compacted:
                    gone = standing is None or standing > (row.passed_at or 0)
                    mark = structs.replace(mark, done=gone)
                elif not mark.done:
                    # Partitions that it was given later hold nothing that was there before.
                    mark = structs.replace(mark, done=all(map(ge, begins, mark.upto)))
                places.append(mark)
        return found

    def _is_read(
        self, owner: PartitionOwner, topic: ContentTopic, waiting: Sequence[ErasedFrom], now: int
    ) -> bool:
        """Whether it is time to read a compacted topic: how far compaction is it does not tell."""
        pause = self._settings.erase_deadline_hours * HOUR // topology.SEGMENTS
        key = (owner.tp, topic.place)
        if not any(now >= (mark.by or 0) for mark in waiting):
            return False
        if now < self._read_at.get(key, 0) + pause:
            return False
        self._read_at[key] = now
        return True

    def _by(self, topic: ContentTopic, now: int) -> int | None:
        if topic.place == topology.TENANT_LOG:
            # Its segments would go some hours later.
            settings = self._settings
            return now + max(settings.erase_deadline_hours, settings.log_retention_hours) * HOUR
        return None if topic.keeps is None else now + topic.keeps

    async def _trim(
        self,
        owner: PartitionOwner,
        store: PartitionStore,
        topic: ContentTopic,
        waiting: Sequence[ErasedFrom],
        now: int,
    ) -> None:
        """Drop the log's beginning, if it is folded, and archived where there is an archive."""
        due = [mark.upto[0] for mark in waiting if mark.by is not None and now >= mark.by]
        end = max(due, default=0)
        if store.offset + 1 < end or not end:
            return
        if self._archiver is not None:
            archived = await self._archiver.one(owner)
            if archived is None or archived.end < end:
                return
        tp = TopicPartition(topic.name, owner.partition)
        if (await self._inquiry.bounds(tp))[0] < end:
            await self._inquiry.admin.delete_records({tp: RecordsToDelete(end)})

    async def _standing(
        self, store: PartitionStore, topic: ContentTopic, ends: tuple[int, ...], tenants: set[str]
    ) -> int | None:
        """Since when the earliest is erased that a compacted topic still holds."""
        traces = [Traces(store.reader, tenant) for tenant in sorted(tenants)]
        of_rows = topic.place == CHANGELOG
        since = contents.rows_since(traces) if of_rows else contents.memories_since(traces)
        found = []
        for partition, end in zip(topic.partitions, ends, strict=True):
            tp = TopicPartition(topic.name, partition)
            begin, _ = await self._inquiry.bounds(tp)
            kafka = self._settings.kafka
            found.append(await contents.standing_since(kafka, tp, begin, end, since))
        return min(filter(None, found), default=None)


def _waits(row: ReceiptRow, topic: ContentTopic) -> ErasedFrom | None:
    """What is to be waited for, if anything is."""
    mark = told(row, topic.place)
    return None if mark is None or mark.done else mark
