"""Rows of memory, a kind each."""

from typing import ClassVar

import msgspec

from streams.core.rows import Row, sortable, tenant_key
from streams.memory import consolidation_rows
from streams.memory.memory_row import MemoryRow as MemoryRow
from streams.memory.use import per_byte

_pack = msgspec.msgpack.Encoder().encode


class StateRow(Row, frozen=True, array_like=True):
    """One key of an agent's state, or what is left of it so that its version never goes back."""

    kind: ClassVar[bytes] = b"k/"

    number: int
    """The version that users see: 1 for the first value, one more with each set."""
    updated_at: int
    size: int
    """What it counts for in its tenant's bytes."""
    due: int | None = None
    """Log time from which the value, or what is left of it, is no more."""
    deleted: bool = False


class ValueRow(Row, frozen=True, array_like=True, gc=False):
    """The value of a key, beside its row: folds never read it, however large it is."""

    kind: ClassVar[bytes] = b"z/"

    value: bytes
    """Compact JSON."""


class DueRow(Row, frozen=True, array_like=True):
    """A row has a due time; the key holds the time and the row's key."""

    kind: ClassVar[bytes] = b"x/"


class BytesRow(Row, frozen=True, array_like=True, gc=False):
    """What a tenant's memory takes; there is none while it takes nothing."""

    kind: ClassVar[bytes] = b"y/"

    used: int
    reserved: int = 0
    """How much of it lies in the reserve: what is above the tenant's own room and was let in."""
    over: int = 0
    """How much of it has no room at all, neither there nor in the reserve."""
    least: bytes | None = None
    """No memory that may be pruned is worth less than this; None: there was none yet."""
    overflowed: int | None = None
    """Hour of log time (its start) whose overflow by CRITICAL memories was told."""


class QuotaRow(Row, frozen=True, array_like=True):
    """The memory that a tenant has for itself; one without shares what is unallocated."""

    kind: ClassVar[bytes] = b"A/"

    quota_mb: int
    tier: str = "standard"
    """Its class: compliance, critical or standard."""
    revision: int = 1
    """Rises when the quota really changes."""
    fired: tuple[int, ...] = ()
    """Percent of the quota whose crossing was told under this revision."""


class LeaseRow(Row, frozen=True, array_like=True):
    """What a partition holds of the memory that no tenant has for itself. Bytes."""

    kind: ClassVar[bytes] = b"B/"

    epoch: int
    """Offset in the log at which this partition's rows began."""
    pool: int
    """Of the unallocated pool: before control has answered, an even share."""
    reserve: int = 0
    pool_used: int = 0
    """By tenants without a quota, without what they have in the reserve or have no room for."""
    reserve_used: int = 0
    sharers: int = 0
    """Tenants without a quota that have any bytes."""
    pool_total: int | None = None
    """The whole pool of all partitions, as control last said; None: not yet."""
    reserve_total: int = 0
    """The whole reserve of all partitions, as control last said; 0: not yet."""
    asked: int = 0
    """Questions to control so far."""
    answered: int = 0
    asked_at: int | None = None
    """Log time of the last question, unless it was answered with something."""
    announcing: bytes | None = None
    """From which quota on control still has to be told; None: all told."""
    inquiry: int = -1
    """Control's inquiry that was heard last."""
    shedding: bytes | None = None
    """At which tenant to go on where tenants have more than is left of the pool."""


class PrunableRow(Row, frozen=True, array_like=True, gc=False):
    """A memory that pressure may remove; the key holds what it is worth, the least first."""

    kind: ClassVar[bytes] = b"Z/"


class PressureRow(Row, frozen=True, array_like=True):
    """A tenant has bytes without room: ticks take its least valuable memories away."""

    kind: ClassVar[bytes] = b"T/"


class VectorRow(Row, frozen=True, array_like=True):
    """The embedding of a memory: apart, so that a use or a move does not write it again."""

    kind: ClassVar[bytes] = b"v/"

    model: str
    scale: float
    data: bytes
    """One int8 a dimension."""


class TimelineRow(Row, frozen=True, array_like=True):
    """A memory at its event time, the newest first: the order of lists."""

    kind: ClassVar[bytes] = b"o/"


class WorkingRow(Row, frozen=True, array_like=True):
    """A memory in its agent's working memory; the key holds its worth, the least first."""

    kind: ClassVar[bytes] = b"q/"


class AgentRow(Row, frozen=True, array_like=True, gc=False):
    """How many memories an agent's working memory has, and which is worth the least."""

    kind: ClassVar[bytes] = b"g/"

    count: int
    least: bytes
    """Its worth. Nobody has to look below it, where the keys of all that left lay."""


