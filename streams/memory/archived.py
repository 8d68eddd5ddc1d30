"""Members of consolidated memories, read: their texts lie with what was made of them."""

from msgspec import structs

from streams.core.fold import Rows
from streams.memory.consolidation_rows import ConsolidatedRow, consolidated_key
from streams.memory.grouping import texts_of
from streams.memory.memory_row import MemoryRow


def made_of(rows: Rows, tenant: str, memory_id: str) -> ConsolidatedRow | None:
    """Return what a consolidated memory was made of."""
    return rows.get(ConsolidatedRow, consolidated_key(tenant, memory_id))


def texts(made: ConsolidatedRow) -> dict[str, str]:
    """Text of each member, in their order."""
    return {member[-1]: text for member, text in zip(made.members, texts_of(made), strict=True)}


def whole(rows: Rows, tenant: str, memory_id: str, row: MemoryRow) -> MemoryRow | None:
    """A memory's row with its text; None: its consolidated memory is gone, and so is it."""
    if row.consolidated_into is None:
        return row
    made = made_of(rows, tenant, row.consolidated_into)
    text = None if made is None else texts(made).get(memory_id)
    return None if text is None else structs.replace(row, text=text)
