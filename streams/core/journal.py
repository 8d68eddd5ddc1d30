"""Alerts and audit records: each goes out and stays here for 30 days of log time.

The topics keep them longer; these rows answer ``GET .../alerts`` and ``GET .../audit``.
"""

from collections.abc import Iterator
from typing import Any, ClassVar, TypeVar

import msgspec

from streams.core.fold import Effect, Entry, Output, Reader, View
from streams.core.ids import derived_id, event_hash
from streams.core.rows import Row, sortable, tenant_key
from streams.core.sweep import SweepRow, drop_old
from streams.core.time import DAY, format_time

ALERTS = "budget.alerts.v1"
AUDIT = "tenant.audit.v1"
KEPT = 30 * DAY
SERVICE = "/agent-streams"
"""Who did what no sender asked for."""

R = TypeVar("R", bound=Row)
_json = msgspec.json.Encoder().encode


class AlertRow(Row, frozen=True, array_like=True):
    """An alert as it went out."""

    kind: ClassVar[bytes] = b"a/"

    type: str
    data: bytes


class AuditRow(Row, frozen=True, array_like=True):
    """An audit record as it went out; ``source`` and ``id`` name the command, if it was one."""

    kind: ClassVar[bytes] = b"h/"

    type: str
    data: bytes
    source: str = ""
    id: str = ""


class AuditOfRow(Row, frozen=True, array_like=True):
    """Key of the audit record of one command, under the command's hash."""

    kind: ClassVar[bytes] = b"i/"

    key: bytes


ROWS: tuple[type[Row], ...] = (AlertRow, AuditRow, AuditOfRow, SweepRow)


class Cause(msgspec.Struct, frozen=True):
    """The input that an alert came from."""

    source: str
    id: str


class Target(msgspec.Struct, frozen=True):
    kind: str
    id: str


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """Data of a record of tenant.audit.v1; never holds contents."""

    action: str
    tenant: str
    at: str
    actor: str
    target: Target
    outcome: str
    """done | rejected | deferred"""
    error: str | None
    details: dict[str, Any]


def alert(
    view: View, entry: Entry, outputs: list[Effect], *, alert_id: str, subject: str, data: Any
) -> None:
    """Send an alert; ``data`` is a struct with fields ``type`` and ``tenant``."""
    tenant: str = data.tenant
    key = _key(view, entry, outputs, AlertRow, tenant)
    body = _json(data)
    view.put(key, AlertRow(data.type, body))
    outputs.append(Output(ALERTS, tenant, data.type, alert_id, subject, body))


def audit(
    view: View,
    entry: Entry,
    outputs: list[Effect],
    *,
    action: str,
    target: Target,
    details: dict[str, Any],
    error: str | None = None,
    command: bool = True,
    tenant: str | None = None,
    outcome: str | None = None,
) -> None:
    """Send an audit record; that of a command can be found by the command's source and id.

    ``tenant`` is given where the record is nobody's, as a tick is; ``outcome`` where it is neither
    done nor rejected.
    """
    record = entry.record
    tenant = tenant or record.tenant
    index = len(outputs)
    key = _key(view, entry, outputs, AuditRow, tenant)
    data = Audit(
        action=action,
        tenant=tenant,
        at=format_time(entry.timestamp),
        actor=record.source or SERVICE,
        target=target,
        outcome=outcome or ("rejected" if error else "done"),
        error=error,
        details=details,
    )
    body = _json(data)
    if command:
        view.put(key, AuditRow(action, body, record.source, record.id))
        view.put(_command_key(tenant, record.source, record.id), AuditOfRow(key))
    else:
        view.put(key, AuditRow(action, body))
    # The append time tells two logs apart where a topic was made anew and offsets began again.
    place = (str(entry.partition), str(entry.offset), str(entry.timestamp), str(index))
    outputs.append(Output(AUDIT, tenant, action, derived_id(AUDIT, *place), target.id, body))


def of_command(reader: Reader, tenant: str, source: str, event_id: str) -> AuditRow | None:
    """Audit record of a command, once it is folded."""
    pointer = reader.get(AuditOfRow, _command_key(tenant, source, event_id))
    return None if pointer is None else reader.get(AuditRow, pointer.key)


def newest_first(
    reader: Reader, kind: type[R], tenant: str, *, before: bytes | None, log_time: int
) -> Iterator[tuple[bytes, R]]:
    """Yield the entries that are still kept, from just below ``before``."""
    prefix = tenant_key(kind, tenant)
    oldest = prefix + sortable(log_time - KEPT)
    for key, row in reader.scan(kind, prefix, reverse=True, start=before):
        if key < oldest:
            return
        if key != before:
            yield key, row


def _key(view: View, entry: Entry, outputs: list[Effect], kind: type[Row], tenant: str) -> bytes:
    if not outputs:
        _drop_old(view, tenant, entry.log_time)
    place = sortable(entry.timestamp) + sortable(entry.offset) + len(outputs).to_bytes(4, "big")
    return tenant_key(kind, tenant, place)


def _drop_old(view: View, tenant: str, log_time: int) -> None:
    oldest = sortable(log_time - KEPT)
    prefix = tenant_key(AlertRow, tenant)
    drop_old(view, AlertRow, prefix, log_time, lambda key, _: key < prefix + oldest)
    audits = tenant_key(AuditRow, tenant)
    for row in drop_old(view, AuditRow, audits, log_time, lambda key, _: key < audits + oldest):
        if row.id:
            key = _command_key(tenant, row.source, row.id)
            pointer = view.get(AuditOfRow, key)
            # The same command may have come again, after the window of deduplication.
            if pointer is not None and view.get(AuditRow, pointer.key) is None:
                view.delete(key)


def _command_key(tenant: str, source: str, event_id: str) -> bytes:
    return tenant_key(AuditOfRow, tenant, event_hash(tenant, source, event_id))
