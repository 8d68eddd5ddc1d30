"""Write a partition's whole state into its changelog: where a new one goes on from an old state.

Row by row in transactions of bounded size. The row that says where the input stands comes with the
last of them: a changelog that has none holds a part of a state, and nobody may go on from it.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence

import msgspec
from aiokafka import AIOKafkaProducer
from rocksdict import Rdict

from streams.runtime import positions
from streams.runtime.batches import send_rows
from streams.runtime.dedupe import ENTRY, HASH
from streams.runtime.failpoints import reach
from streams.runtime.job import Job
from streams.runtime.view import scan_raw

TRANSACTION_BYTES = 16 << 20
_LAST = (positions.SOURCE_KEY, positions.BASE_KEY)
IDENTITIES = 20_000
"""In one record of the dedupe topic: as a large chunk's."""
Change = tuple[bytes | None, bytes | None]
"""Key and value of a record."""


class Written(msgspec.Struct, frozen=True):
    """What was written."""

    rows: int
    identities: int
    end: int
    """Offset of the changelog at which it goes on."""


async def write_whole(
    producer: AIOKafkaProducer,
    job: Job,
    partition: int,
    db: Rdict,
    source: positions.Source,
    *,
    stale: Iterable[bytes] = (),
    base: int | None = None,
) -> Written:
    """Write all rows of a database, and the identities of applied events.

    Parameters
    ----------
    producer : AIOKafkaProducer
        Started with the job's transactional id: what writes to a changelog has it (DESIGN.md,
        section 2, rule 3).
    source : positions.Source
        Where the input goes on.
    stale : iterable of bytes
        Keys that the changelog holds and the state does not.
    base : int, optional
        The changelog's incarnation, noted with the last of it: it holds a whole state from then on.
    """
    rows = identities = 0
    for portion in _portions((key, None) for key in stale):
        await _transaction(producer, job.changelog, partition, portion)
    for portion in _portions(_shared(db)):
        await _transaction(producer, job.changelog, partition, portion)
        rows += len(portion)
        reach("changelog.written")
    if job.dedupe is not None:
        for packed in _packed(db):
            await _transaction(producer, job.dedupe, partition, [(None, packed)])
            identities += len(packed) // ENTRY
    last: list[Change] = [(positions.SOURCE_KEY, positions.encode(source))]
    if base is not None:
        last.append((positions.BASE_KEY, positions.number(base)))
    end = await _transaction(producer, job.changelog, partition, last)
    return Written(rows + 1, identities, end)


def _shared(db: Rdict) -> Iterator[Change]:
    """Yield the rows that the changelog holds, but those that come last."""
    for key, value in scan_raw(db, b""):
        if not key.startswith(positions.LOCAL) and key not in _LAST:
            yield key, value


def _portions(rows: Iterable[Change]) -> Iterator[list[Change]]:
    portion: list[Change] = []
    weight = 0
    for key, value in rows:
        portion.append((key, value))
        weight += len(key or b"") + len(value or b"")
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
    rows: Sequence[Change],
) -> int:
    """Send these in one; returns the offset after the last of them."""
    await producer.begin_transaction()
    sent = await send_rows(producer, topic, partition, rows)
    acks = await asyncio.gather(*sent)
    await producer.commit_transaction()
    end: int = acks[-1].offset + 1
    return end
