"""How many bytes each project of a tenant keeps stored, and since when.

Memory changes it as records come; usage makes byte-hours of it as time passes. Neither knows of the
other, and a change costs one row, whatever periods it lies in.

Time is cut into quarters of an hour, at which all periods of today's zones begin and end. What
changes inside one is kept as two exact sums, so that a row stays small however much goes on.
"""

from collections.abc import Iterator
from typing import ClassVar, NamedTuple

import msgspec

from streams.core.fold import View
from streams.core.rows import Row, tenant_key
from streams.core.time import SECOND

SLOT = 15 * 60 * SECOND

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(str).decode


class HeldRow(Row, frozen=True, array_like=True, gc=False):
    """Bytes of one project; there is none while it stores nothing and all is counted."""

    kind: ClassVar[bytes] = b"f/"

    used: int
    """Bytes stored at ``since``."""
    since: int
    """Begin of a slot (log time): byte-hours are counted up to here."""
    steps: tuple[tuple[int, int, int], ...] = ()
    """What changed after it, by slot: (its begin, bytes more, byte-microseconds that these bytes
    were stored until its end)."""


class Stored(NamedTuple):
    """Bytes stored from ``start`` to ``end``, and byte-microseconds of changes in between."""

    start: int
    end: int
    used: int
    more: int


ROWS: tuple[type[Row], ...] = (HeldRow,)


def hold(view: View, tenant: str, project: str, change: int, log_time: int) -> None:
    """Note that a project stores so many bytes more (or fewer, below zero) from now on."""
    slot = log_time // SLOT * SLOT
    until_end = change * (slot + SLOT - log_time)
    key = held_key(tenant, project)
    row = view.get(HeldRow, key)
    if row is None:
        row = HeldRow(0, slot)
    steps = row.steps
    if steps and steps[-1][0] == slot:
        _, earlier, area = steps[-1]
        steps = (*steps[:-1], (slot, earlier + change, area + until_end))
    else:
        steps = (*steps, (slot, change, until_end))
    view.put(key, HeldRow(row.used, row.since, steps))


def stored(row: HeldRow, until: int) -> Iterator[Stored]:
    """What was stored from ``row.since`` to ``until``, in pieces that follow one another.

    Parameters
    ----------
    until : int
        The end of a slot, or a log time at which the row is as it was then.
    """
    used, at = row.used, row.since
    for slot, change, area in row.steps:
        if slot >= until:
            break
        if at < slot:
            yield Stored(at, slot, used, 0)
        end = min(slot + SLOT, until)
        yield Stored(slot, end, used, area - change * (slot + SLOT - end))
        used, at = used + change, end
    if at < until:
        yield Stored(at, until, used, 0)


def counted(row: HeldRow, until: int) -> HeldRow | None:
    """Make the row of which all before ``until`` (a slot's begin) is counted, if one is left."""
    left = tuple(step for step in row.steps if step[0] >= until)
    used = row.used + sum(change for slot, change, _ in row.steps if slot < until)
    return HeldRow(used, until, left) if used or left else None


def held_key(tenant: str, project: str) -> bytes:
    """Key of a project's bytes."""
    return tenant_key(HeldRow, tenant, _pack(project))


def tenant_and_project(key: bytes) -> tuple[str, str]:
    """Whose bytes the row at this key has."""
    end = key.index(0)
    return key[len(HeldRow.kind) : end].decode(), _unpack(key[end + 1 :])
