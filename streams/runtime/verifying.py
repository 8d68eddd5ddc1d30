"""Verifier: looks in every place where erased contents may lie, past what the folds make of them.

It reads what is there: RocksDB's tables with what is deleted in them, all that Kafka still gives
out, snapshots' files, also those that wait for their collection, and the archive. It looks for
what the tenant's fences say is gone, and for texts that somebody wants to be sure of. Only records
and rows of the tenant are looked at: nobody learns what others have.
"""

import asyncio
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import msgspec
from aiokafka.structs import TopicPartition

from streams import topology
from streams.agents.admit import Incoming, admit
from streams.core import log as facts
from streams.core.errors import ObjectMissing, PartitionRed, Refused, StoreLost
from streams.core.journal import AuditOfRow, AuditRow
from streams.core.log import ErasureReached, HoldRelease, HoldSet, MemoryErase, Origin, Record
from streams.memory.forget_rows import ForgetRow, HoldRow, OpenReceiptRow, ReceiptRow
from streams.memory.receipts import CHANGELOG
from streams.memory.rows import tenants_key
from streams.memory.traces import Traces
from streams.ports import Looked
from streams.runtime import clients
from streams.runtime import content_topics as contents
from streams.runtime.archive import list_segments
from streams.runtime.clients import Inquiry
from streams.runtime.collecting import objects_of
from streams.runtime.erased_files import DROPPED
from streams.runtime.owner import PartitionOwner
from streams.runtime.snapshots import Bin
from streams.runtime.store import PartitionStore
from streams.runtime.tables import BadTable, is_table, read_table
from streams.runtime.unpriced import Unpriced
from streams.settings import Settings
from streams.snapshots.names import Place
from streams.snapshots.segments import BadSegment, unseal

SHOWN = 3
"""So many places of what was found are told."""
_COMMANDS = (MemoryErase, HoldSet, HoldRelease, ErasureReached)
"""What was asked for names whom it is about: that is no content."""
_ASKED_FOR = frozenset(
    row.kind for row in (ReceiptRow, OpenReceiptRow, ForgetRow, HoldRow, AuditRow, AuditOfRow)
)
"""And rows that say so."""


Judge = Callable[[Any], bool | None]
"""Whether a record of the tenant holds what is looked for; None: it is not the tenant's."""


class _Tally:
    """What was looked at in one place, and what was found."""

    def __init__(self, place: str) -> None:
        self.place = place
        self._looked = self._found = 0
        self._where: list[str] = []
        self.errors: list[str] = []

    def add(self, where: Callable[[], str], found: bool | None) -> None:
        """Count a record or row; None: it is not the tenant's."""
        self._looked += found is not None
        if found:
            self._found += 1
            if len(self._where) < SHOWN:
                self._where.append(where())

    def result(self) -> Looked:
        error = "; ".join(self.errors) or None
        return Looked(self.place, self._looked, self._found, tuple(self._where), error)


