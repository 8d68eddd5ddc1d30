"""Rows of keeping and forgetting, a kind each. (The letters of other kinds are used up.)"""

from typing import ClassVar

from streams.core.fold import Rows
from streams.core.rows import Row, sortable, tenant_key


class RulesRow(Row, frozen=True, array_like=True, gc=False):
    """What a tenant has said about keeping and forgetting; there is none until it says anything.

    Whoever reads or writes a memory asks for this row first: most tenants have none.
    """

    kind: ClassVar[bytes] = b"4/"

    default_ttl: int | None = None
    """Seconds, for memories without a ttl of their own."""
    min_ttl: int | None = None
    """Seconds to which a shorter ttl is raised."""
    holds: int = 0
    """How many subjects and memory ids are on hold."""
    fences: int = 0
    """How many subjects and memory ids were erased, one more if all was."""


class DeadlineRow(Row, frozen=True, array_like=True, gc=False):
    """A memory is due; the key holds the event time from which, and the memory's key."""

    kind: ClassVar[bytes] = b"5/"


class DateRow(Row, frozen=True, array_like=True, gc=False):
    """Under which deadline a memory is filed, where its own ttl does not say it."""

    kind: ClassVar[bytes] = b"5+"

    due: int | None
    """None: under none."""


class ForgetRow(Row, frozen=True, array_like=True):
    """What of a tenant's forgetting is still to be done; there is none while all is."""

    kind: ClassVar[bytes] = b"8/"

    dating: bytes | None = None
    """From which memory on deadlines are to be filed anew; None: all are."""


class WorkRow(Row, frozen=True, array_like=True, gc=False):
    """A tenant has forgetting to do that a tick can go on with."""

    kind: ClassVar[bytes] = b"8+"


NO_RULES = RulesRow()
NOTHING_TO_DO = ForgetRow()
ROWS: tuple[type[Row], ...] = (RulesRow, DeadlineRow, DateRow, ForgetRow, WorkRow)


def rules_of(rows: Rows, tenant: str) -> RulesRow | None:
    """Return what a tenant has said about keeping and forgetting, if anything."""
    return rows.get(RulesRow, tenant_key(RulesRow, tenant))


def deadline_key(due: int, memory: bytes) -> bytes:
    """Where the deadline of the memory with this key lies; the earliest come first."""
    return DeadlineRow.kind + sortable(due) + memory


def of_deadline(key: bytes) -> tuple[int, bytes]:
    """When it is due, and the memory's key."""
    at = len(DeadlineRow.kind)
    return int.from_bytes(key[at : at + 8], "big") - (1 << 63), key[at + 8 :]


def date_key(tenant: str, memory_id: str) -> bytes:
    """Key of the deadline under which a memory is filed."""
    return tenant_key(DateRow, tenant, memory_id.encode())
