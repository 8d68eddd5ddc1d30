"""Runs by state: each is counted once, where its first event was, under the state that it has.

What a run is becomes known later, and late events may revise it: then the run moves from one
state's sum to another's, in the periods and the scope in which it is counted. The sums of all
states are the runs.
"""

from typing import NamedTuple

import msgspec

from streams.core.fold import Entry, View
from streams.core.rows import tenant_key
from streams.usage.counters import add_extra
from streams.usage.opened import opened_periods
from streams.usage.rows import NO_TENANT, STATES, ExtraRow, TenantRow
from streams.usage.scope import Scope


class Ran(NamedTuple):
    """What all events of a run say so far."""

    state: str
    micros: int
    """From its start to its end; zero while either is not known."""


class _Place(msgspec.Struct, frozen=True, array_like=True):
    time: int
    scope: Scope


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(_Place).decode


def place(time: int, scope: Scope) -> bytes:
    """Where a run is counted: its row keeps this."""
    return _pack(_Place(time, scope))


def revise(view: View, entry: Entry, counted: bytes, before: Ran | None, now: Ran) -> None:
    """Count a run under what it is now, and no longer under what it was.

    Parameters
    ----------
    counted : bytes
        What `place` gave at the run's first event.
    before : Ran, optional
        None at the first event.
    """
    if before == now:
        return
    states = [0] * len(STATES)
    states[STATES.index(now.state)] += 1
    micros = now.micros
    if before is not None:
        states[STATES.index(before.state)] -= 1
        micros -= before.micros
    at, name = _unpack(counted), entry.record.tenant
    tenant = view.get(TenantRow, tenant_key(TenantRow, name)) or NO_TENANT
    periods = opened_periods(view, name, tenant, at.time)
    more = ExtraRow(tuple(states), micros)  # type: ignore[arg-type]
    add_extra(view, name, tenant, at.scope, periods, more)
