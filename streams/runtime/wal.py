"""RocksDB's write-ahead logs, read far enough to know which batches they hold.

A log is a row of blocks of 32 KiB; a batch lies in one record, or in several that say which part
they are. Each record has a check over its bytes.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec
from aiokafka.record.util import calc_crc32c

from streams.core.errors import StoreDamaged

_BLOCK = 32 << 10
_HEADER = 7
"""Masked CRC-32C of type and payload (4), the payload's length (2), type (1)."""
_BATCH_HEADER = 12
"""First sequence number (8), how many the batch takes (4)."""
_UNWRITTEN, _WHOLE, _FIRST, _MIDDLE, _LAST = range(5)


class Wal(msgspec.Struct, frozen=True):
    """What a log holds."""

    first: int | None
    """Sequence number of its first change; None: it holds no batch."""
    next: int
    """That of the first change after it."""
    torn: bool
    """Whether it ends within a batch: what was being written when the power went."""


def read_wal(path: Path) -> Wal:
    """Read a log to its end.

    Raises
    ------
    StoreDamaged
        A record is not what was written, or a batch is missing between two.
    """
    data = path.read_bytes()
    first, following = None, 0
    at = 0
    for at, head in _batches(data, path.name):
        sequence, count = int.from_bytes(head[:8], "little"), int.from_bytes(head[8:12], "little")
        if first is None:
            first = sequence
        elif sequence != following:
            raise StoreDamaged(f"{path.name} lacks batches before byte {at}")
        following = sequence + count
    return Wal(first, following, at < len(data))


def _batches(data: bytes, name: str) -> Iterator[tuple[int, bytes]]:
    """Yield where each whole batch ends, and how it begins; the last end is where reading ends."""
    at = whole = 0
    head: bytes | None = None
    while at < len(data):
        left = _BLOCK - at % _BLOCK
        if left < _HEADER:
            at += left
            continue
        header = data[at : at + _HEADER]
        end = at + _HEADER + int.from_bytes(header[4:6], "little")
        if len(header) < _HEADER or end > len(data):
            return
        kind = header[6]
        if kind == _UNWRITTEN:
            if any(data[at:]):
                raise StoreDamaged(f"{name} has a hole at byte {at}")
            return
        if _unmasked(int.from_bytes(header[:4], "little")) != calc_crc32c(data[at + 6 : end]):
            raise StoreDamaged(f"{name} has other bytes at {at} than were written")
        if (kind in (_WHOLE, _FIRST)) != (head is None) or kind > _LAST:
            raise StoreDamaged(f"{name} has a record of kind {kind} at byte {at}")
        # The part in the first record may be shorter than the header.
        head = (head or b"") + data[at + _HEADER : min(end, at + _HEADER + _BATCH_HEADER)]
        at = end
        if kind in (_WHOLE, _LAST):
            whole = at
            yield whole, head
            head = None


def _unmasked(stored: int) -> int:
    turned = (stored - 0xA282EAD8) & 0xFFFFFFFF
    return (turned >> 17 | turned << 15) & 0xFFFFFFFF
