"""Two states beside each other: the first row in which they differ, as a person can read it."""

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

import msgspec
from rocksdict import RdictIter

from streams.core.errors import PartitionRed
from streams.core.rows import Row, decode_row
from streams.runtime.positions import LOGICAL_START
from streams.runtime.row_kinds import KINDS, logical
from streams.runtime.view import check


class Difference(msgspec.Struct, frozen=True):
    """A row that two states don't have alike; None: one has no such row."""

    kind: str
    tenant: str
    key: str
    """What is left of the key after kind and tenant."""
    live: Any
    other: Any

    def __str__(self) -> str:
        what = f"{self.kind} of {self.tenant or '-'}" + (f", {self.key}" if self.key else "")
        live, other = (_text(value) for value in (self.live, self.other))
        return f"{what}: live {live}, the other {other}"


def first_difference(live: RdictIter, other: RdictIter) -> Difference | None:
    """Return the first row, in the order of keys, that is not alike.

    Raises
    ------
    StoreDamaged
    """
    for one, two in zip_longest(_rows(live), _rows(other)):
        if one == two:
            continue
        key = min(pair[0] for pair in (one, two) if pair is not None)
        values = [pair[1] if pair is not None and pair[0] == key else None for pair in (one, two)]
        return _described(key, *values)
    return None


def _rows(it: RdictIter) -> Iterator[tuple[bytes, bytes]]:
    it.seek(LOGICAL_START)
    while it.valid():
        key = it.key()
        yield key, _logical(key, it.value())
        it.next()
    check(it)


def _logical(key: bytes, value: bytes) -> bytes:
    try:
        return logical(key, value)
    except PartitionRed:
        return value


def _described(key: bytes, live: bytes | None, other: bytes | None) -> Difference:
    kind = KINDS.get(key[:2])
    tenant, _, rest = key[2:].partition(b"\x00")
    name = key[:2].decode(errors="backslashreplace") if kind is None else kind.__name__
    return Difference(name, _shown(tenant), _shown(rest), _read(kind, live), _read(kind, other))


def _shown(part: bytes) -> str:
    text = part.decode(errors="backslashreplace")
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def _read(kind: type[Row] | None, value: bytes | None) -> Any:
    """Give a row by its fields; what can't be read, as its bytes."""
    if value is None:
        return None
    if kind is not None:
        try:
            row = decode_row(kind, value)
        except (PartitionRed, IndexError):
            pass
        else:
            names = row.__struct_fields__
            return {name: msgspec.to_builtins(getattr(row, name)) for name in names}
    return msgspec.to_builtins(value)


def _text(value: Any) -> str:
    return "has none" if value is None else msgspec.json.encode(value).decode()
