"""State rows: frozen structs under byte keys, a schema version in front of each value.

A key is the kind's prefix, the tenant, a zero byte (no tenant holds one), and the kind's own part,
so that one tenant's rows of one kind lie together.
"""

from functools import cache, lru_cache
from typing import Any, ClassVar, TypeVar

import msgspec

from streams.core.errors import PartitionRed


class Row(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Base of all state rows: an array whose fields are only ever added at the end."""

    kind: ClassVar[bytes]
    """Two bytes: a letter and ``/``."""
    version: ClassVar[int] = 1


R = TypeVar("R", bound=Row)

_pack = msgspec.msgpack.Encoder()
_text = msgspec.json.Encoder()
_BIG = 0x80
"""Flag on the version byte: a sum is past 64 bits and the row is kept as JSON."""


def encode_row(row: Row) -> bytes:
    """Bytes of a row: version byte, then msgpack (JSON when an integer is past 64 bits).

    The same row always has the same bytes: digests rest on it.
    """
    try:
        return bytes((row.version,)) + _pack.encode(row)
    except OverflowError:
        return bytes((row.version | _BIG,)) + _text.encode(row)


def decode_row(kind: type[R], value: bytes) -> R:
    """Read a row of a known kind.

    Raises
    ------
    PartitionRed
        The row was written by a newer version, or is damaged.
    """
    flag = value[0]
    if flag & ~_BIG > kind.version:
        raise PartitionRed(f"a {kind.__name__} row is newer than this code")
    try:
        row: R = (_text_decoder(kind) if flag & _BIG else _pack_decoder(kind)).decode(value[1:])
    except msgspec.DecodeError as error:
        raise PartitionRed(f"a {kind.__name__} row can't be read: {error}") from error
    return row


@cache
def _pack_decoder(kind: type[Row]) -> Any:
    return msgspec.msgpack.Decoder(kind)


@cache
def _text_decoder(kind: type[Row]) -> Any:
    return msgspec.json.Decoder(kind)


def tenant_key(kind: type[Row], tenant: str, rest: bytes = b"") -> bytes:
    """Key of a tenant's row.

    Examples
    --------
    >>> class Note(Row):
    ...     kind = b"n/"
    ...     text: str
    >>> tenant_key(Note, "t1", b"x")
    b'n/t1\\x00x'
    """
    prefix = _tenant_prefix(kind, tenant)
    return prefix + rest if rest else prefix


@lru_cache(maxsize=8192)
def _tenant_prefix(kind: type[Row], tenant: str) -> bytes:
    return kind.kind + tenant.encode() + b"\x00"


def sortable(number: int) -> bytes:
    """Eight bytes that sort as the (signed) number does."""
    return (number + (1 << 63)).to_bytes(8, "big")
