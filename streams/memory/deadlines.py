"""Deadlines of memories, filed in the order in which they come.

A memory's own ttl says where its deadline lies. Where the tenant's rules, or a hold, put it
somewhere else, a row beside it says where, so that it is found again whatever the rules are then.
"""

from streams.core.fold import View
from streams.core.sweep import SweepRow
from streams.memory.forget_rows import (
    DateRow,
    DeadlineRow,
    RulesRow,
    date_key,
    deadline_key,
)
from streams.memory.memory_row import MemoryRow
from streams.memory.retention import due_of
from streams.memory.rows import memory_key

SWEPT = SweepRow.kind + DeadlineRow.kind
"""Holds a deadline below which no memory is filed."""
_ROW = DeadlineRow()


def file(
    view: View,
    tenant: str,
    memory_id: str,
    before: MemoryRow | None,
    now: MemoryRow | None,
    rules: RulesRow | None,
) -> None:
    """File a memory's deadline in the place of the one that it had; None: it is not there."""
    due = None if now is None else due_of(now, rules)
    move(view, tenant, memory_id, before, now, due, rules)


def filed(
    view: View, tenant: str, memory_id: str, row: MemoryRow | None, rules: RulesRow | None
) -> int | None:
    """Return the deadline under which a memory is filed; None: under none."""
    if row is None:
        return None
    if rules is not None:
        noted = view.get(DateRow, date_key(tenant, memory_id))
        if noted is not None:
            return noted.due
    return due_of(row, None)


def move(
    view: View,
    tenant: str,
    memory_id: str,
    before: MemoryRow | None,
    now: MemoryRow | None,
    due: int | None,
    rules: RulesRow | None,
) -> None:
    """File a memory under a deadline, whatever it should be; None: under none."""
    old = filed(view, tenant, memory_id, before, rules)
    if old != due:
        key = memory_key(tenant, memory_id)
        if old is not None:
            view.delete(deadline_key(old, key))
        if due is not None:
            put(view, due, key)
    if rules is None:
        return
    key = date_key(tenant, memory_id)
    if now is not None and due != due_of(now, None):
        view.put(key, DateRow(due))
    elif before is not None and view.get(DateRow, key) is not None:
        view.delete(key)


def put(view: View, due: int, memory: bytes) -> None:
    """Write a deadline of the memory with this key."""
    swept = view.get(SweepRow, SWEPT)
    if swept is not None and due < swept.due:
        view.put(SWEPT, SweepRow(due))
    view.put(deadline_key(due, memory), _ROW)
