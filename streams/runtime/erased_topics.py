"""How far Kafka has let go of what was erased; the log's beginning is dropped in time."""

from collections.abc import Callable, Sequence
from operator import ge

from aiokafka.admin import RecordsToDelete
from aiokafka.structs import TopicPartition
from faust.types import TP

from streams import topology
from streams.core.log import ErasedFrom
from streams.core.time import HOUR
from streams.memory.forget_rows import ReceiptRow
from streams.memory.receipts import reached, told
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
        self._read_at: dict[TP, int] = {}

    async def bring_on(
        self, owner: PartitionOwner, store: PartitionStore, open_: Open
    ) -> list[list[ErasedFrom]]:
        """Look at all topics; how far each receipt has come in each of them."""
        pause = self._settings.erase_deadline_hours * HOUR // topology.SEGMENTS
        now = self._now()
        # Compaction can't be asked for its progress: all has to be read, which is seldom done.
        reads = now - self._read_at.setdefault(owner.tp, now) >= pause
        if reads:
            self._read_at[owner.tp] = now
        found: list[list[ErasedFrom]] = [[] for _ in open_]
        for topic in await contents.content_topics(self._settings, owner.partition):
            ends = await contents.ends(self._inquiry, topic)
            left = True
            waiting = any(_waits(row, topic) for _, row in open_)
            if topic.compacted and reads and waiting:
                left = await self._stands(store, topic, ends, {tenant for tenant, _ in open_})
            if topic.place == topology.TENANT_LOG:
                await self._trim(owner, store, topic, open_, now)
            begins = await contents.begins(self._inquiry, topic) if waiting else ()
            for (_, row), places in zip(open_, found, strict=True):
                done, before = reached(row, topic.place), told(row, topic.place)
                if done is not None:
                    places.append(done)
                elif before is None:
                    by = self._by(topic, row, now)
                    places.append(ErasedFrom(topic.place, by, ends, not any(ends)))
                else:
                    # Partitions that a topic was given later hold nothing that was there before.
                    dropped = all(map(ge, begins, before.upto))
                    gone = not left if topic.compacted else dropped
                    places.append(ErasedFrom(topic.place, before.by, before.upto, gone))
        return found

    def _by(self, topic: ContentTopic, row: ReceiptRow, now: int) -> int | None:
        if topic.place == topology.TENANT_LOG:
            return max(now, self._trimmed_at(row))
        return None if topic.keeps is None else now + topic.keeps

    def _trimmed_at(self, row: ReceiptRow) -> int:
        """When the log may lose what came before an erasure: segments would go some hours later."""
        settings = self._settings
        return row.at + max(settings.erase_deadline_hours, settings.log_retention_hours) * HOUR

    async def _trim(
        self,
        owner: PartitionOwner,
        store: PartitionStore,
        topic: ContentTopic,
        open_: Open,
        now: int,
    ) -> None:
        """Drop the log's beginning, if it is folded, and archived where there is an archive."""
        due = [told(row, topic.place) for _, row in open_ if now >= self._trimmed_at(row)]
        end = max((mark.upto[0] for mark in due if mark is not None and not mark.done), default=0)
        if store.offset + 1 < end or not end:
            return
        if self._archiver is not None:
            archived = await self._archiver.one(owner)
            if archived is None or archived.end < end:
                return
        tp = TopicPartition(topic.name, owner.partition)
        if (await self._inquiry.bounds(tp))[0] < end:
            await self._inquiry.admin.delete_records({tp: RecordsToDelete(end)})

    async def _stands(
        self, store: PartitionStore, topic: ContentTopic, ends: tuple[int, ...], tenants: set[str]
    ) -> bool:
        """Whether a compacted topic still has a row or a memory that was erased."""
        traces = [Traces(store.reader, tenant) for tenant in sorted(tenants)]
        of_rows = topic.place == contents.CHANGELOG
        holds = contents.holds_row(traces) if of_rows else contents.holds_memory(traces)
        for partition, end in zip(topic.partitions, ends, strict=True):
            tp = TopicPartition(topic.name, partition)
            begin, _ = await self._inquiry.bounds(tp)
            if await contents.holding(self._settings.kafka, tp, begin, end, holds):
                return True
        return False


def _waits(row: ReceiptRow, topic: ContentTopic) -> bool:
    return reached(row, topic.place) is None and told(row, topic.place) is not None
