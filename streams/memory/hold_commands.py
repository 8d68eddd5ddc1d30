"""Folds of hold.set and hold.release, and of the ticks that settle what they are about."""

from itertools import islice
from typing import Any

from msgspec import structs

from streams.core.fold import Effect, Entry, View
from streams.core.journal import Target, audit
from streams.core.log import HoldRelease, HoldSet
from streams.core.rows import tenant_key
from streams.memory import consolidation_rows
from streams.memory.bytes import add_bytes
from streams.memory.deadlines import file
from streams.memory.forget_rows import (
    ID,
    NO_RULES,
    NOTHING_TO_DO,
    SUBJECT,
    Erasure,
    ForgetRow,
    HoldRow,
    RulesRow,
    SubjectRow,
    WorkRow,
    hold_key,
    rules_of,
    subject_prefix,
)
from streams.memory.holds import held
from streams.memory.memory_row import MemoryRow
from streams.memory.prunable import move, place
from streams.memory.retention import due_of
from streams.memory.rows import memory_key

AT_ONCE = 100
"""Memories of a subject that one tick settles."""


def fold_hold_set(view: View, entry: Entry, body: HoldSet) -> list[Effect]:
    """Put a subject or memories on hold, those too that are not there yet."""
    tenant = entry.record.tenant
    keys = _keys(tenant, body)
    new = [key for key in keys if view.get(HoldRow, key) is None]
    for key in new:
        view.put(key, HoldRow())
    _count(view, tenant, len(new))
    if new:
        _settle(view, entry, body)
    return _told(view, entry, body, "hold.set", {"new": len(new)}, None)


def fold_hold_release(view: View, entry: Entry, body: HoldRelease) -> list[Effect]:
    """Let go of what is on hold: what was erased or due meanwhile goes."""
    tenant = entry.record.tenant
    old = [key for key in _keys(tenant, body) if view.get(HoldRow, key) is not None]
    for key in old:
        view.delete(key)
    _count(view, tenant, -len(old))
    if old:
        _settle(view, entry, body)
        begin_again(view, tenant)
    error = None if old else "not_found"
    return _told(view, entry, body, "hold.released", {"released": len(old)}, error)


def settle_subject(
    view: View, entry: Entry, tenant: str, subject: str, start: bytes
) -> tuple[bytes | None, int]:
    """Settle memories of a subject whose hold has changed.

    Returns
    -------
    next, count
        Where to go on, None at the end; how many were settled.
    """
    prefix = subject_prefix(tenant, subject)
    found = [
        key for key, _ in islice(view.scan(SubjectRow, prefix, start=start or prefix), AT_ONCE + 1)
    ]
    theirs = [key[len(prefix) :].decode() for key in found[:AT_ONCE]]
    rows = (view.get(MemoryRow, memory_key(tenant, each)) for each in theirs)
    # A correction may have given what they are a part of another subject.
    wholes = [row.consolidated_into for row in rows if row is not None and row.consolidated_into]
    for memory_id in dict.fromkeys([*theirs, *wholes]):
        settle_one(view, entry, tenant, memory_id)
    return (found[AT_ONCE] if len(found) > AT_ONCE else None), min(len(found), AT_ONCE)


def _settle(view: View, entry: Entry, body: HoldSet | HoldRelease) -> None:
    tenant = entry.record.tenant
    if body.subject is None:
        found = {each: view.get(MemoryRow, memory_key(tenant, each)) for each in body.memory_ids}
        # What a member is on hold for, what it is a part of is on hold for too.
        wholes = [each.consolidated_into for each in found.values() if each is not None]
        for memory_id in dict.fromkeys([*found, *(each for each in wholes if each is not None)]):
            settle_one(view, entry, tenant, memory_id)
        for memory_id, memory in found.items():
            if memory is not None and memory.consolidated and isinstance(body, HoldRelease):
                # Its members were on hold with it: there may be many that came due meanwhile.
                task = consolidation_rows.WorkRow("free", entry.log_time, members=memory.sources)
                view.put(consolidation_rows.work_key(tenant, f"free {memory_id}"), task)
        return
    key = tenant_key(ForgetRow, tenant)
    row = view.get(ForgetRow, key) or NOTHING_TO_DO
    others = tuple(each for each in row.subjects if each[0] != body.subject)
    view.put(key, structs.replace(row, subjects=(*others, (body.subject, b""))))
    view.put(tenant_key(WorkRow, tenant), WorkRow())


def settle_one(view: View, entry: Entry, tenant: str, memory_id: str) -> None:
    """Take a memory from those that pressure may remove, or put it there again."""
    row = view.get(MemoryRow, memory_key(tenant, memory_id))
    if row is None:
        return
    rules = rules_of(view, tenant)
    worth = None if row.consolidated_into is not None else place(row, memory_id)
    if held(view, rules, tenant, memory_id, row):
        move(view, tenant, worth, None)
        return
    move(view, tenant, None, worth)
    add_bytes(view, entry, tenant, 0, least=worth)
    due = due_of(row, rules)
    if due is not None and due <= entry.log_time:
        # What came due meanwhile is filed nowhere. All else is left to dating, which sends records.
        file(view, tenant, memory_id, row, row, rules)


def begin_again(view: View, tenant: str) -> None:
    """Let erasures that waited go through everything once more."""
    key = tenant_key(ForgetRow, tenant)
    row = view.get(ForgetRow, key)
    if row is None or not row.erasures:
        return
    again = tuple(_anew(each) for each in row.erasures)
    view.put(key, structs.replace(row, erasures=again))
    view.put(tenant_key(WorkRow, tenant), WorkRow())


def _anew(erasure: Erasure) -> Erasure:
    return structs.replace(erasure, phase=0, cursor=b"", deferred=0)


def _keys(tenant: str, body: HoldSet | HoldRelease) -> list[bytes]:
    if body.subject is not None:
        return [hold_key(tenant, SUBJECT, body.subject)]
    return [hold_key(tenant, ID, each) for each in dict.fromkeys(body.memory_ids)]


def _count(view: View, tenant: str, change: int) -> None:
    if change:
        rules: RulesRow = rules_of(view, tenant) or NO_RULES
        view.put(tenant_key(RulesRow, tenant), structs.replace(rules, holds=rules.holds + change))


def _told(
    view: View,
    entry: Entry,
    body: HoldSet | HoldRelease,
    action: str,
    details: dict[str, Any],
    error: str | None,
) -> list[Effect]:
    outputs: list[Effect] = []
    target = target_of(entry.record.tenant, body.subject, body.memory_ids)
    about: dict[str, Any] = {"subject": body.subject}
    if body.subject is None:
        about = {"memory_ids": list(body.memory_ids)}
    audit(
        view,
        entry,
        outputs,
        action=action,
        target=target,
        details=about | details,
        error=error,
    )
    return outputs


def target_of(tenant: str, subject: str | None, memory_ids: tuple[str, ...]) -> Target:
    """What a command is about: a subject, a memory, several, or all of a tenant."""
    if subject is not None:
        return Target("subject", subject)
    if len(memory_ids) == 1:
        return Target("memory", memory_ids[0])
    return Target("memories", str(len(memory_ids))) if memory_ids else Target("tenant", tenant)
