"""Folds a log through the real store, with a Kafka that is a few lists, and tells what came of it.

Run as a program, so that a test can choose Python's hash seed and the environment:
``python -m agents.refold <folder> <log> <way> [<log> <way>]...``, the logs being files in the
folder, to which the story of each goes.
"""

import asyncio
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import count, islice
from pathlib import Path
from random import Random
from shutil import rmtree
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest.mock import patch

import msgspec
from rocksdict import WriteBatch

from agents.whole_log import Raw
from streams import topology
from streams.agents.fold import fold
from streams.core import log
from streams.core.log import DEFAULT_CONFIG
from streams.core.time import HOUR
from streams.runtime import folding, positions, store, view
from streams.runtime.chunks import Chunk, Inbox
from streams.runtime.dedupe import put, unpack
from streams.runtime.digest import digest
from streams.runtime.job import Job
from streams.runtime.recovery import load_fences
from streams.runtime.store import PartitionStore
from streams.runtime.view import open_database, scan_raw, write

JOB = Job(
    topic=topology.TENANT_LOG,
    changelog="changelog",
    dedupe=topology.TENANT_DEDUPE,
    group="streams",
    decode=log.decode,
    fold=fold,
    output=lambda topic: topic,
    partitions=4,
)
PARTITION = 0


class Sent(NamedTuple):
    offset: int
    key: bytes | None
    value: bytes | None
    partition: int
    headers: Any = None
    timestamp = 1


class Story(msgspec.Struct):
    """What came of a log: all of it must be the same, however it was folded."""

    digest: tuple[str, int]
    outputs: list[tuple[Any, ...]]
    rows: list[tuple[bytes, bytes]]
    positions: list[tuple[bytes, bytes]]
    identities: list[tuple[bytes, int]]


class Batch(list[tuple[bytes, bytes | None]]):
    """A batch that holds few rows, so that there are several."""

    def append(self, *, key: bytes, value: bytes | None, timestamp: None) -> bool | None:
        if len(self) == 300:
            return None
        super().append((key, value))
        return True


class Broker:
    """Topics, and of aiokafka's transactional producer what a store uses; nothing is aborted."""

    def __init__(self) -> None:
        self.topics: dict[str, list[Sent]] = defaultdict(list)
        self._open = False
        self._sender = SimpleNamespace(sender_task=None)

    async def begin_transaction(self) -> None:
        assert not self._open
        self._open = True

    def create_batch(self) -> Batch:
        return Batch()

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> Any:
        for key, value in batch:
            sent = await self.send(topic, value, key, partition)
        return sent

    async def send(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None = None,
        partition: int = 0,
        headers: Any = None,
    ) -> Any:
        assert self._open
        sent = Sent(len(self.topics[topic]), key, value, partition, headers)
        self.topics[topic].append(sent)
        acknowledged = asyncio.get_running_loop().create_future()
        acknowledged.set_result(sent)
        return acknowledged

    async def send_offsets_to_transaction(self, offsets: Any, group: str) -> None:
        pass

    async def commit_transaction(self) -> None:
        self._open = False


def take_over(broker: Broker, folder: Path) -> PartitionStore:
    """Open the state as a take-over does; what an empty disk lacks is in the topics."""
    db = open_database(folder)
    lost = positions.read_source(db) is None
    if lost:
        batch = WriteBatch(raw_mode=True)
        changes = broker.topics[JOB.changelog]
        write(batch, [(sent.key or b"", sent.value) for sent in changes])
        batch.put(positions.CHANGELOG_KEY, positions.number(len(changes)))
        db.write(batch)
    config = positions.read_config(db) or DEFAULT_CONFIG
    if lost:
        batch = WriteBatch(raw_mode=True)
        for sent in broker.topics[topology.TENANT_DEDUPE]:
            put(batch, unpack(sent.value or b""), config.dedupe_hours * HOUR)
        db.write(batch)
    source = positions.read_source(db) or positions.NOTHING
    return PartitionStore(JOB, PARTITION, db, broker, source, load_fences(db), config)


