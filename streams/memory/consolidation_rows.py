"""Rows of consolidation: what was merged, what is alike, and what ticks have still to do."""

from typing import ClassVar

from streams.core.rows import Row, sortable, tenant_key

KNOWN, CRITICAL, OTHER = b"\x00", b"\x01", b"\x02"
"""Classes of alike memories: consolidated ones that can be extended, CRITICAL ones, all others."""
HASH = 16
"""Bytes of what alike memories have in common."""


class ConsolidatedRow(Row, frozen=True, array_like=True):
    """What a consolidated memory was made of, exactly: its members' texts come from here."""

    kind: ClassVar[bytes] = b"0/"

    rule: str
    """identical | template"""
    template: bytes
    columns: bytes
    """All members' values, packed, in the order of the members."""
    members: tuple[tuple[int, int, str], ...]
    """Event time, place and id of each, in this order."""
    bytes_before: int
    """What the members counted for before."""
    held: int
    """What they count for now: their values and their vectors."""
    alike: bytes
    """What they have in common (`alike.alike`)."""


class MembersRow(Row, frozen=True, array_like=True, gc=False):
    """What a consolidated memory's members say together, so that readers need not ask each.

    Pairs are the earliest and the latest, microseconds; None: there is none.
    """

    kind: ClassVar[bytes] = b"0+"

    subject: str | None
    """Whose they are."""
    due: tuple[int, int] | None
    """Deadlines of those with a ttl of their own."""
    timed: tuple[int, int] | None
    """Event times of those."""
    bare: tuple[int, int] | None
    """Event times of all others."""
    shown: int | None = None
    """The deletion date that the consolidated memory's record showed when it last went out."""


class AlikeRow(Row, frozen=True, array_like=True, gc=False):
    """A memory among those that it may be merged with; of a consolidated one, what that has."""

    kind: ClassVar[bytes] = b"1/"

    template: bytes = b""
    count: int = 0


class DirtyRow(Row, frozen=True, array_like=True, gc=False):
    """Something is new among alike memories: the next run looks at them."""

    kind: ClassVar[bytes] = b"2/"


class LinksRow(Row, frozen=True, array_like=True):
    """A memory's links that runs have found; its related memories are those given and these."""

    kind: ClassVar[bytes] = b"2+"

    linked: tuple[str, ...]
    """Memories that say the same in other words; each is linked with this one too."""
    given: tuple[str, ...]
    """Its related memories without them."""


class LinkableRow(Row, frozen=True, array_like=True, gc=False):
    """A memory among those that may say the same in other words, by event time."""

    kind: ClassVar[bytes] = b"3+"


class FreshRow(Row, frozen=True, array_like=True, gc=False):
    """A memory that no run has looked for links of yet."""

    kind: ClassVar[bytes] = b"1+"


class WorkRow(Row, frozen=True, array_like=True):
    """Work that ticks go on with."""

    kind: ClassVar[bytes] = b"3/"

    what: str
    """run over alike memories | split of a consolidated one | left: members without theirs |
    free: members of one whose hold has changed"""
    until: int
    """Log time at which it began."""
    window: int = 0
    """So many microseconds before it are looked at."""
    at: bytes | None = None
    """Key of the alike memories to look at next, then of those that may be linked; None: the run is
    at its end."""
    start: bytes | None = None
    """Where to go on among them, empty: from the first; None: they are looked at no more, or not
    yet."""
    again: bool = False
    """They are looked at in parts, and something was merged: they have to be once more."""
    source: str = ""
    id: str = ""
    """The command, if it is one's."""
    memory_id: str = ""
    """Of the consolidated memory that is split, or is gone."""
    members: tuple[str, ...] = ()
    """What the split gave back so far, or what has still to be removed."""
    groups: int = 0
    merged: int = 0
    freed: int = 0
    """Merges of a run so far, their members, and bytes."""
    linked: int = 0
    """Pairs of memories that it linked so far."""
    end: bytes = b""
    """The last of the alike memories when they were first looked at: what is new comes behind it,
    and is the next run's."""
    passes: int = 0
    """How many times they were looked at once more."""
    links: bytes | None = None
    """Where links are looked for next, of a run that took over before all were; None: from the
    first."""


ROWS: tuple[type[Row], ...] = (
    ConsolidatedRow,
    MembersRow,
    AlikeRow,
    DirtyRow,
    LinksRow,
    LinkableRow,
    FreshRow,
    WorkRow,
)

LEFT = "left "
"""Names of work begin with it whose members are without their consolidated memory."""
SCHEDULE = WorkRow.kind
"""Key of the run over everything; a tenant's work lies behind it."""


def consolidated_key(tenant: str, memory_id: str) -> bytes:
    """Key of what a consolidated memory was made of."""
    return tenant_key(ConsolidatedRow, tenant, memory_id.encode())


def members_key(tenant: str, memory_id: str) -> bytes:
    """Key of what a consolidated memory's members say together."""
    return tenant_key(MembersRow, tenant, memory_id.encode())


def alike_prefix(tenant: str, alike: bytes) -> bytes:
    """All memories that have this in common."""
    return tenant_key(AlikeRow, tenant, alike)


def alike_key(tenant: str, alike: bytes, which: bytes, timestamp: int, memory_id: str) -> bytes:
    """Key of a memory among those that it may be merged with: its class, then its time."""
    return alike_prefix(tenant, alike) + which + sortable(timestamp) + memory_id.encode()


def id_of_alike(key: bytes, prefix: bytes) -> str:
    """The memory in such a key, ``prefix`` being what they have in common."""
    return key[len(prefix) + 9 :].decode()


def dirty_key(tenant: str, alike: bytes) -> bytes:
    """Key of the note that something is new among memories that have this in common."""
    return tenant_key(DirtyRow, tenant, alike)


def work_key(tenant: str, name: str) -> bytes:
    """Key of a tenant's work."""
    return tenant_key(WorkRow, tenant, name.encode())


def links_key(tenant: str, memory_id: str) -> bytes:
    """Key of a memory's links."""
    return tenant_key(LinksRow, tenant, memory_id.encode())


def linkable_prefix(tenant: str, shared: bytes) -> bytes:
    """All memories that share what linked ones must share."""
    return tenant_key(LinkableRow, tenant, shared)


def linkable_key(tenant: str, shared: bytes, timestamp: int, memory_id: str) -> bytes:
    """Key of a memory among those that may be linked."""
    return linkable_prefix(tenant, shared) + sortable(timestamp) + memory_id.encode()


def id_of_linkable(key: bytes, prefix: bytes) -> str:
    """The memory in such a key, ``prefix`` being what they share."""
    return key[len(prefix) + 8 :].decode()


def fresh_key(tenant: str, memory_id: str) -> bytes:
    """Key of the note that links of a memory were not looked for yet."""
    return tenant_key(FreshRow, tenant, memory_id.encode())
