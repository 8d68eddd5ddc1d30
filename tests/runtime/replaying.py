"""Logs in memory, and a replay that is too simple to be wrong."""

from collections.abc import AsyncGenerator, Sequence
from typing import Any

from agents.whole_log import Raw
from aiokafka import TopicPartition
from usage.memory_view import MemoryView

from streams.core.fold import DeadLetter, Entry, settle
from streams.core.ids import event_hash
from streams.core.log import DEFAULT_CONFIG, Config, Record
from streams.core.rows import encode_row
from streams.core.time import HOUR
from streams.runtime.folding import _UNIDENTIFIED
from streams.runtime.job import Job
from streams.runtime.log_sources import Span


class FakeLog:
    """Has some pieces of a log, in batches of some records (runtime/log_sources.py)."""

    name = "a list"

    def __init__(self, pieces: Sequence[tuple[Span, Sequence[Raw]]], batch: int = 7) -> None:
        self.pieces = pieces
        self.batch = batch

    async def spans(self, tp: TopicPartition) -> list[Span]:
        return [span for span, _ in self.pieces]

    async def read(self, tp: TopicPartition, span: Span) -> AsyncGenerator[Sequence[Any], None]:
        for held, records in self.pieces:
            if held.incarnation == span.incarnation and held.begin <= span.begin < held.end:
                wanted = [r for r in records if r.offset >= span.begin]
                for at in range(0, len(wanted), self.batch):
                    yield wanted[at : at + self.batch]
                    if wanted[min(at + self.batch, len(wanted)) - 1].offset >= span.end - 1:
                        return


def naive(job: Job, records: Sequence[Raw], partition: int = 0) -> dict[bytes, bytes]:
    """Rows after a log: each record once by its origin, each event once in its window."""
    view, fences = MemoryView(), dict[Any, tuple[int, int]]()
    applied: dict[bytes, int] = {}
    config, log_time, since = DEFAULT_CONFIG, 0, 0
    for raw in records:
        record: Record = job.decode(raw.value)
        log_time = max(log_time, raw.timestamp * 1000)
        if (origin := record.origin) is not None:
            place = (origin.topic, origin.incarnation, origin.partition)
            if (origin.offset, origin.n) <= fences.get(place, (-1, -1)):
                continue
            fences[place] = (origin.offset, origin.n)
        identity = None
        if job.dedupe is not None and not isinstance(record.body, _UNIDENTIFIED):
            identity = event_hash(record.tenant, record.source, record.id)
            at = applied.get(identity)
            window = config.dedupe_hours * HOUR
            if at is not None and at >= since and log_time - at < window:
                continue
        entry = Entry(record, partition, raw.offset, raw.timestamp * 1000, log_time)
        effects = job.fold(view, entry)
        refused = any(isinstance(effect, DeadLetter) and effect.whole for effect in effects)
        if identity is not None and not refused:
            applied[identity] = log_time
        if isinstance(record.body, Config):
            since = max(since, log_time - config.dedupe_hours * HOUR + 1)
            config = record.body
    settle(view)
    return {
        key: row if isinstance(row, bytes) else encode_row(row) for key, row in view.rows.items()
    }
