"""The drill: restore into a Kafka of its own, count an event there, and end it all again."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path

import httpx
import msgspec
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from streams.core.errors import Failed
from streams.core.time import SECOND, parse_time
from streams.dev.machine import Machine
from streams.dev.second_cluster import Restored, Restoring
from streams.ports import Told
from streams.runtime import clients
from streams.runtime.ownership import Ownership
from streams.runtime.replayed import ReplayedPartition
from streams.runtime.snapshots import Bin
from streams.settings import Settings

NOT_THE_BUCKET: Mapping[str, str] = {
    "STREAMS_S3_BUCKET": "",
    "STREAMS_BACKUP_BUCKET": "",
    "BACKUP_BUCKET": "",
}
"""What keeps a drill from writing beside the real ones: its snapshots would be the newest."""
PROBE = "streams-drill"
"""Tenant of the event that a drill sends."""


class Drilled(msgspec.Struct, frozen=True, kw_only=True):
    """How a drill went."""

    rto_seconds: float
    """From nothing to every worker ready and a new event counted."""
    rpo_seconds: float
    """Age of the oldest record that the bucket does not have; without a live Kafka to ask: of the
    newest that it has."""
    missing_records: int | None
    """How many of the live log the bucket does not have; None: there is no live Kafka to ask."""
    same: bool
    """Whether each state, read back from the new cluster, is the one that was restored."""
    restored: Restored


async def drill(
    settings: Settings, of: Bin, live: str | None, folder: Path, workers: int, told: Told
) -> Drilled:
    """Restore into a Kafka of its own, count an event there, and end it all again.

    Parameters
    ----------
    live : str, optional
        Kafka of the running system: tells what the bucket does not have.
    folder : Path
        Empty; for the drill alone.

    Raises
    ------
    Failed
        The live Kafka does not answer, or something of the new system does not.
    """
    if live is not None:
        async with clients.admin(live):
            pass  # rather now than when all is done
    began, moment = time.monotonic(), time.time_ns() // 1000
    settings = msgspec.structs.replace(
        settings, kafka="", s3_bucket="", bind="127.0.0.1:0", replication=1
    )
    restoring = Restoring(of, folder / "restored", told, told, drill=True)
    machine = Machine(
        msgspec.structs.replace(settings, data=str(folder / "data")),
        workers=workers,
        port=None,
        progress=told,
        warn=told,
        prepare=restoring,
        env=NOT_THE_BUCKET,
    )
    ready = asyncio.Event()
    running = asyncio.create_task(machine.run(ready.set))
    try:
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait((running, waiting), return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            waiting.cancel()
            await running
        await _count_one(str(machine.document()["api"]))
        rto = time.monotonic() - began
    finally:
        running.cancel()
        await asyncio.wait((running,))
    restored = restoring.restored
    assert restored is not None
    missing, rpo = None, 0.0
    if live is not None:
        oldest, missing = await _missing(live, settings, restored.partitions, moment)
        rpo = 0.0 if oldest is None else (moment - oldest) / SECOND
    elif restored.restored_to is not None:
        rpo = (moment - parse_time(restored.restored_to)) / SECOND
    return Drilled(
        rto_seconds=round(rto, 3),
        rpo_seconds=round(max(0.0, rpo), 3),
        missing_records=missing,
        same=restoring.same,
        restored=restored,
    )


async def _count_one(api: str) -> None:
    """Send an event and read that it was counted."""
    usage = {
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": 1,
    }
    try:
        async with httpx.AsyncClient(base_url=api, trust_env=False, timeout=90) as http:
            sent = await http.post(f"/v1/tenants/{PROBE}/messages", json={"usage": usage})
            sent.raise_for_status()
            (at,) = sent.json()["events"]
            after = f"{at['topic']}:{at['partition']}:{at['offset']}"
            found = await http.get(
                f"/v1/tenants/{PROBE}/usage", params={"after": after, "wait_ms": "60000"}
            )
            found.raise_for_status()
    except httpx.HTTPError as error:
        raise Failed(f"the new system does not answer: {error!r}") from error
    if not found.json()["total"]["calls"]:
        raise Failed("the new system did not count the event that was sent to it")


async def _missing(
    live: str, settings: Settings, partitions: list[ReplayedPartition], until: int
) -> tuple[int | None, int]:
    """Time of the oldest record of the live logs that was not restored, and how many there are.

    Ticks and other records of the logs' own do not count.
    """
    settings = msgspec.structs.replace(settings, kafka=live)
    try:
        return await _read_missing(settings, partitions, until)
    except KafkaError as error:
        raise Failed(f"the live Kafka at {live}: {error!r}") from error


async def _read_missing(
    settings: Settings, partitions: list[ReplayedPartition], until: int
) -> tuple[int | None, int]:
    oldest, count = None, 0
    ownership = Ownership(settings)
    await ownership.look()
    async with clients.reader(settings.kafka) as consumer:
        for each in partitions:
            tp = TopicPartition(each.topic, each.partition)
            begin = (await consumer.beginning_offsets([tp]))[tp]
            end = (await consumer.end_offsets([tp]))[tp]
            known = ownership.incarnations.get(each.topic, 0) == each.incarnation
            wanted = each.offset + 1 if known else 0
            start = max(begin, wanted)
            # What is gone from both places.
            count += start - wanted
            if start >= end:
                continue
            async for records in clients.read_to(consumer, tp, start, end):
                for record in records:
                    at = record.timestamp * 1000
                    if record.key and at <= until:
                        count += 1
                        oldest = at if oldest is None else min(oldest, at)
    return oldest, count


def told_in_lines(drilled: Drilled) -> list[str]:
    """Say how a drill went, for a person."""
    restored = drilled.restored
    lines = [
        f"RTO  {drilled.rto_seconds:.1f} s  (read {restored.read_seconds:.1f} s, "
        f"write {restored.write_seconds:.1f} s, the rest is Kafka and the workers)",
        f"RPO  {drilled.rpo_seconds:.1f} s  ("
        + (
            "no live Kafka was asked: age of the last record that the bucket has)"
            if drilled.missing_records is None
            else f"{drilled.missing_records:,} records of the live log are not in the bucket)"
        ),
        f"{restored.rows:,} rows, {restored.identities:,} identities, {restored.memories:,} "
        f"memories, up to {restored.restored_to or 'nothing'}",
    ]
    if not drilled.same:
        lines.append("the states in the new cluster are NOT those that were restored")
    return lines
