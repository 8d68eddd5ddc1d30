"""Rows of memory, a kind each. Fields are only ever added at the end, with a default."""

from typing import ClassVar

import msgspec

from streams.core.rows import Row, sortable, tenant_key

_pack = msgspec.msgpack.Encoder().encode


class StateRow(Row, frozen=True, array_like=True):
    """One key of an agent's state, or what is left of it so that its version never goes back."""

    kind: ClassVar[bytes] = b"k/"

    number: int
    """The version that users see: 1 for the first value, one more with each set."""
    updated_at: int
    size: int
    """What it counts for in its tenant's bytes."""
    due: int | None = None
    """Log time from which the value, or what is left of it, is no more."""
    deleted: bool = False


class ValueRow(Row, frozen=True, array_like=True, gc=False):
    """The value of a key, beside its row: folds never read it, however large it is."""

    kind: ClassVar[bytes] = b"z/"

    value: bytes
    """Compact JSON."""


class DueRow(Row, frozen=True, array_like=True):
    """A row has a due time; the key holds the time and the row's key."""

    kind: ClassVar[bytes] = b"x/"


class BytesRow(Row, frozen=True, array_like=True, gc=False):
    """What a tenant's memory takes; there is none while it takes nothing."""

    kind: ClassVar[bytes] = b"y/"

    used: int


ROWS: tuple[type[Row], ...] = (StateRow, ValueRow, DueRow, BytesRow)


def state_keys(tenant: str, agent: str) -> bytes:
    """All keys of an agent. Its name is packed with its length: none is another's beginning."""
    return tenant_key(StateRow, tenant, _pack(agent))


def state_key(tenant: str, agent: str, key: str) -> bytes:
    """Where one key of an agent lies; an agent's keys are in the order of their UTF-8 bytes."""
    return state_keys(tenant, agent) + key.encode()


def value_key(place: bytes) -> bytes:
    """Where the value of the key at ``place`` lies."""
    return ValueRow.kind + place[len(StateRow.kind) :]


def due_key(due: int, key: bytes) -> bytes:
    """Where the due time of the row at ``key`` lies; the earliest come first."""
    return DueRow.kind + sortable(due) + key


def row_of_due(key: bytes) -> bytes:
    """The row's key in the key of its due time."""
    return key[len(DueRow.kind) + 8 :]


def tenant_of(key: bytes) -> str:
    """The tenant in the key of a tenant's row."""
    return key[2 : key.index(0)].decode()