def cut(records: Sequence[Raw], sizes: Callable[[], int]) -> list[Chunk]:
    """Chunks of these sizes, each saying after which offset it begins."""
    chunks, at = [], 0
    while at < len(records):
        part = records[at : at + sizes()]
        chunks.append(Chunk(part[0].offset - 1, list(part)))
        at += len(part)
    return chunks


class Way(msgspec.Struct, kw_only=True):
    """A way to fold a log.

    Attributes
    ----------
    sizes : tuple of int
        Records of a chunk, one of these each time.
    waiting : int
        At most so many chunks wait in the inbox, where those that follow each other are joined.
    every : int
        The store is closed and taken over anew after so many chunks; 0: never.
    wiped : bool
        And its disk is empty then.
    seconds, clock_every
        Of folding in one transaction, and of records between two looks at the clock.
    clean : int
        Rows that stay decoded from chunk to chunk.
    """

    sizes: tuple[int, ...]
    waiting: int = 1
    every: int = 0
    wiped: bool = False
    seconds: float = 60.0
    clock_every: int = 64
    clean: int = 20_000


WAYS = {
    "one by one": Way(sizes=(1,)),
    "in 7s, opened anew": Way(sizes=(7,), every=60),
    "in 250s": Way(sizes=(250,)),
    "in 250s, nothing cached, on empty disks": Way(sizes=(250,), every=4, wiped=True, clean=0),
    "in 4,000s": Way(sizes=(4_000,)),
    "in 4,000s, cut by the clock": Way(sizes=(4_000,), seconds=0.0, clock_every=17),
    "joined in the inbox, opened anew": Way(sizes=(1, 2, 30, 100), waiting=40, every=20),
    "joined, on empty disks": Way(sizes=(1, 90), waiting=20, every=20, wiped=True),
}


async def refold(records: Sequence[Raw], way: Way, folder: Path) -> Story:
    """Fold a log in a way; the folder is the database's and is left empty."""
    seconds = {"FOLD_SECONDS": way.seconds, "SLICE_SECONDS": way.seconds}
    with (
        patch.multiple(folding, CLOCK_EVERY=way.clock_every),
        patch.multiple(store, **seconds),
        patch.multiple(view, MAX_CLEAN_ROWS=way.clean),
    ):
        try:
            return await _refold(records, way, folder)
        finally:
            rmtree(folder)


async def _refold(records: Sequence[Raw], way: Way, folder: Path) -> Story:
    random, broker, inbox = Random(7), Broker(), Inbox()
    fetched = iter(cut(records, lambda: random.choice(way.sizes)))
    one = take_over(broker, folder)
    for done in count(1):
        for chunk in islice(fetched, random.randint(1, way.waiting)):
            inbox.put(chunk)
        waiting = inbox.take()
        if waiting is None:
            break
        await one.apply(waiting)
        if way.every and done % way.every == 0:
            one.db.close()
            if way.wiped:
                rmtree(folder)
            one = take_over(broker, folder)
    story = tell(one, broker)
    one.db.close()
    return story


def tell(one: PartitionStore, broker: Broker) -> Story:
    """Tell what is stored and what went out."""
    outputs = [(topic, *sent[1:]) for topic in topology.OUTPUTS for sent in broker.topics[topic]]
    window = one.config.dedupe_hours * HOUR
    # What is past the window may lie here still: it is never asked for.
    applied = {
        identity: at
        for sent in broker.topics[topology.TENANT_DEDUPE]
        for identity, at in unpack(sent.value or b"")
        if one.log_time - at < window
    }
    return Story(
        digest(one.db.iter()),
        outputs,
        list(scan_raw(one.db, b"", start=positions.LOGICAL_START)),
        list(scan_raw(one.db, b"\x00")),
        sorted(applied.items()),
    )


def main() -> None:
    folder, *wanted = sys.argv[1:]
    for log_name, way in zip(wanted[::2], wanted[1::2], strict=True):
        records = msgspec.msgpack.decode(Path(folder, log_name).read_bytes(), type=list[Raw])
        story = asyncio.run(refold(records, WAYS[way], Path(folder, f"state of {way}")))
        Path(folder, f"{log_name}, {way}").write_bytes(msgspec.msgpack.encode(story))


if __name__ == "__main__":
    main()
