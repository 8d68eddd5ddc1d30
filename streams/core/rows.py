"""State rows: frozen structs under byte keys, a schema version in front of each value.

A change of a kind's fields makes a new version of it, so that code that does not know it stops
instead of losing it: the shape of before stays as a class of its own, and the new one's ``step``
says how to come from there (docs/migration.md has an example).

A key is the kind's prefix, the tenant, a zero byte (no tenant holds one), and the kind's own part,
so that one tenant's rows of one kind lie together.
"""

from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any, ClassVar, NamedTuple, TypeVar

import msgspec

from streams.core.errors import PartitionRed


class Step(NamedTuple):
    """How a shape follows on the one before it; both functions are pure."""

    older: "type[Row]"
    upgrade: Callable[[Any], "Row"]
    downgrade: Callable[[Any], "Row"] | None = None
    """Its inverse for rows that use nothing new; None: nobody writes the older one any more."""


class Row(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Base of all state rows: an array."""

    kind: ClassVar[bytes]
    """Two bytes: a letter or a digit, and a sign."""
    version: ClassVar[int] = 1
    """Number of the schema that brought this shape (streams/core/schema.py)."""
    step: ClassVar[Step | None] = None
    """From the shape before it; None: there was none."""


R = TypeVar("R", bound=Row)

_pack = msgspec.msgpack.Encoder()
_text = msgspec.json.Encoder()
BIG = 0x80
"""Flag on the version byte: a sum is past 64 bits and the row is kept as JSON."""


def encode_row(row: Row, schema: int = BIG) -> bytes:
    """Bytes of a row: version byte, then msgpack (JSON when an integer is past 64 bits).

    The same row always has the same bytes: digests rest on it.

    Parameters
    ----------
    schema : int
        Number of the schema that the state has: the row is written in the newest shape of it.

    Raises
    ------
    PartitionRed
        The row says what that shape can't.
    """
    if row.version > schema:
        row = _lowered(row, schema)
    try:
        return bytes((row.version,)) + _pack.encode(row)
    except OverflowError:
        return bytes((row.version | BIG,)) + _text.encode(row)


def decode_row(kind: type[R], value: bytes) -> R:
    """Read a row of a known kind, of any version, as the newest.

    Raises
    ------
    PartitionRed
        The row was written by a newer version, or is damaged.
    """
    flag = value[0]
    if flag & ~BIG != kind.version:
        return _raised(kind, value)
    return _decoded(kind, value)


def version_of(value: bytes) -> int:
    """Version of an encoded row."""
    return value[0] & ~BIG


def newest_form(kind: type[Row], value: bytes) -> bytes:
    """Bytes of an encoded row in the newest shape of its kind.

    Raises
    ------
    PartitionRed
        As of decode_row.
    """
    return value if version_of(value) == kind.version else encode_row(decode_row(kind, value))


def written_version(kind: type[Row], schema: int) -> int:
    """Version in which a kind is written into a state of this schema; 0: it has none."""
    shape = kind
    while shape.version > schema:
        if shape.step is None:
            return 0
        shape = shape.step.older
    return shape.version


def _decoded(kind: type[R], value: bytes) -> R:
    decoder = _text_decoder(kind) if value[0] & BIG else _pack_decoder(kind)
    try:
        row: R = decoder.decode(value[1:])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PartitionRed(f"a {kind.__name__} row can't be read: {error}") from error
    return row


def _raised(kind: type[R], value: bytes) -> R:
    """Read an older row, one step after the other."""
    version, shape, steps = version_of(value), kind, []
    if version > kind.version:
        raise PartitionRed(f"a {kind.__name__} row is newer than this code")
    while shape.version > version and shape.step is not None:
        steps.append(shape.step)
        shape = shape.step.older  # type: ignore[assignment]
    if shape.version != version:
        raise PartitionRed(f"a {kind.__name__} row can't be read: no version {version} ever was")
    row: Row = _decoded(shape, value)
    for step in reversed(steps):
        row = step.upgrade(row)
    assert isinstance(row, kind)
    return row


def _lowered(row: Row, schema: int) -> Row:
    """Give the row in the shape that a state of an older schema has."""
    while row.version > schema:
        step, name = row.step, type(row).__name__
        if step is None or step.downgrade is None:
            raise PartitionRed(f"this version writes no {name} into a state of an older schema")
        older = step.downgrade(row)
        if step.upgrade(older) != row:
            raise PartitionRed(f"a {name} row says what the state's schema can't: finalize first")
        row = older
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
