"""What is on hold stays, whatever else would remove it: erase, ttl and pressure pass it over."""

from streams.core.fold import Rows, View
from streams.memory.consolidation_rows import MembersRow, members_key
from streams.memory.forget_rows import (
    ID,
    SUBJECT,
    HoldRow,
    RulesRow,
    SubjectRow,
    hold_key,
    subject_prefix,
)
from streams.memory.memory_row import MemoryRow

_ROW = SubjectRow()


def held(rows: Rows, rules: RulesRow | None, tenant: str, memory_id: str, row: MemoryRow) -> bool:
    """Whether a memory is on hold, by its id or its subject, or with what it is a part of."""
    if rules is None or not rules.holds:
        return False
    if on_hold(rows, rules, tenant, memory_id, row.subject):
        return True
    if row.consolidated:
        # A correction may have given it another subject than its members have.
        members = rows.get(MembersRow, members_key(tenant, memory_id))
        subject = None if members is None else members.subject
        if subject and _on_hold(rows, tenant, SUBJECT, subject):
            return True
    whole = () if row.consolidated_into is None else (row.consolidated_into,)
    return any(_on_hold(rows, tenant, ID, each) for each in (*row.sources, *whole))


def on_hold(
    rows: Rows, rules: RulesRow | None, tenant: str, memory_id: str, subject: str | None
) -> bool:
    """Whether this id or this subject is on hold."""
    if rules is None or not rules.holds:
        return False
    if subject and _on_hold(rows, tenant, SUBJECT, subject):
        return True
    return _on_hold(rows, tenant, ID, memory_id)


def _on_hold(rows: Rows, tenant: str, what: bytes, name: str) -> bool:
    return rows.get(HoldRow, hold_key(tenant, what, name)) is not None


def move_subject(
    view: View, tenant: str, memory_id: str, before: MemoryRow | None, now: MemoryRow | None
) -> None:
    """Keep a memory among those of its subject."""
    old = None if before is None else before.subject
    new = None if now is None else now.subject
    if old == new:
        return
    for subject in (old, new):
        if subject:
            key = subject_prefix(tenant, subject) + memory_id.encode()
            if subject == new:
                view.put(key, _ROW)
            else:
                view.delete(key)
