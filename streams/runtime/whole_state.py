"""Write a partition's whole state into its changelog: where a new one goes on from an old state.

Row by row in transactions of bounded size. The row that says where the input stands comes with the
last of them: a changelog that has none holds a part of a state, and nobody may go on from it.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer
from rocksdict import Rdict

from streams.core.errors import StoreLost
from streams.runtime import positions
from streams.runtime.dedupe import ENTRY, HASH
from streams.runtime.job import Job
from streams.runtime.view import scan_raw

TRANSACTION_BYTES = 16 << 20
IDENTITIES = 20_000
"""In one record of the dedupe topic: as a large chunk's."""
_LOCAL = positions.CHANGELOG_KEY[:1]
"""Of keys that are not shared through the changelog."""


class Written(msgspec.Struct, frozen=True):
    """What was written."""

    rows: int
    identities: int
    end: int
    """Offset of the changelog at which it goes on."""


async def write_whole(
    producer: AIOKafkaProducer, job: Job, partition: int, db: Rdict, source: positions.Source
) -> Written:
    """Write all rows of a database, and the identities of applied events.

    Parameters
    ----------
    producer : AIOKafkaProducer
        Started with the job's transactional id: what writes to a changelog has it (DESIGN.md,
        section 2, rule 3).
    source : positions.Source
        Where the input goes on.
    """
    rows = identities = 0
    for portion in _portions(_shared(db)):
        await _transaction(producer, job.changelog, partition, portion)
        rows += len(portion)
    if job.dedupe is not None:
        for packed in _packed(db):
            await _transaction(producer, job.dedupe, partition, [(None, packed)])
            identities += len(packed) // ENTRY
    last = [(positions.SOURCE_KEY, positions.encode(source))]
    end = await _transaction(producer, job.changelog, partition, last)
    return Written(rows + 1, identities, end)


def _shared(db: Rdict) -> Iterator[tuple[bytes, bytes]]:
    for key, value in scan_raw(db, b""):
        if not key.startswith(_LOCAL) and key != positions.SOURCE_KEY:
            yield key, value


def _portions(rows: Iterable[tuple[bytes, bytes]]) -> Iterator[list[tuple[bytes, bytes]]]:
    portion: list[tuple[bytes, bytes]] = []
    weight = 0
    for key, value in rows:
        portion.append((key, value))
        weight += len(key) + len(value)
        if weight >= TRANSACTION_BYTES:
            yield portion
            portion, weight = [], 0
    if portion:
        yield portion


def _packed(db: Rdict) -> Iterator[bytes]:
    entries: list[bytes] = []
    for key, value in scan_raw(db, positions.DEDUPE_PREFIX):
        entries.append(key[-HASH:] + value)
        if len(entries) == IDENTITIES:
            yield b"".join(entries)
            entries.clear()
    if entries:
        yield b"".join(entries)


async def _transaction(
    producer: AIOKafkaProducer,
    topic: str,
    partition: int,
    rows: Sequence[tuple[bytes | None, bytes]],
) -> int:
    """Send these in one; returns the offset after the last of them."""
    await producer.begin_transaction()
    sent: list[Any] = []
    batch = producer.create_batch()
    for key, value in rows:
        if batch.append(key=key, value=value, timestamp=None) is None:
            sent.append(await producer.send_batch(batch, topic, partition=partition))
            batch = producer.create_batch()
            if batch.append(key=key, value=value, timestamp=None) is None:
                raise StoreLost(f"a row of {len(value)} bytes fits no batch")
    sent.append(await producer.send_batch(batch, topic, partition=partition))
    acks = await asyncio.gather(*sent)
    await producer.commit_transaction()
    end: int = acks[-1].offset + 1
    return end
