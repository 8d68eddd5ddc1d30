"""Rows of the control partition, a kind each. Fields are only ever added at the end."""

from typing import ClassVar

from streams.core.fold import Rows
from streams.core.memory_shares import MIB, allocatable_mb, reserve_mb
from streams.core.rows import Row, sortable


class ControlRow(Row, frozen=True, array_like=True):
    """What there is to share out, and how much of it is."""

    kind: ClassVar[bytes] = b"G/"

    epoch: int
    """Offset at which these rows began."""
    total_mb: int
    partitions: int
    """Of the tenant log."""
    dedupe_hours: int
    complete: bool = False
    """Every partition has said what it holds: before that nothing is given."""
    allocated_mb: int = 0
    """Sum of all quotas."""
    pool_leased: int = 0
    """Bytes that partitions hold, or may hold, of the unallocated pool."""
    pool_recalled: int = 0
    """How much of it they were told to give back, and have not yet."""
    reserve_leased: int = 0
    waiting: int = 0
    """Number of quota.set records that came before all partitions had spoken."""
    idle_recalled_at: int | None = None
    """Log time at which partitions were last asked for what lies idle."""
    inquired_at: int = 0
    """Log time at which partitions were last asked what they hold."""
    restating: bytes | None = None
    """Where ticks go on with telling a rebuilt partition the quotas of its tenants."""
    restated: tuple[int, ...] = ()
    """The partitions that this is for."""

    @property
    def reserve(self) -> int:
        """Bytes of the reserve."""
        return reserve_mb(self.total_mb) * MIB

    @property
    def allocatable_mb(self) -> int:
        """What quotas may come to."""
        return allocatable_mb(self.total_mb)

    @property
    def pool(self) -> int:
        """Bytes that no quota takes."""
        return max(0, self.allocatable_mb - self.allocated_mb) * MIB


class HolderRow(Row, frozen=True, array_like=True):
    """What one partition of the tenant log holds. Bytes; never less than what it thinks it has."""

    kind: ClassVar[bytes] = b"H/"

    epoch: int
    pool: int
    reserve: int
    announced: bool = True
    """False while it goes on with telling its quotas."""
    recalled: int = 0
    answered: int = 0
    """Its last question that was answered."""
    wants: int = 0
    """Bytes of the pool that it asked for when there were none."""


class AllocationRow(Row, frozen=True, array_like=True):
    """The quota of a tenant."""

    kind: ClassVar[bytes] = b"L/"

    quota_mb: int
    tier: str


class WaitingRow(Row, frozen=True, array_like=True):
    """A quota.set that waits until all partitions have spoken."""

    kind: ClassVar[bytes] = b"M/"

    tenant: str
    source: str
    id: str
    quota_mb: int
    tier: str


class SeenRow(Row, frozen=True, array_like=True):
    """A command that was decided: it may come again."""

    kind: ClassVar[bytes] = b"N/"

    at: int
    """Log time."""


class SeenAtRow(Row, frozen=True, array_like=True):
    """The same by time, for those that are old."""

    kind: ClassVar[bytes] = b"P/"

    identity: bytes


ROWS: tuple[type[Row], ...] = (
    ControlRow,
    HolderRow,
    AllocationRow,
    WaitingRow,
    SeenRow,
    SeenAtRow,
)
CONTROL_KEY = ControlRow.kind


def holder_key(partition: int) -> bytes:
    return HolderRow.kind + sortable(partition)


def control_of(rows: Rows) -> ControlRow:
    """What there is to share out; there is something from the first configuration on."""
    row = rows.get(ControlRow, CONTROL_KEY)
    assert row is not None
    return row


def holder_of(rows: Rows, partition: int) -> HolderRow:
    """What a partition holds that has spoken."""
    row = rows.get(HolderRow, holder_key(partition))
    assert row is not None
    return row


def allocation_key(tenant: str) -> bytes:
    return AllocationRow.kind + tenant.encode()


def waiting_key(number: int) -> bytes:
    return WaitingRow.kind + sortable(number)


def seen_key(identity: bytes) -> bytes:
    return SeenRow.kind + identity


def seen_at_key(at: int, identity: bytes) -> bytes:
    return SeenAtRow.kind + sortable(at) + identity
