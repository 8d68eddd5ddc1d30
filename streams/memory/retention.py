"""How long a memory is kept: its own ttl, or the tenant's default, and no less than its least."""

from msgspec import structs

from streams.core.time import SECOND
from streams.memory.forget_rows import RulesRow
from streams.memory.memory_row import MemoryRow


def ttl_of(row: MemoryRow, rules: RulesRow | None) -> int | None:
    """Seconds for which a memory is kept; None: until something else removes it.

    A consolidated memory is kept as long as its members are.
    """
    if row.consolidated or rules is None:
        return None if row.consolidated else row.ttl_seconds
    ttl = rules.default_ttl if row.ttl_seconds is None else row.ttl_seconds
    return None if ttl is None else max(ttl, rules.min_ttl or 0)


def due_of(row: MemoryRow, rules: RulesRow | None) -> int | None:
    """Time from which a memory is due; None: never."""
    ttl = ttl_of(row, rules)
    return None if ttl is None else row.timestamp + ttl * SECOND


def is_due(row: MemoryRow, rules: RulesRow | None, log_time: int) -> bool:
    """Whether a memory's deadline has come."""
    due = due_of(row, rules)
    return due is not None and due <= log_time


def dated(row: MemoryRow, rules: RulesRow | None) -> MemoryRow:
    """Return the row as it is shown: with the ttl that it really has."""
    if rules is None or row.consolidated:
        return row
    ttl = ttl_of(row, rules)
    return row if ttl == row.ttl_seconds else structs.replace(row, ttl_seconds=ttl)