class Verifier:
    """Looks for what was erased of tenants of the partitions that a process owns.

    Parameters
    ----------
    folder : Path
        The worker's.
    into : Bin, optional
        Where snapshots and archive are.
    """

    def __init__(
        self, settings: Settings, folder: Path, inquiry: Inquiry, into: Bin | None
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._inquiry = inquiry
        self._into = into
        self._turn = asyncio.Lock()
        """One at a time: each reads all there is."""

    async def look(self, owner: PartitionOwner, tenant: str, texts: Sequence[str]) -> list[Looked]:
        """Look for what was erased of a tenant, and for texts, in all places.

        Raises
        ------
        StoreLost
            The partition is being taken over.
        """
        store = owner.store
        if store is None:
            raise StoreLost("the partition is being taken over")
        find = _Finding(store, tenant, _needles(texts), self._settings)
        async with self._turn:
            await asyncio.to_thread(store.db.flush)
            found = [await asyncio.to_thread(self._files, owner, find)]
            if self._into is not None:
                found.append(await self._snapshots(self._into, owner.place, find))
                found.append(await self._archive(self._into, owner.place, find))
            for topic in await contents.content_topics(self._settings, owner.partition):
                found.append(await self._topic(topic, find))
        return found

    def _files(self, owner: PartitionOwner, find: "_Finding") -> Looked:
        """All tables of the database, of its checkpoints, and of what was put aside of it."""
        tally = _Tally("local files")
        folders = [
            self._folder / owner.name,
            self._folder / "checkpoints" / owner.name,
            *sorted(self._folder.glob(f"{owner.name}.damaged-*")),
            *sorted(self._folder.glob(f"{DROPPED}*-{owner.name}")),
        ]
        for folder in folders:
            for path in sorted(folder.glob("*.sst")):
                _add_table(tally, f"{folder.name}/{path.name}", path, find)
        return tally.result()

    async def _snapshots(self, into: Bin, place: Place, find: "_Finding") -> Looked:
        tally = _Tally("snapshots")
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            for sha256 in sorted(await objects_of(into, place)):
                name, path = into.layout.object(sha256), Path(folder) / sha256
                try:
                    await asyncio.to_thread(into.store.fetch, name, path)
                except ObjectMissing:
                    continue  # collected meanwhile
                await asyncio.to_thread(_add_table, tally, name, path, find)
                path.unlink()
        return tally.result()

    async def _archive(self, into: Bin, place: Place, find: "_Finding") -> Looked:
        tally = _Tally("archive")
        for segment in await list_segments(into, place):
            name = into.layout.segment(segment)
            try:
                data = await asyncio.to_thread(into.store.get, name)
                _, records = await asyncio.to_thread(unseal, segment, data)
            except ObjectMissing:
                continue  # rewritten meanwhile
            except BadSegment as error:
                tally.errors.append(f"{name}: {error}")
                continue
            await asyncio.to_thread(_add_records, tally, name, records, find.in_log)
        return tally.result()

    async def _topic(self, topic: contents.ContentTopic, find: "_Finding") -> Looked:
        tally = _Tally(topic.place)
        judge = find.of_topic(topic)
        for partition in topic.partitions:
            tp = TopicPartition(topic.name, partition)
            name = f"{topic.name}[{partition}]"
            begin, end = await self._inquiry.bounds(tp)
            async for records in clients.tail(self._settings.kafka, tp, begin, end):
                await asyncio.to_thread(_add_records, tally, name, records, judge)
        return tally.result()


class _Finding:
    """Knows what is looked for."""

    def __init__(
        self, store: PartitionStore, tenant: str, texts: Sequence[bytes], settings: Settings
    ) -> None:
        self._traces = Traces(store.reader, tenant)
        self._tenant = tenant.encode()
        self._texts = texts
        self._settings = settings
        self._since = contents.memories_since((self._traces,))

    def of_topic(self, topic: contents.ContentTopic) -> Judge:
        """Say how records of a topic are looked at."""
        short = topic.place
        if short == CHANGELOG:
            return lambda record: self.in_row(record.key, record.value or b"", record.offset)
        if short == topology.TENANT_LOG:
            return self.in_log
        if short == topology.MEMORY_RECORDS:
            return self._in_memory
        if short == topology.MEMORY_CONSOLIDATED:
            return self._in_output
        read_as = short.removesuffix(topology.dlq(""))
        return lambda record: self._in_input(read_as, record)

    def in_row(self, key: bytes, value: bytes, offset: int | None = None) -> bool | None:
        """Whether a row of the tenant, as it was at any time, holds what was erased."""
        if not tenants_key(key)[2:].startswith(self._tenant + b"\x00"):
            return None
        if key[:2] in _ASKED_FOR:
            return False
        found = contents.row_since(self._traces, key, value, offset)
        return found is not None or self._says(key + value)

    def in_log(self, record: Any) -> bool | None:
        """Whether a record of the log does."""
        if record.key != self._tenant:
            return None
        try:
            fact = facts.decode(record.value)
        except PartitionRed:
            return self._says(record.value or b"")
        return self._in_fact(fact, record.timestamp * 1000, record.value)

    def _in_fact(self, fact: Record, at: int, value: bytes) -> bool:
        if isinstance(fact.body, _COMMANDS):
            return False
        return self._traces.without(fact, at) is not fact or self._says(value)

    def _in_memory(self, record: Any) -> bool | None:
        if not (record.key or b"").startswith(self._tenant + b"/"):
            return None
        return self._since(record) is not None or self._says(record.value or b"")

    def _in_output(self, record: Any) -> bool | None:
        if record.key != self._tenant:
            return None
        members = _consolidated(record.value).members
        gone = (self._traces.gone_since(each) is not None for each in members)
        return any(gone) or self._says(record.value)

    def _in_input(self, topic: str, record: Any) -> bool | None:
        """Of an input topic, or of its dead letters, which are as they were sent."""
        if self._is_anothers(record):
            return None
        at = record.timestamp * 1000
        now = time.time_ns() // 1000
        incoming = Incoming(
            topic, record.key, record.value, record.headers, at, now, Origin(topic, 0, 0, 0)
        )
        try:
            fact = admit(incoming, Unpriced(), self._settings.namespace_tenants)
        except Refused as refused:
            mine = (refused.tenant or "").encode() == self._tenant
            return self._says(record.value or b"") if mine else None
        if fact.tenant.encode() != self._tenant:
            return None
        # As it was sent a text may be escaped; as it is decoded it is not.
        return self._in_fact(fact, at, record.value + facts.encode(fact))

    def _is_anothers(self, record: Any) -> bool:
        """Whether its headers say so already: decoding takes a hundred times as long."""
        said = [value for name, value in record.headers if name == "ce_tenant"]
        return bool(said) and self._tenant not in said

    def _says(self, data: bytes) -> bool:
        return any(text in data for text in self._texts)


def _add_records(tally: _Tally, name: str, records: Sequence[Any], judge: Judge) -> None:
    for record in records:
        tally.add(_at(name, record.offset), judge(record))


class _Consolidated(msgspec.Struct):
    members: list[str] = []


_consolidated = msgspec.json.Decoder(_Consolidated).decode


def _needles(texts: Sequence[str]) -> list[bytes]:
    """As they stand in MessagePack, and as in JSON."""
    found = [way for text in texts for way in (text.encode(), msgspec.json.encode(text)[1:-1])]
    return list(dict.fromkeys(found))


def _add_table(tally: _Tally, name: str, path: Path, find: _Finding) -> None:
    """Look at all rows of a table, deleted or not; other files of a database hold none."""
    try:
        with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
            if is_table(data) or path.suffix == ".sst":
                for row in read_table(data):
                    tally.add(partial(_row_at, name, row.key), find.in_row(row.key, row.value))
    except FileNotFoundError:
        pass  # a compaction has just replaced it
    except (BadTable, ValueError) as error:
        tally.errors.append(f"{name}: {error}")


def _row_at(name: str, key: bytes) -> str:
    return f"{name}: {key[:2].decode(errors='replace')} row"


def _at(name: str, offset: int) -> Callable[[], str]:
    return lambda: f"{name} at offset {offset}"