class CountRow(Row, frozen=True, array_like=True, gc=False):
    """How many memories a tenant has; there is none while it has none."""

    kind: ClassVar[bytes] = b"l/"

    working: int
    long_term: int


class MemoryConfigRow(Row, frozen=True, array_like=True):
    """Settings about memories that change results, as the log's last config record has them."""

    kind: ClassVar[bytes] = b"e/"

    working_limit: int = 100
    at: bytes | None = None
    """Up to where ticks have applied a lowered limit; None: everywhere."""
    total_memory_mb: int = 2048
    partitions: int = 8
    consolidate_window_hours: int = 4
    consolidate_every_seconds: int = 900


CONFIG_KEY = MemoryConfigRow.kind
LEASE_KEY = LeaseRow.kind
NO_CONFIG = MemoryConfigRow()

ROWS: tuple[type[Row], ...] = (
    StateRow,
    ValueRow,
    DueRow,
    BytesRow,
    PrunableRow,
    PressureRow,
    MemoryRow,
    VectorRow,
    TimelineRow,
    WorkingRow,
    AgentRow,
    CountRow,
    MemoryConfigRow,
    QuotaRow,
    LeaseRow,
    *consolidation_rows.ROWS,
)


def state_keys(tenant: str, agent: str) -> bytes:
    """All keys of an agent. Its name is packed with its length: none is another's beginning."""
    return tenant_key(StateRow, tenant, _pack(agent))


def state_key(tenant: str, agent: str, key: str) -> bytes:
    """Where one key of an agent lies; an agent's keys are in the order of their UTF-8 bytes."""
    return state_keys(tenant, agent) + key.encode()


def value_key(place: bytes) -> bytes:
    """Where the value of the key at ``place`` lies."""
    return ValueRow.kind + place[len(StateRow.kind) :]


def due_key(due: int, key: bytes) -> bytes:
    """Where the due time of the row at ``key`` lies; the earliest come first."""
    return DueRow.kind + sortable(due) + key


def row_of_due(key: bytes) -> bytes:
    """The row's key in the key of its due time."""
    return key[len(DueRow.kind) + 8 :]


def tenants_key(key: bytes) -> bytes:
    """A row's key as one of a tenant's: of a due time it is the one of the row that is due."""
    return row_of_due(key) if key.startswith(DueRow.kind) else key


def tenant_of(key: bytes) -> str:
    """The tenant in the key of a tenant's row."""
    return key[2 : key.index(0)].decode()


def id_of(key: bytes) -> str:
    """The memory in its row's key."""
    return key[key.index(0) + 1 :].decode()


def memory_key(tenant: str, memory_id: str) -> bytes:
    """Key of a memory."""
    return tenant_key(MemoryRow, tenant, memory_id.encode())


def vector_key(tenant: str, memory_id: str) -> bytes:
    """Key of a memory's vector."""
    return tenant_key(VectorRow, tenant, memory_id.encode())


def timeline_key(tenant: str, timestamp: int, memory_id: str) -> bytes:
    """Key of a memory in the order of lists."""
    return tenant_key(TimelineRow, tenant, sortable(-timestamp) + memory_id.encode())


def id_on_timeline(key: bytes, prefix: bytes) -> str:
    """The memory in its key in the order of lists, ``prefix`` being the tenant's."""
    return key[len(prefix) + 8 :].decode()


def agent_key(tenant: str, agent: str) -> bytes:
    """Key of an agent's working memory. Its name is packed with its length."""
    return tenant_key(AgentRow, tenant, _pack(agent))


def working_prefix(agent: bytes) -> bytes:
    """All working memories of the agent at this key; a memory's worth completes it."""
    return WorkingRow.kind + agent[len(AgentRow.kind) :]


def worth(row: MemoryRow, memory_id: str) -> bytes:
    """What a working memory is worth, as bytes that sort as it does."""
    return b"%c%b%b" % (row.priority, sortable(row.use), memory_id.encode())


def id_of_worth(worth: bytes) -> str:
    """The memory in its worth."""
    return worth[9:].decode()


def prunable_prefix(tenant: str) -> bytes:
    """All of a tenant's memories that may be pruned; what each is worth completes it."""
    return tenant_key(PrunableRow, tenant)


def worth_per_byte(priority: int, use: int, size: int, memory_id: str) -> bytes:
    """What the bytes of a memory are worth, as bytes that sort as it does."""
    return b"%c%b%b" % (priority, sortable(per_byte(use, size)), memory_id.encode())
