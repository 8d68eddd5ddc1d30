"""Rows of keeping and forgetting, a kind each. (The letters of other kinds are used up.)"""

from hashlib import blake2b
from typing import ClassVar

import msgspec

from streams.core.fold import Rows
from streams.core.log import ErasedFrom
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


class FenceRow(Row, frozen=True, array_like=True, gc=False):
    """A memory's id, a subject (by its hash) or all of a tenant was erased: late copies stay so."""

    kind: ClassVar[bytes] = b"6/"

    until: int | None
    """Event time up to which; None: for good."""
    at: int
    """When the command was appended to the log, microseconds."""


class ReceiptRow(Row, frozen=True, array_like=True):
    """What became of a memory.erase, and how far it has come in every place that it has to reach.

    The key holds when the command was appended to the log, and a hash of it.
    """

    kind: ClassVar[bytes] = b"6+"

    source: str
    id: str
    reason: str
    memory_ids: tuple[str, ...]
    subject: str | None
    """Its name is needed to find texts that name it: once all is reached its hash has to do."""
    subject_hash: bytes
    """Empty: it is not of a subject."""
    at: int
    """When the command was appended to the log, microseconds."""
    until: int
    """Event time of the command."""
    erased: int = 0
    state: int = 0
    runs: int = 0
    deferred: int = 0
    passed_at: int | None = None
    """Log time at which all rows had gone that may: other places are worked for from there on."""
    rows_at: int | None = None
    """Log time at which the last of its rows had gone; None: some are left, or on hold."""
    places: tuple[tuple[ErasedFrom, int | None], ...] = ()
    """As they were last told, and the log time at which each was reached."""
    completed_at: int | None = None


class OpenReceiptRow(Row, frozen=True, array_like=True, gc=False):
    """An erasure has not reached every place; the key is its receipt's."""

    kind: ClassVar[bytes] = b"6-"


class HoldRow(Row, frozen=True, array_like=True, gc=False):
    """A subject or a memory's id is on hold; the key holds it."""

    kind: ClassVar[bytes] = b"7/"


class SubjectRow(Row, frozen=True, array_like=True, gc=False):
    """A memory of a subject; the key holds both."""

    kind: ClassVar[bytes] = b"9/"


class Erasure(msgspec.Struct, frozen=True, array_like=True):
    """A memory.erase that is not done: of these ids, else of the subject, else of all."""

    source: str
    id: str
    reason: str
    memory_ids: tuple[str, ...]
    subject: str | None
    until: int
    """Event time of the command."""
    at: int
    """When it was appended to the log."""
    phase: int = 0
    """What is gone through: memories, agents' state, runs; then it waits for holds to end."""
    cursor: bytes = b""
    """From where on."""
    erased: int = 0
    state: int = 0
    runs: int = 0
    deferred: int = 0
    """What was found on hold since it was last begun."""
    told: bool = False
    """The audit record said that some is deferred."""


class ForgetRow(Row, frozen=True, array_like=True):
    """What of a tenant's forgetting is still to be done; there is none while all is."""

    kind: ClassVar[bytes] = b"8/"

    dating: bytes | None = None
    """From which memory on deadlines are to be filed anew; None: all are."""
    subjects: tuple[tuple[str, bytes], ...] = ()
    """Whose holds have changed, and from which memory on that is still to be settled."""
    erasures: tuple[Erasure, ...] = ()


class WorkRow(Row, frozen=True, array_like=True, gc=False):
    """A tenant has forgetting to do that a tick can go on with."""

    kind: ClassVar[bytes] = b"8+"


NO_RULES = RulesRow()
NOTHING_TO_DO = ForgetRow()
ROWS: tuple[type[Row], ...] = (
    RulesRow,
    DeadlineRow,
    DateRow,
    FenceRow,
    ReceiptRow,
    OpenReceiptRow,
    HoldRow,
    SubjectRow,
    ForgetRow,
    WorkRow,
)
ID, SUBJECT, ALL = b"m", b"s", b"a"
"""What fences and holds are about."""
_pack = msgspec.msgpack.Encoder().encode


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


def fence_key(tenant: str, what: bytes, name: str = "") -> bytes:
    """Key of a fence. A subject's name is a person's: a hash of it does."""
    own = hash_of(name) if what == SUBJECT else name.encode()
    return tenant_key(FenceRow, tenant, what + own)


def hash_of(name: str) -> bytes:
    """What stands for a subject where its name does not have to."""
    return blake2b(name.encode(), digest_size=16).digest()


def receipt_key(tenant: str, at: int, source: str, event_id: str) -> bytes:
    """Key of the receipt of a memory.erase; the earliest come first."""
    command = blake2b(_pack((source, event_id)), digest_size=16).digest()
    return tenant_key(ReceiptRow, tenant, sortable(at) + command)


def open_key(receipt: bytes) -> bytes:
    """Key of the note that the receipt at this key is open."""
    return OpenReceiptRow.kind + receipt[len(ReceiptRow.kind) :]


def receipt_of(key: bytes) -> bytes:
    """Key of the receipt that such a note is about."""
    return ReceiptRow.kind + key[len(OpenReceiptRow.kind) :]


def hold_key(tenant: str, what: bytes, name: str) -> bytes:
    """Key of a hold."""
    return tenant_key(HoldRow, tenant, what + name.encode())


def subject_prefix(tenant: str, subject: str) -> bytes:
    """All memories of a subject; a memory's id completes it."""
    return tenant_key(SubjectRow, tenant, _pack(subject))
