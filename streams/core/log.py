"""Records of the internal logs, tenant.log.v1 and tenant.control.v1: one per fact, msgpack.

The layout is an array, so a field is only ever added at the end, with a default. A change that an
older fold must not miss raises ``VERSION``: a fold that meets a newer version stops its partition.

What each event makes is kept from the garbage collector (gc=False): nothing here can hold itself.
"""

from typing import Any

import msgspec

from streams.core.errors import PartitionRed
from streams.core.money import NANO
from streams.core.schema import UNSAID

VERSION = 1


class Origin(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Where a fact entered: a record of an input topic, or a worker's own sequence.

    ``incarnation`` rises when a topic is made anew (`streams topics adopt`), so that the offsets of
    the old one and of the new one are never compared. ``n`` orders facts of one input record.
    """

    topic: str
    incarnation: int
    partition: int
    offset: int
    n: int = 0

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


class Call(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One metered call. Tokens as OTel GenAI counts them: input includes cached. Nano-USD."""

    provider: str
    model: str
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_creation_tokens: int
    reported: int | None
    """What the sender says that it cost; wins."""
    computed: int | None
    """What the price book says; None when the model is unknown and nothing was reported."""
    price_version: str
    reservation: str = ""
    """Id of the budget reservation that it was made under."""


class Vector(msgspec.Struct, frozen=True, array_like=True):
    """An embedding: ``data`` is one int8 a dimension, times ``scale`` about what the model said."""

    model: str
    scale: float
    data: bytes


class Imported(msgspec.Struct, frozen=True, array_like=True):
    """What a memory brings along from where it was before."""

    access_count: int
    last_accessed: int | None


class Content(msgspec.Struct, frozen=True, array_like=True):
    """What becomes a memory, or corrects one."""

    text: str
    priority: int
    context_tags: tuple[str, ...]
    ttl_seconds: int | None
    cluster_state: dict[str, Any] | None
    pipeline_context: tuple[str, ...] | None
    related_memories: tuple[str, ...]
    subject: str | None
    memory_id: str | None
    metadata: dict[str, Any] | None
    given: tuple[str, ...] = ()
    """Names of the optional fields that were given: a correction replaces these alone."""
    vector: Vector | None = None
    imported: Imported | None = None


CORRECTABLE = (
    "priority",
    "agent",
    "session",
    "context_tags",
    "ttl_seconds",
    "cost_attribution",
    "cluster_state",
    "pipeline_context",
    "related_memories",
    "subject",
    "metadata",
)
"""What ``Content.given`` may name: what a message may leave out, with the names it has there."""


class Erased(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Content that was taken out of the archive: what of it a replay still has to know."""

    memory_id: str
    """Whose late copies are refused; empty: the fence of its subject, or of all, sees to that."""
    embedded: bool
    """Whether it had a vector: that it was made is usage, and stays."""


class Message(msgspec.Struct, frozen=True, array_like=True, tag="message", gc=False):
    """An admitted agent.message. Missing scope values are empty strings."""

    agent: str
    session: str
    cost_attribution: str
    cluster: str
    call: Call | None
    content: Content | None
    erased: Erased | None = None


class BudgetSet(msgspec.Struct, frozen=True, array_like=True, tag="budget.set"):
    budget_id: str
    limit: int
    period: str
    timezone: str
    thresholds: tuple[int, ...]
    forecast: bool
    scope: dict[str, str]


class BudgetDelete(msgspec.Struct, frozen=True, array_like=True, tag="budget.delete"):
    budget_id: str


class BudgetReserve(msgspec.Struct, frozen=True, array_like=True, tag="budget.reserve"):
    reservation_id: str
    budget_id: str
    amount: int
    """Nano-USD."""
    ttl_seconds: int


class BudgetSettle(msgspec.Struct, frozen=True, array_like=True, tag="budget.settle"):
    reservation_id: str
    amount: int
    """Nano-USD."""


class TenantSet(msgspec.Struct, frozen=True, array_like=True, tag="tenant.set"):
    timezone: str


class QuotaSet(msgspec.Struct, frozen=True, array_like=True, tag="quota.set"):
    """A tenant asks for memory of its own: on tenant.control.v1, where all such are decided."""

    quota_mb: int
    tier: str
    """Its class: standard, critical or compliance."""


class QuotaGranted(msgspec.Struct, frozen=True, array_like=True, tag="quota.granted"):
    """Control's answer in the tenant's log; source and id are those of the command."""

    quota_mb: int
    tier: str


class QuotaRejected(msgspec.Struct, frozen=True, array_like=True, tag="quota.rejected"):
    """Control's answer in the tenant's log; source and id are those of the command."""

    quota_mb: int
    tier: str
    error: str
    detail: str


class LeaseAnnounced(msgspec.Struct, frozen=True, array_like=True, tag="lease.announced"):
    """A partition tells control what it holds: once it begins from nothing, and when asked.

    ``epoch`` is the offset at which the partition's rows began: what was given to an earlier one is
    not what this one holds. Bytes.
    """

    epoch: int
    pool: int
    reserve: int
    quotas: tuple[tuple[str, int, str], ...]
    """Tenants with a quota: name, MB, class; a part of them where ``last`` is false."""
    last: bool
    inquiry: int
    """The inquiry that was heard last; -1 for none."""


class LeaseAsked(msgspec.Struct, frozen=True, array_like=True, tag="lease.asked"):
    """A partition asks control for bytes of the unallocated pool, of the reserve, or both."""

    epoch: int
    number: int
    """Counts the partition's questions: one that comes again changes nothing."""
    pool: int
    reserve: int
    tier: str
    """The class that the reserve is for."""


class LeaseGiven(msgspec.Struct, frozen=True, array_like=True, tag="lease.given"):
    """Control gives a partition more bytes; it has counted them already."""

    epoch: int
    number: int
    """The question that this answers; 0 for none."""
    pool: int
    reserve: int
    pool_total: int
    """Bytes of the whole pool, as it is now."""
    reserve_total: int
    """Bytes of the whole reserve: what the fair shares are parts of."""


class LeaseRecalled(msgspec.Struct, frozen=True, array_like=True, tag="lease.recalled"):
    """Control wants bytes of the pool back."""

    epoch: int
    must: int
    """So many at once, whatever lies in them."""
    keep: int | None
    """And what is idle above so many; None: nothing of that."""
    pool_total: int
    """Bytes of the whole pool, as it is now."""


class LeaseReturned(msgspec.Struct, frozen=True, array_like=True, tag="lease.returned"):
    """A partition gives bytes back; it has taken them off what it holds already."""

    epoch: int
    pool: int
    reserve: int
    must: int
    """How much of what control recalled this settles."""


class LeaseInquiry(msgspec.Struct, frozen=True, array_like=True, tag="lease.inquiry"):
    """Control began from nothing and asks a partition what it holds."""

    number: int
    """Offset at which control's rows began: what was said before does not count."""


class LogRestored(msgspec.Struct, frozen=True, array_like=True, tag="log.restored"):
    """The logs go on after some of them were lost: control asks the partitions what they hold.

    What control and the partitions told each other last may never arrive, or may come from a time
    that the other side does not remember.
    """

    incarnation: int
    """Of the logs that begin with it."""


class PriceSet(msgspec.Struct, frozen=True, array_like=True, tag="price.set"):
    """What a model costs a tenant from a time on, in nano-USD a million tokens."""

    provider: str
    model: str
    read: int
    written: int
    cached: int | None
    """Of input that came from a cache; None: as other input."""
    since: int


class UsageAdjust(msgspec.Struct, frozen=True, array_like=True, tag="usage.adjust"):
    """A correction of cost (nano-USD, signed) in the periods of ``at``."""

    amount: int
    at: int
    model: str
    cost_attribution: str
    reason: str


class StateSet(msgspec.Struct, frozen=True, array_like=True, tag="state.set"):
    agent: str
    key: str
    value: bytes
    """Compact JSON."""
    if_version: int | None
    ttl_seconds: int | None


class StateDelete(msgspec.Struct, frozen=True, array_like=True, tag="state.delete"):
    agent: str
    key: str
    if_version: int | None


class RetentionSet(msgspec.Struct, frozen=True, array_like=True, tag="retention.set"):
    default_ttl_seconds: int | None
    min_ttl_seconds: int | None


class HoldSet(msgspec.Struct, frozen=True, array_like=True, tag="hold.set"):
    """Of a subject, or of memories."""

    subject: str | None
    memory_ids: tuple[str, ...]


class HoldRelease(msgspec.Struct, frozen=True, array_like=True, tag="hold.release"):
    """Of a subject, or of memories."""

    subject: str | None
    memory_ids: tuple[str, ...]


class MemoryErase(msgspec.Struct, frozen=True, array_like=True, tag="memory.erase"):
    """Of a subject, or of memories, or of all: then neither is there."""

    subject: str | None
    memory_ids: tuple[str, ...]
    reason: str


class ErasedFrom(msgspec.Struct, frozen=True, array_like=True):
    """How far an erasure has come in one of the places that it has to reach."""

    place: str
    by: int | None
    """When what is left there will have gone, wall clock, microseconds; None: nobody knows."""
    upto: tuple[int, ...]
    """What has to go: all below these offsets, a partition each; times of a bucket's objects."""
    done: bool


class ErasureReached(msgspec.Struct, frozen=True, array_like=True, tag="erasure.reached"):
    """A worker tells how far an erasure has come, with all of its places.

    The record's origin is the worker's own; which erasure: its command's append time, source, id.
    """

    at: int
    source: str
    id: str
    places: tuple[ErasedFrom, ...]
    passed_at: int | None = None
    """What went later is not reached by it (`ReceiptRow.passed_at`)."""


class Accessed(msgspec.Struct, frozen=True, array_like=True, tag="memory.accessed"):
    """Memories of a tenant that a worker gave out: ids, and how often each since the last record.

    The record's origin is the worker's own: (its name, when it started, a sequence).
    """

    counts: tuple[tuple[str, int], ...]


class MemoryConsolidate(msgspec.Struct, frozen=True, array_like=True, tag="memory.consolidate"):
    window_hours: int | None
    """None: as many as runs look at."""


class MemorySplit(msgspec.Struct, frozen=True, array_like=True, tag="memory.split"):
    memory_id: str


class Refusal(msgspec.Struct, frozen=True, array_like=True, tag="refusal"):
    """Marks an input record of this tenant that admit sent to the DLQ."""

    code: str


class Tick(msgspec.Struct, frozen=True, array_like=True, tag="tick"):
    """Moves an idle partition's log time; a late or repeated one changes nothing."""


class Config(msgspec.Struct, frozen=True, array_like=True, tag="config"):
    """Settings that change results; folds read these, never the process's settings."""

    dedupe_hours: int
    grace_hours: int
    default_budget: int
    """Limit of the default budget, nano-USD."""
    tzdata: str
    job_history_hours: int = 48
    job_stale_seconds: int = 3600
    working_limit: int = 100
    """Memories in the working memory of one agent of one tenant."""
    total_memory_mb: int = 2048
    """What all tenants' memories may take together, the reserve included."""
    partitions: int = 8
    """Of the tenant log."""
    schema: str = UNSAID
    """In whose shapes rows are written from here on; it never goes back."""
    consolidate_window_hours: int = 4
    """How far back from a run memories are merged."""
    consolidate_every_seconds: int = 900
    """How often runs are, in log time."""


DEFAULT_CONFIG = Config(dedupe_hours=24, grace_hours=24, default_budget=100 * NANO, tzdata="")
"""In force until the first config record: a replay from zero has no process's settings."""


class Dataset(msgspec.Struct, frozen=True, array_like=True):
    """A dataset as an event names it; each facet as its canonical JSON."""

    namespace: str
    name: str
    facets: dict[str, bytes] = {}


class JobRun(msgspec.Struct, frozen=True, array_like=True, tag="job.run"):
    """One event of a run, from job.run or an OpenLineage RunEvent; None: it does not say."""

    run_id: str
    namespace: str
    name: str
    state: str | None
    kind: str | None = None
    cluster: str | None = None
    node: str | None = None
    parent_run_id: str | None = None
    message: str | None = None
    context_tags: tuple[str, ...] | None = None
    cost_attribution: str | None = None
    call: Call | None = None
    inputs: tuple[Dataset, ...] = ()
    outputs: tuple[Dataset, ...] = ()
    run_facets: dict[str, bytes] = {}
    job_facets: dict[str, bytes] = {}


class JobDeclared(msgspec.Struct, frozen=True, array_like=True, tag="openlineage.job"):
    """An OpenLineage JobEvent: what a job is, without a run."""

    namespace: str
    name: str
    facets: dict[str, bytes]
    inputs: tuple[Dataset, ...]
    outputs: tuple[Dataset, ...]


class DatasetDeclared(msgspec.Struct, frozen=True, array_like=True, tag="openlineage.dataset"):
    """An OpenLineage DatasetEvent: what a dataset is, without a run."""

    dataset: Dataset


Body = (
    Message
    | BudgetSet
    | BudgetDelete
    | BudgetReserve
    | BudgetSettle
    | TenantSet
    | Refusal
    | Tick
    | Config
    | PriceSet
    | UsageAdjust
    | StateSet
    | StateDelete
    | JobRun
    | JobDeclared
    | DatasetDeclared
    | Accessed
    | QuotaGranted
    | QuotaRejected
    | LeaseGiven
    | LeaseRecalled
    | LeaseInquiry
    | RetentionSet
    | HoldSet
    | HoldRelease
    | MemoryConsolidate
    | MemorySplit
    | MemoryErase
    | ErasureReached
)
"""Of tenant.log.v1."""

ControlBody = Config | Tick | QuotaSet | LeaseAnnounced | LeaseAsked | LeaseReturned | LogRestored
"""Of tenant.control.v1."""


class Record(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One record of the log. ``time`` is the event time in microseconds."""

    version: int
    tenant: str
    origin: Origin | None
    source: str
    id: str
    time: int
    body: Body | ControlBody


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Record)
# 2**53 tokens cost more nano-USD than 64 bits hold: such a record is written as JSON. No msgpack
# array begins with JSON's bracket.
_big_encoder = msgspec.json.Encoder()
_big_decoder = msgspec.json.Decoder(Record)


def encode(record: Record) -> bytes:
    """Bytes of a log record."""
    try:
        return _encoder.encode(record)
    except OverflowError:
        return _big_encoder.encode(record)


def decode(value: bytes | None) -> Record:
    """Read a log record.

    Raises
    ------
    PartitionRed
        Not a log record, or one of a newer version than this code.
    """
    try:
        decoder = _big_decoder if value and value[:1] == b"[" else _decoder
        record = decoder.decode(value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PartitionRed(f"a record of the log can't be read by this version: {error}") from error
    if record.version > VERSION:
        raise PartitionRed(
            f"a record of the log has version {record.version}, newer than this code's {VERSION}"
        )
    return record
