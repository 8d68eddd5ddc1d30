"""A consolidated memory made anew of those of its members that stay: rows in, rows out.

Ticks write what comes of it. Readers show it from the moment on at which a member is gone.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from msgspec import structs

from streams.core.fold import Rows
from streams.memory import links
from streams.memory.archived import made_of, texts
from streams.memory.consolidation_rows import ConsolidatedRow, MembersRow
from streams.memory.forget_rows import rules_of
from streams.memory.grouping import Values, line, packed, values_of
from streams.memory.mean import mean_vector
from streams.memory.members import members_row
from streams.memory.memory_row import MemoryRow
from streams.memory.record import measured
from streams.memory.retention import dated
from streams.memory.rows import VectorRow, memory_key
from streams.memory.summary import Member, summary


class Remade(NamedTuple):
    """A consolidated memory of the members that stay."""

    row: MemoryRow
    """With the use, the tier and the revision that it had, and without its links."""
    made: ConsolidatedRow
    members: MembersRow
    vector: VectorRow | None


def without(
    rows: Rows, tenant: str, memory_id: str, before: MemoryRow, gone: Collection[str]
) -> Remade | None:
    """Make a consolidated memory of its members but those that are gone; None: none is left."""
    old = made_of(rows, tenant, memory_id)
    if old is None:
        return None
    found = members(rows, tenant, old)
    if all(each.id in gone for each in found):
        return None
    return remade(rows, tenant, before, old, found, gone)


def remade(
    rows: Rows,
    tenant: str,
    before: MemoryRow,
    old: ConsolidatedRow,
    found: Sequence[Member],
    gone: Collection[str],
) -> Remade:
    """Make a consolidated memory of those whom it has found but those that are gone."""
    staying = [each for each in found if each.id not in gone]
    rules = rules_of(rows, tenant)
    counted = sum(each.row.access_count for each in found if each.id in gone)
    pairs = zip(old.members, values_of(old), strict=True)
    kept = {each.id for each in staying}
    made = made_row(
        old.template,
        [pair for pair in pairs if pair[0][-1] in kept],
        old.alike,
        sum(measured(tenant, each.id, dated(each.row, rules))[1] for each in staying),
        sum(each.row.vector_bytes for each in staying),
    )
    vector = mean_vector(rows, tenant, [each.id for each in staying])
    bare = [links.bare(rows, tenant, each.id, each.row) for each in staying]
    now = summary(line(made), made.members, bare, vector)
    now = structs.replace(
        now,
        use=before.use,
        working=before.working,
        revision=before.revision,
        access_count=max(0, before.access_count - counted),
        last_accessed=before.last_accessed,
    )
    return Remade(now, made, members_row([each.row for each in staying]), vector)


def members(rows: Rows, tenant: str, made: ConsolidatedRow) -> list[Member]:
    """Members of a consolidated memory as memories of their own, those that are there."""
    found = []
    for memory_id, text in texts(made).items():
        row = rows.get(MemoryRow, memory_key(tenant, memory_id))
        if row is not None:
            now = structs.replace(row, text=text, consolidated_into=None)
            found.append(Member(memory_id, now))
    return found


def made_row(
    template: bytes,
    found: Sequence[tuple[tuple[int, int, str], Values]],
    common: bytes,
    bytes_before: int,
    vectors: int,
) -> ConsolidatedRow:
    """What is made of members with these values and so many bytes of vectors."""
    rule, columns = packed([values for _, values in found])
    ids = tuple(member for member, _ in found)
    held = len(columns) + vectors
    return ConsolidatedRow(rule, template, columns, ids, bytes_before, held, common)
