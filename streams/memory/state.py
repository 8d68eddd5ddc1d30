"""Folds of an agent's own state: keys with a value and a version, set, deleted and expired.

A version is never used twice: what is left of a deleted or expired key keeps it for 30 days of log
time, so that a writer who still holds an old version is told of the conflict. Each value counts
toward its tenant's bytes: the UTF-8 length of its key and of its compact JSON.
"""

from typing import Any

from msgspec import structs

from streams.core.fold import Effect, Entry, View
from streams.core.journal import Target, audit
from streams.core.log import StateDelete, StateSet
from streams.core.sweep import SweepRow
from streams.core.time import DAY, SECOND, format_time
from streams.memory.bytes import add_bytes
from streams.memory.pressure import for_state, prune
from streams.memory.quota_alerts import check_quota
from streams.memory.refuse import QUOTA_EXCEEDED, refuse_state
from streams.memory.rows import (
    DueRow,
    StateRow,
    ValueRow,
    due_key,
    row_of_due,
    state_key,
    tenant_of,
    value_key,
)

KEPT = 30 * DAY
"""How long what is left of a key keeps its version."""
AT_ONCE = 50
"""Rows that one tick may expire; a tick has other work too, and all of it is bounded."""
WITH_ONE = 2
"""Rows that expire with a record that adds one with a due time: more go than come."""
_SWEPT = SweepRow.kind + DueRow.kind
"""Holds the due time that was swept last."""


def fold_state_set(view: View, entry: Entry, body: StateSet) -> list[Effect]:
    """Set a key, unless its version is not the one that was asked for."""
    outputs: list[Effect] = []
    tenant = entry.record.tenant
    place = state_key(tenant, body.agent, body.key)
    stored = view.get(StateRow, place)
    before = as_of(stored, entry.log_time)
    version = 0 if before is None or before.deleted else before.number
    details: dict[str, Any] = {"agent": body.agent, "key": body.key}
    error = None
    size = len(body.key.encode()) + len(body.value)
    way = None
    if body.if_version is not None and body.if_version != version:
        error = "conflict"
        details |= _conflict(version, body.if_version)
    elif (way := for_state(view, entry, tenant, size - _size(stored), size)) is None:
        error = QUOTA_EXCEEDED
        details["detail"] = refuse_state(entry, outputs, body)
    else:
        prune(view, entry, outputs, tenant, way.going, "write")
        number = 1 if before is None else before.number + 1
        ttl = body.ttl_seconds
        due = None if ttl is None else entry.log_time + ttl * SECOND
        _replace(view, entry, place, stored, StateRow(number, entry.timestamp, size, due))
        view.put(value_key(place), ValueRow(body.value))
        expires_at = None if due is None else format_time(due)
        details |= {"version": number, "bytes": len(body.value), "expires_at": expires_at}
        if due is not None:
            expire(view, entry, WITH_ONE)
    target = _target(body)
    audit(view, entry, outputs, action="state.set", target=target, details=details, error=error)
    if error != "conflict":
        check_quota(view, entry, outputs, tenant, full=way is None or way.full)
    return outputs


def fold_state_delete(view: View, entry: Entry, body: StateDelete) -> list[Effect]:
    """Remove a key; what is left of it keeps its version."""
    outputs: list[Effect] = []
    place = state_key(entry.record.tenant, body.agent, body.key)
    stored = view.get(StateRow, place)
    before = as_of(stored, entry.log_time)
    details: dict[str, Any] = {"agent": body.agent, "key": body.key}
    error = None
    if before is None or before.deleted:
        error = "not_found"
    elif body.if_version is not None and body.if_version != before.number:
        error = "conflict"
        details |= _conflict(before.number, body.if_version)
    else:
        details["version"] = before.number
        _replace(view, entry, place, stored, _remains(before, entry.log_time))
        expire(view, entry, WITH_ONE)
    target = _target(body)
    audit(view, entry, outputs, action="state.deleted", target=target, details=details, error=error)
    return outputs


def as_of(row: StateRow | None, log_time: int) -> StateRow | None:
    """Return what a stored row is at a log time, whether or not it was swept already."""
    if row is not None and row.due is not None and row.due <= log_time:
        return None if row.deleted else as_of(_remains(row, row.due), log_time)
    return row


def expire(view: View, entry: Entry, at_most: int = AT_ONCE) -> None:
    """Take away what is due, the earliest first, at most so many rows.

    A due time lies after the log time at which it is written. So nothing new ever comes before what
    was found last, and looking begins there: not at all that was removed before it.
    """
    log_time = entry.log_time
    due: list[bytes] = []
    swept = view.get(SweepRow, _SWEPT)
    start = None if swept is None else due_key(swept.due, b"")
    end = due_key(log_time + 1, b"")
    for key, _ in view.scan(DueRow, DueRow.kind, start=start):
        if key >= end or len(due) == at_most:
            break
        due.append(key)
    last = None
    for place in map(row_of_due, due):
        row = view.get(StateRow, place)
        if row is not None and row.due is not None:
            last = row.due
            _replace(view, entry, place, row, as_of(row, log_time))
    if last is not None:
        view.put(_SWEPT, SweepRow(last))


def remove_state(view: View, entry: Entry, place: bytes, row: StateRow, *, whole: bool) -> None:
    """Remove a key's value, or all that is left of the key too."""
    _replace(view, entry, place, row, None if whole else _remains(row, entry.log_time))


def _conflict(version: int, wanted: int) -> dict[str, Any]:
    there = f"version {version}" if version else "no value"
    detail = f"there is {there}, and if_version is {wanted}"
    return {"version": version, "if_version": wanted, "detail": detail}


def _remains(row: StateRow, since: int) -> StateRow:
    return structs.replace(row, size=0, due=since + KEPT, deleted=True)


def _replace(
    view: View, entry: Entry, place: bytes, before: StateRow | None, now: StateRow | None
) -> None:
    """Put a row in the place of another, with its due time and its bytes."""
    if before is not None and before.due is not None:
        view.delete(due_key(before.due, place))
    if before is not None and not before.deleted and (now is None or now.deleted):
        view.delete(value_key(place))
    if now is None:
        view.delete(place)
    else:
        view.put(place, now)
        if now.due is not None:
            view.put(due_key(now.due, place), DueRow())
    add_bytes(view, entry, tenant_of(place), _size(now) - _size(before))


def _size(row: StateRow | None) -> int:
    return 0 if row is None else row.size


def _target(body: StateSet | StateDelete) -> Target:
    return Target("state", f"{body.agent}/{body.key}")
