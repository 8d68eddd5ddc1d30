"""A fresh Kafka and fresh workers from what the bucket holds alone; and the drill that tries it."""

import asyncio
import shutil
import time
from collections.abc import Mapping
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import msgspec
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition
from rocksdict import Rdict

from streams import topology
from streams.adapters.object_folder import FolderStore
from streams.core.errors import Failed, Misuse
from streams.core.time import SECOND, parse_time
from streams.dev.machine import Machine
from streams.ports import Told
from streams.runtime import clients, positions
from streams.runtime.clients import Inquiry
from streams.runtime.digest import digest
from streams.runtime.fold_jobs import job_of
from streams.runtime.log_sources import ArchivedLog
from streams.runtime.new_cluster import MovedIn, move_in
from streams.runtime.object_store import open_bin
from streams.runtime.ownership import Ownership
from streams.runtime.rebuild import rebuild
from streams.runtime.replay import Asked, replay
from streams.runtime.replayed import Replayed, ReplayedPartition
from streams.runtime.snapshots import Bin, list_snapshots
from streams.runtime.view import open_database, scan_raw
from streams.settings import Settings
from streams.snapshots.names import Layout

NOT_THE_BUCKET: Mapping[str, str] = {
    "STREAMS_S3_BUCKET": "",
    "STREAMS_BACKUP_BUCKET": "",
    "BACKUP_BUCKET": "",
}
"""What keeps a drill from writing beside the real ones: its snapshots would be the newest."""
PROBE = "streams-drill"
"""Tenant of the event that a drill sends."""


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What a cluster was made from."""

    incarnation: int
    rows: int
    identities: int
    memories: int
    restored_to: str | None
    """Log time of the last record that is in it."""
    partitions: list[ReplayedPartition]
    read_seconds: float
    """Fetching snapshots and folding the archive's rest."""
    write_seconds: float


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


def bucket_of(settings: Settings, source: Path | None) -> Bin:
    """Where to restore from: the bucket, or the data folder of a system without one.

    Raises
    ------
    Misuse
        Neither is given.
    """
    if source is not None:
        folder = source / "snapshots"
        if not folder.is_dir():
            raise Misuse(f"{folder} does not exist: there is nothing to restore from")
        return Bin(FolderStore(folder), Layout.of(settings.s3_prefix))
    if not settings.s3_bucket and not (Path(settings.data) / "snapshots").is_dir():
        raise Misuse("nothing to restore from: set STREAMS_S3_BUCKET, or give --from DIR")
    return open_bin(settings)


class Restoring:
    """What brings states into a machine before its workers start.

    Parameters
    ----------
    of : Bin
        Where they come from.
    drill : bool
        Nothing is taken over, and what was written is read back and compared.
    """

    def __init__(
        self, of: Bin, folder: Path, told: Told, warn: Told, *, drill: bool = False
    ) -> None:
        self._of = of
        self._folder = folder
        self._told = told
        self._warn = warn
        self._drill = drill
        self.restored: Restored | None = None
        self.same = True

    async def __call__(self, settings: Settings) -> None:
        """Restore into the cluster of these settings.

        Raises
        ------
        Misuse
            There is nothing, or the cluster or the settings are not as they must be.
        Failed
            Kafka or the bucket does not do what it must.
        """
        try:
            await self._restore(settings)
        except KafkaError as error:
            raise Failed(f"Kafka at {settings.kafka}: {error!r}") from error

    async def _restore(self, settings: Settings) -> None:
        began = time.monotonic()
        await self._check(settings)
        shutil.rmtree(self._folder, ignore_errors=True)
        self._told("fetching snapshots and folding what came after them")
        found = await replay(
            Asked(
                settings=settings,
                sources=(ArchivedLog(self._of, settings.group),),
                snapshots=self._of,
                partitions=settings.partitions,
                # What older folds have made is better than nothing.
                same_folds=False,
                told=self._warn,
            ),
            self._folder,
        )
        self._check_partitions(settings, found)
        read = time.monotonic()
        moved = await move_in(
            *(settings, self._folder, found, self._of, self._told),
            into=open_bin(settings),
            takes_over=not self._drill,
        )
        written = time.monotonic()
        if self._drill:
            self.same = await self._as_written(settings, found)
        shutil.rmtree(self._folder, ignore_errors=True)
        self.restored = _restored(moved, found, read - began, written - read)

    async def _check(self, settings: Settings) -> None:
        log = topology.name(settings, topology.TENANT_LOG)
        places = [one.place for one in await list_snapshots(self._of)]
        mine = [at.partition for at in places if (at.group, at.topic) == (settings.group, log)]
        if not mine:
            raise Misuse(
                f"{self._of.store.where} has no snapshot of {log} of the group {settings.group}"
            )
        if max(mine) >= settings.partitions:
            raise _wrong_partitions(f"at least {max(mine) + 1}", settings)

    def _check_partitions(self, settings: Settings, found: Replayed) -> None:
        for each in found.tenants:
            with closing(open_database(self._folder / each.folder)) as db:
                config = positions.read_config(db)
            if config is not None and config.partitions != settings.partitions:
                raise _wrong_partitions(str(config.partitions), settings)

    async def _as_written(self, settings: Settings, found: Replayed) -> bool:
        """Compare what the new changelogs hold with the states that were replayed."""
        inquiry = Inquiry(settings.kafka)
        await inquiry.start()
        try:
            for each in found.partitions:
                job = job_of(settings, each.log)
                here = self._folder / each.folder
                there = here.with_name(f"{here.name}.written")
                with closing(open_database(here)) as old, closing(open_database(there)) as new:
                    await rebuild(inquiry, job, each.partition, new)
                    if digest(old.iter()) != digest(new.iter()) or _known(old) != _known(new):
                        return False
            return True
        finally:
            await inquiry.stop()


def _wrong_partitions(had: str, settings: Settings) -> Misuse:
    return Misuse(
        f"the log had {had} partitions and STREAMS_PARTITIONS is {settings.partitions}: "
        "their number is fixed for life"
    )


def _known(db: Rdict) -> str:
    """Digest of what keeps events from being counted twice: fences and identities."""
    total = sha256()
    for prefix in (positions.ORIGIN_PREFIX, positions.CONFIG_KEY, positions.DEDUPE_PREFIX):
        for key, value in scan_raw(db, prefix):
            total.update(b"%d %b%d %b" % (len(key), key, len(value), value))
    return total.hexdigest()


def _restored(moved: MovedIn, found: Replayed, read: float, write: float) -> Restored:
    times = [each.log_time for each in found.partitions if each.offset >= 0]
    return Restored(
        incarnation=moved.incarnation,
        rows=moved.rows,
        identities=moved.identities,
        memories=moved.memories,
        restored_to=max(times, default=None),
        partitions=found.partitions,
        read_seconds=round(read, 3),
        write_seconds=round(write, 3),
    )


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
    await ownership.start()
    await ownership.stop()
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


def document(machine: dict[str, Any], restored: Restored | None) -> dict[str, Any]:
    """What `streams restore` says when the new cluster serves."""
    return machine | {"restored": msgspec.to_builtins(restored)}
