"""RocksDB's table files, read past the database: what is deleted or replaced still lies in them.

A database shows the newest row of each key. Whether something that was erased is gone from the disk
only its files say. The format is RocksDB's block-based table, format_version 6, as open_database
has them written (BlockBasedTable and its footer in table/format.h of RocksDB).
"""

from collections.abc import Iterator
from mmap import mmap
from typing import NamedTuple

import cramjam

from streams.core.errors import StreamsError

_MAGIC = 0x88E241B785F4CFF7
_FOOTER = 53
_FORMAT = 6
_TRAILER = 5
"""After each block: how it is compressed, and a checksum."""
_PLAIN, _SNAPPY = 0, 1
_INDEX = b"rocksdb.index"


Data = bytes | mmap


class BadTable(StreamsError):
    """The bytes are no such table, or damaged."""


class Row(NamedTuple):
    """A row of a table; of one key there may be many, the highest number is the newest."""

    key: bytes
    value: bytes
    """Empty where it says that the key was deleted."""
    number: int


def read_table(data: Data) -> Iterator[Row]:
    """Yield all rows that lie in a table file.

    Parameters
    ----------
    data : bytes or mmap
        A file of some hundred MB is better mapped.

    Raises
    ------
    BadTable
    """
    try:
        for offset, size in _blocks(data):
            for key, value in _entries(_block(data, offset, size)):
                yield Row(key[:-8], value, int.from_bytes(key[-8:], "little") >> 8)
    except (IndexError, ValueError, cramjam.DecompressionError) as error:
        raise BadTable(f"a block of it can't be read: {error}") from None


def is_table(data: Data) -> bool:
    """Whether bytes end as a table does."""
    return int.from_bytes(data[-8:], "little") == _MAGIC


def _blocks(data: Data) -> Iterator[tuple[int, int]]:
    """Yield where the blocks of rows lie."""
    footer = data[-_FOOTER:]
    if len(footer) < _FOOTER or int.from_bytes(footer[-8:], "little") != _MAGIC:
        raise BadTable("it has no footer of a table")
    if (version := int.from_bytes(footer[-12:-8], "little")) != _FORMAT:
        raise BadTable(f"it is of format {version}, known is {_FORMAT}")
    size = int.from_bytes(footer[13:17], "little")
    about = dict(_entries(_block(data, len(data) - _FOOTER - _TRAILER - size, size)))
    if _INDEX not in about:
        raise BadTable("it has no index")
    offset, at = _varint(about[_INDEX], 0)
    size, _ = _varint(about[_INDEX], at)
    yield from _handles(_block(data, offset, size))


def _block(data: Data, offset: int, size: int) -> bytes:
    end = offset + size
    if offset < 0 or end + _TRAILER > len(data):
        raise BadTable("a block lies beyond its end")
    block, kind = data[offset:end], data[end]
    if kind == _PLAIN:
        return block
    if kind != _SNAPPY:
        raise BadTable(f"a block is compressed in way {kind}")
    return bytes(cramjam.snappy.decompress_raw(block))


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    at, end, key = 0, _end(block), b""
    while at < end:
        shared, at = _varint(block, at)
        own, at = _varint(block, at)
        size, at = _varint(block, at)
        key = key[:shared] + block[at : at + own]
        at += own
        yield key, block[at : at + size]
        at += size


def _handles(block: bytes) -> Iterator[tuple[int, int]]:
    """Yield offset and size of what an index names; all but the first of a run as differences."""
    at, end = 0, _end(block)
    offset = size = 0
    while at < end:
        shared, at = _varint(block, at)
        own, at = _varint(block, at)
        at += own
        if shared:
            difference, at = _varint(block, at)
            offset += size + _TRAILER
            size += (difference >> 1) ^ -(difference & 1)
        else:
            offset, at = _varint(block, at)
            size, at = _varint(block, at)
        yield offset, size


def _end(block: bytes) -> int:
    """Where the entries of a block end: what follows says where runs begin."""
    runs = int.from_bytes(block[-4:], "little") & 0x7FFF_FFFF
    return len(block) - 4 - 4 * runs


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Read a number of seven bits a byte; returns it and where the next one begins."""
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
