"""Fold of retention.set, and of the ticks that file the deadlines of what is there anew."""

from typing import Any

from msgspec import structs

from streams.core.fold import Effect, Entry, View
from streams.core.journal import Target, audit
from streams.core.log import RetentionSet
from streams.core.rows import tenant_key
from streams.memory.consolidation_rows import members_key
from streams.memory.deadlines import file, filed, put
from streams.memory.forget_rows import (
    NO_RULES,
    NOTHING_TO_DO,
    ForgetRow,
    RulesRow,
    WorkRow,
    rules_of,
)
from streams.memory.holds import move_subject
from streams.memory.members import members_of, shown_now
from streams.memory.memories import Memories
from streams.memory.memory_row import MemoryRow
from streams.memory.retention import due_of
from streams.memory.rows import id_of, memory_key, tenant_of

LOOKED_AT = 300
"""Memories that a tick looks at."""
EVERYBODY = ""
"""Whose work it is to file what was stored before deadlines were."""


def fold_retention_set(view: View, entry: Entry, body: RetentionSet) -> list[Effect]:
    """Set how long memories are kept: reads obey at once, ticks file the deadlines anew."""
    outputs: list[Effect] = []
    tenant = entry.record.tenant
    rules = rules_of(view, tenant)
    before = rules or NO_RULES
    now = structs.replace(
        before, default_ttl=body.default_ttl_seconds, min_ttl=body.min_ttl_seconds
    )
    if now != before:
        view.put(tenant_key(RulesRow, tenant), now)
        begin_dating(view, tenant)
    details = _shown(now) | {"previous": _shown(before)}
    target = Target("retention", tenant)
    audit(view, entry, outputs, action="retention.set", target=target, details=details)
    return outputs


def _shown(rules: RulesRow) -> dict[str, Any]:
    return {"default_ttl_seconds": rules.default_ttl, "min_ttl_seconds": rules.min_ttl}


def begin_dating(view: View, tenant: str) -> None:
    """Let ticks go through a tenant's memories, from the first one on."""
    key = tenant_key(ForgetRow, tenant)
    row = view.get(ForgetRow, key) or NOTHING_TO_DO
    first = MemoryRow.kind if tenant == EVERYBODY else tenant_key(MemoryRow, tenant)
    view.put(key, structs.replace(row, dating=first))
    view.put(tenant_key(WorkRow, tenant), WorkRow())


def begin_with_the_old(view: View) -> None:
    """Once in a state's life: file what was stored before deadlines were."""
    if view.get(ForgetRow, tenant_key(ForgetRow, EVERYBODY)) is None:
        begin_dating(view, EVERYBODY)


def date(
    view: View, entry: Entry, outputs: list[Effect], tenant: str, start: bytes, at_most: int
) -> tuple[bytes | None, int]:
    """File deadlines anew, and send the records that show another one; at most so many.

    Returns
    -------
    next, count
        Where to go on, None at the end; how many memories were changed.
    """
    prefix = MemoryRow.kind if tenant == EVERYBODY else tenant_key(MemoryRow, tenant)
    found: list[tuple[bytes, MemoryRow]] = []
    after = None
    for key, row in view.scan(MemoryRow, prefix, start=start):
        if len(found) == LOOKED_AT:
            after = key
            break
        found.append((key, row))
    changed = 0
    for key, row in found:
        if changed >= at_most:
            return key, changed
        changed += _date_one(view, entry, outputs, tenant, key, row)
    return after, changed


def _date_one(
    view: View, entry: Entry, outputs: list[Effect], tenant: str, key: bytes, row: MemoryRow
) -> bool:
    owner, memory_id = tenant_of(key), id_of(key)
    rules = rules_of(view, owner)
    if tenant == EVERYBODY:
        due = filed(view, owner, memory_id, row, rules)
        if due is not None:
            put(view, due, memory_key(owner, memory_id))
        move_subject(view, owner, memory_id, None, row)
        return due is not None or row.subject is not None
    if row.consolidated:
        members = members_of(view, owner, memory_id, row)
        now = shown_now(members, rules)
        if now == members:
            return False
        view.put(members_key(owner, memory_id), now)
    elif filed(view, owner, memory_id, row, rules) == due_of(row, rules):
        return False
    file_anew(Memories(view, entry, outputs, owner), view, owner, memory_id, row)
    return True


def file_anew(memories: Memories, view: View, tenant: str, memory_id: str, row: MemoryRow) -> None:
    """File a memory's deadline where it belongs now, and send the record that shows it."""
    if row.consolidated_into is None:
        memories.put(memory_id, row, row)
    else:
        # What is archived has no record of its own.
        file(view, tenant, memory_id, row, row, rules_of(view, tenant))
