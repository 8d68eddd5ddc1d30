"""When the members of a consolidated memory are due, all of them together, and whose they are.

A few figures beside the consolidated memory, whatever the tenant's rules are: so nobody has to look
at the members to know that all of them are still there, or when the last of them goes.
"""

from collections.abc import Iterable, Sequence

from msgspec import structs

from streams.core.fold import Rows
from streams.core.time import SECOND
from streams.memory.consolidation_rows import MembersRow, members_key
from streams.memory.forget_rows import RulesRow
from streams.memory.memory_row import MemoryRow
from streams.memory.retention import dated, due_of
from streams.memory.rows import memory_key

Span = tuple[int, int]
"""The earliest and the latest."""


def members_row(rows: Sequence[MemoryRow]) -> MembersRow:
    """Say of members what they say together."""
    kept = [row for row in rows if row.ttl_seconds is not None]
    due = [due for row in kept if (due := due_of(row, None)) is not None]
    bare = [row.timestamp for row in rows if row.ttl_seconds is None]
    return MembersRow(rows[-1].subject, _span(due), _span([r.timestamp for r in kept]), _span(bare))


def joined(one: MembersRow, other: MembersRow) -> MembersRow:
    """Say of members here and there what they say together."""
    return MembersRow(
        other.subject,
        _span([*(one.due or ()), *(other.due or ())]),
        _span([*(one.timed or ()), *(other.timed or ())]),
        _span([*(one.bare or ()), *(other.bare or ())]),
    )


def members_of(rows: Rows, tenant: str, memory_id: str, row: MemoryRow) -> MembersRow:
    """Return what the members of a consolidated memory say together."""
    found = rows.get(MembersRow, members_key(tenant, memory_id))
    if found is None:
        # It was made before these figures were.
        members = [rows.get(MemoryRow, memory_key(tenant, each)) for each in row.sources]
        found = members_row([member for member in members if member is not None] or [row])
    return found


def begins(members: MembersRow) -> int:
    """Event time of the first of them."""
    return min(span[0] for span in (members.timed, members.bare) if span is not None)


def soonest(members: MembersRow, rules: RulesRow | None) -> int | None:
    """No member is due before it, and perhaps none then; None: no member ever is."""
    default, least = _rules(rules)
    found = []
    if members.due is not None and members.timed is not None:
        found.append(max(members.due[0], members.timed[0] + least))
    if members.bare is not None and default is not None:
        found.append(members.bare[0] + max(default, least))
    return min(found, default=None)


def latest(members: MembersRow, rules: RulesRow | None) -> int | None:
    """When the last member is due; None: not all of them ever are."""
    default, least = _rules(rules)
    found = []
    if members.due is not None and members.timed is not None:
        found.append(max(members.due[1], members.timed[1] + least))
    if members.bare is not None:
        if default is None:
            return None
        found.append(members.bare[1] + max(default, least))
    return max(found)


def as_shown(
    rows: Rows, rules: RulesRow | None, tenant: str, memory_id: str, row: MemoryRow
) -> tuple[MemoryRow, int | None]:
    """Return a memory's row with the ttl that it really has, and when all its members are due."""
    if row.consolidated:
        return row, latest(members_of(rows, tenant, memory_id, row), rules)
    return dated(row, rules), None


def shown_now(members: MembersRow, rules: RulesRow | None) -> MembersRow:
    """Note which date a record shows that goes out now."""
    return structs.replace(members, shown=latest(members, rules))


def _span(times: Iterable[int]) -> Span | None:
    found = list(times)
    return (min(found), max(found)) if found else None


def _rules(rules: RulesRow | None) -> tuple[int | None, int]:
    """What counts for members without a ttl, and the least for all; microseconds."""
    if rules is None:
        return None, 0
    default = None if rules.default_ttl is None else rules.default_ttl * SECOND
    return default, (rules.min_ttl or 0) * SECOND
