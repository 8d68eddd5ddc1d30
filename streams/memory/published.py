"""What memory.records.v1 shows of a state: one record a memory."""

from collections.abc import Iterator

from streams.core.fold import Output, Reader
from streams.core.ids import derived_id
from streams.memory.forget_rows import rules_of
from streams.memory.members import as_shown
from streams.memory.memories import RECORDS
from streams.memory.record import measured
from streams.memory.rows import MemoryRow, id_of, tenant_of


def published(rows: Reader, mark: str) -> Iterator[Output]:
    """Yield the records of all memories that stand for themselves, as their last change sent them.

    Parameters
    ----------
    mark : str
        Tells these records' ids from those of before.
    """
    for key, row in rows.scan(MemoryRow, MemoryRow.kind):
        if row.consolidated_into is not None:
            continue
        tenant, memory_id = tenant_of(key), id_of(key)
        rules = rules_of(rows, tenant)
        yield Output(
            RECORDS,
            tenant,
            "memory.record",
            derived_id(RECORDS, mark, tenant, memory_id),
            memory_id,
            measured(tenant, memory_id, *as_shown(rows, rules, tenant, memory_id, row))[0],
            f"{tenant}/{memory_id}",
        )
