"""Topics in which contents stand, and whether they still hold what was erased."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from aiokafka.structs import TopicPartition

from streams import topology
from streams.jobs.forget import gone_texts
from streams.jobs.rows import RunRow
from streams.memory.receipts import CHANGELOG
from streams.memory.rows import tenants_key
from streams.memory.traces import Traces
from streams.runtime import clients, topics
from streams.runtime.clients import Inquiry
from streams.settings import Settings

_MS = 1_000
"""Microseconds."""
_NEVER = 1 << 62

Since = Callable[[Any], int | None]
"""Since when (log time) what a Kafka record holds is erased; None: nothing of it is."""


class ContentTopic(msgspec.Struct, frozen=True):
    """A topic in which contents may stand, as the broker has it."""

    place: str
    """What receipts call it."""
    name: str
    partitions: tuple[int, ...]
    """Those in which a tenant's records may lie."""
    compacted: bool
    keeps: int | None
    """How long it keeps what it does not need, microseconds; None: as long as it likes."""


async def content_topics(settings: Settings, partition: int) -> list[ContentTopic]:
    """Return all topics that an erasure has to reach, for tenants of a partition of the log."""
    contents = {topic.name for topic in topology.topics(settings) if topic.contents}
    found = []
    for row in await topics.describe(settings):
        if row["name"] not in contents or row["found"] is None:
            continue
        configs = row["found"]["configs"]
        # Users key what they send as they like.
        own = row["fixed_partitions"] or row["writers"] == ["fold"]
        partitions = (partition,) if own else tuple(range(row["found"]["partitions"]))
        compacted = "compact" in configs["cleanup.policy"]
        place = row["name"].removeprefix(settings.topic_prefix)
        if row["name"] == topology.name(settings, topology.changelog(settings)):
            place = CHANGELOG
        found.append(ContentTopic(place, row["name"], partitions, compacted, _keeps(configs)))
    return found


def _keeps(configs: dict[str, str]) -> int | None:
    if "compact" in configs["cleanup.policy"]:
        kept = int(configs.get("max.compaction.lag.ms", _NEVER))
    else:
        kept = int(configs["retention.ms"])
        kept = kept + int(configs["segment.ms"]) if kept >= 0 else _NEVER
    return None if kept >= _NEVER else kept * _MS


async def ends(inquiry: Inquiry, topic: ContentTopic) -> tuple[int, ...]:
    """Return where its partitions end now: what is erased lies below."""
    return tuple([await inquiry.end(tp) for tp in _tps(topic)])


async def begins(inquiry: Inquiry, topic: ContentTopic) -> tuple[int, ...]:
    """Return where its partitions begin now."""
    return tuple([(await inquiry.bounds(tp))[0] for tp in _tps(topic)])


async def standing_since(
    kafka: str, tp: TopicPartition, begin: int, end: int, since: Since
) -> int | None:
    """Return since when the earliest is erased that still stands in a part of a topic."""
    earliest: int | None = None
    async for records in clients.tail(kafka, tp, begin, end):
        some = (record for record in records if record.offset < end)
        found = await asyncio.to_thread(_earliest, some, since)
        earliest = min(filter(None, (earliest, found)), default=None)
    return earliest


def _earliest(records: Iterable[Any], since: Since) -> int | None:
    return min(filter(None, map(since, records)), default=None)


def row_since(traces: Traces, key: bytes, value: bytes, offset: int | None = None) -> int | None:
    """As `Traces.row_since`, of runs too."""
    if not value or not key.startswith(RunRow.kind):
        return traces.row_since(key, value, offset)
    texts = gone_texts(traces.rows, key, value)
    found = (traces.texts_since(each, offset, time) for time, each in texts)
    return min(filter(None, found), default=None)


def rows_since(traces: Iterable[Traces]) -> Since:
    """Of the changelog's records."""
    of_tenant = {one.tenant.encode(): one for one in traces}

    def since(record: Any) -> int | None:
        one = of_tenant.get(tenants_key(record.key)[2:].partition(b"\x00")[0])
        if one is None:
            return None
        return row_since(one, record.key, record.value or b"", record.offset)

    return since


def memories_since(traces: Iterable[Traces]) -> Since:
    """Of records of memory.records.v1."""
    of_tenant = {one.tenant: one for one in traces}

    def since(record: Any) -> int | None:
        tenant, _, memory_id = (record.key or b"").decode().partition("/")
        one = of_tenant.get(tenant)
        if one is None or record.value is None:
            return None
        ids = (memory_id, *_sources(record.value))
        return min(filter(None, map(one.gone_since, ids)), default=None)

    return since


class _Sources(msgspec.Struct):
    sources: list[str] = []


_decode = msgspec.json.Decoder(_Sources).decode


def _sources(value: bytes) -> list[str]:
    # Most memories are made of nothing else.
    return [] if b'"sources":[]' in value else _decode(value).sources


def _tps(topic: ContentTopic) -> list[TopicPartition]:
    return [TopicPartition(topic.name, partition) for partition in topic.partitions]
