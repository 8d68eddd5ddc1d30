"""Rows of jobs and lineage, a kind each. Fields are only ever added at the end, with a default.

A run's *owner* key is its packed run id, a job's its packed (namespace, name): one is text, the
other an array, so that none is the other's beginning. Facets and edges hang on either.
"""

from typing import ClassVar

import msgspec

from streams.core.rows import Row, sortable, tenant_key
from streams.core.time import HOUR, SECOND

Value = str | tuple[str, ...]
Stamped = tuple[int, Value]
"""A value and the event time of the event that said it."""
Facets = dict[str, tuple[int, bytes]]
"""Name to event time and canonical JSON, sorted by name."""
Edge = tuple[bytes, str, str, dict[str, bytes]]
"""Side, namespace, name, facets."""

INPUT, OUTPUT = b"i", b"o"
RUN, JOB, DATASET = b"r", b"j", b"d"
"""What facets are of; a run has those of itself and of its job."""
FINISHED, OPEN = b"f", b"u"

pack = msgspec.msgpack.Encoder().encode
_pair = msgspec.msgpack.Decoder(tuple[str, str]).decode
_text = msgspec.msgpack.Decoder(str).decode


class JobConfigRow(Row, frozen=True, array_like=True):
    """Settings about jobs that change results, as the log's last config record has them."""

    kind: ClassVar[bytes] = b"C/"

    history_hours: int = 48
    stale_seconds: int = 3600

    @property
    def history(self) -> int:
        return self.history_hours * HOUR

    @property
    def stale(self) -> int:
        return self.stale_seconds * SECOND


CONFIG_KEY = JobConfigRow.kind
NO_CONFIG = JobConfigRow()


class RunRow(Row, frozen=True, array_like=True):
    """All events of a run, merged; each field is the largest (or smallest) of what they say."""

    kind: ClassVar[bytes] = b"J/"

    first: int
    """Earliest event time."""
    seen: int
    """Log time of the last event that was folded."""
    begun: int | None
    """Earliest START."""
    went_on: int | None
    """Earliest event that is neither a START nor an end."""
    latest: tuple[int, int] | None
    """Event time and rank of the latest state that is no end."""
    end: tuple[int, int] | None
    """Event time and rank of the first end."""
    fields: dict[str, Stamped]
    """What else the events say, the latest of each; sorted by name."""
    counted: bytes = b""
    """Where usage counts the run, as it said at the first event; nothing here looks into it."""


class OrderRow(Row, frozen=True, array_like=True):
    """A run at its earliest event time: the order of lists."""

    kind: ClassVar[bytes] = b"O/"

    run_id: str


class ChildRow(Row, frozen=True, array_like=True):
    """A run under its parent."""

    kind: ClassVar[bytes] = b"K/"

    run_id: str


class ExpiryRow(Row, frozen=True, array_like=True):
    """A run at the end of the hour of its last event (log time), finished ones apart."""

    kind: ClassVar[bytes] = b"X/"

    hour: int
    tenant: str
    run_id: str


class FacetsRow(Row, frozen=True, array_like=True):
    """Facets of a run, of its job, of a declared job or of a declared dataset."""

    kind: ClassVar[bytes] = b"F/"

    facets: Facets


class EdgeRow(Row, frozen=True, array_like=True):
    """A run or job reads or writes a dataset; with the facets that it gave the dataset."""

    kind: ClassVar[bytes] = b"E/"

    facets: Facets


class UseRow(Row, frozen=True, array_like=True):
    """The same edge from the dataset's side."""

    kind: ClassVar[bytes] = b"D/"


class PendingRow(Row, frozen=True, array_like=True):
    """Edges of an event that named more datasets than one record may change rows."""

    kind: ClassVar[bytes] = b"Q/"

    tenant: str
    owner: bytes
    time: int
    edges: tuple[Edge, ...]


class WorkRow(Row, frozen=True, array_like=True):
    """Log time at which a tick looks for work next: for pending edges and old runs."""

    kind: ClassVar[bytes] = b"Y/"

    due: int


WORK_KEY = WorkRow.kind

ROWS: tuple[type[Row], ...] = (
    JobConfigRow,
    RunRow,
    OrderRow,
    ChildRow,
    ExpiryRow,
    FacetsRow,
    EdgeRow,
    UseRow,
    PendingRow,
    WorkRow,
)


def run_key(tenant: str, owner: bytes) -> bytes:
    """Key of a run's row."""
    return tenant_key(RunRow, tenant, owner)


def order_key(tenant: str, first: int, owner: bytes) -> bytes:
    """Key of a run in the order of lists."""
    return tenant_key(OrderRow, tenant, sortable(first) + owner)


def child_key(tenant: str, parent: str, owner: bytes) -> bytes:
    """Key of a run under its parent."""
    return tenant_key(ChildRow, tenant, pack(parent) + owner)


def expiry_key(tenant: str, code: bytes, hour: int, owner: bytes) -> bytes:
    """Key of a run in the order of the hour of its last event, over all tenants."""
    return b"%b%b%b%b\x00%b" % (ExpiryRow.kind, code, sortable(hour), tenant.encode(), owner)


def facets_key(tenant: str, owner: bytes, code: bytes) -> bytes:
    """Key of the facets ``RUN`` or ``JOB`` of a run, ``JOB`` of a job, ``DATASET`` of a dataset."""
    return tenant_key(FacetsRow, tenant, owner + code)


def edge_prefix(tenant: str, owner: bytes, side: bytes = b"") -> bytes:
    """All datasets of a run or job, or those of one side; the packed dataset completes it."""
    return tenant_key(EdgeRow, tenant, owner + side)


def use_prefix(tenant: str, dataset: bytes, side: bytes = b"") -> bytes:
    """All runs and jobs of a packed dataset, or those of one side; their owner completes it."""
    return tenant_key(UseRow, tenant, dataset + side)


def dataset_of(key: bytes, prefix: bytes) -> tuple[str, str]:
    """Namespace and name in an edge's key, ``prefix`` being that of one side."""
    return _pair(key[len(prefix) :])


def run_of(key: bytes, prefix: bytes) -> str | None:
    """Run id in the key of a use, ``prefix`` being that of one side; None for a job's."""
    owner = key[len(prefix) :]
    return None if is_job(owner) else _text(owner)


def is_job(owner: bytes) -> bool:
    """Whether an owner is a job and not a run: an array of two, not a text."""
    return owner[:1] == b"\x92"
