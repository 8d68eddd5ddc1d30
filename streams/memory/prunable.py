"""A tenant's memories in the order in which pressure removes them, the least valuable first.

That order is (priority class, fading use per byte, id). CRITICAL memories are not among them. One
row for each holds what it is worth as a key; the tenant's row of bytes says below what no key lies,
so that a look for the next one never walks over the keys of all that went before.
"""

from collections.abc import Iterator

from streams.core.fold import Reader, View
from streams.memory.bytes import bytes_of
from streams.memory.document import CRITICAL
from streams.memory.forget_rows import RulesRow, rules_of
from streams.memory.holds import held
from streams.memory.rows import (
    MemoryRow,
    PrunableRow,
    id_of_worth,
    memory_key,
    prunable_prefix,
    worth_per_byte,
)

_LONGER = len("long_term") - len("working")
_ROW = PrunableRow()


def place(row: MemoryRow | None, memory_id: str) -> bytes | None:
    """What a memory is worth among those that may be pruned; None: it is never removed."""
    if row is None or row.priority == CRITICAL or row.consolidated_into is not None:
        return None
    # As if it were a long-term one: so its place stays when it leaves working memory.
    size = row.size + _LONGER * row.working
    return worth_per_byte(row.priority, row.use, size, memory_id)


def move(view: View, tenant: str, before: bytes | None, now: bytes | None) -> None:
    """Put a memory at another place; None: at none."""
    if before != now:
        prefix = prunable_prefix(tenant)
        if before is not None:
            view.delete(prefix + before)
        if now is not None:
            view.put(prefix + now, _ROW)


def least_first(reader: Reader, tenant: str, below: bytes | None = None) -> Iterator[bytes]:
    """Yield what memories are worth, of those that are worth less than ``below``.

    Without it, all of them. Nothing may be changed meanwhile.
    """
    prefix = prunable_prefix(tenant)
    rules = rules_of(reader, tenant)
    start = prefix + (bytes_of(reader, tenant).least or b"")
    for key, _ in reader.scan(PrunableRow, prefix, start=start):
        worth = key[len(prefix) :]
        if below is not None and worth >= below:
            return
        # What came on hold may not have been taken out yet.
        if rules is None or not rules.holds or not _held(reader, rules, tenant, worth):
            yield worth


def _held(reader: Reader, rules: RulesRow, tenant: str, worth: bytes) -> bool:
    memory_id = id_of_worth(worth)
    row = reader.get(MemoryRow, memory_key(tenant, memory_id))
    # A consolidated memory goes with all its members.
    return row is not None and any(
        held(reader, rules, tenant, each, row) for each in (memory_id, *row.sources)
    )
