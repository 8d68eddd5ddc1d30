"""What the API answers, as types: the OpenAPI document is made from these."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from streams.memory.receipts import Receipt
from streams.memory.record import MemoryRecord
from streams.ports import Looked, MigrationStatus, PartitionStatus, Produced, SnapshotTaken

Time = Annotated[
    str, Meta(description="RFC 3339, UTC, six digits", examples=["2026-11-22T10:00:00.000000Z"])
]
Usd = Annotated[str, Meta(description="US dollars as a decimal string, exact", examples=["0.0123"])]
Period = Literal["hour", "day", "week", "month"]
RunState = Literal["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"]
RunKind = Literal["batch", "stream", "training", "other"]
GroupBy = Literal["provider", "model", "agent", "cost_attribution", "job", "cluster"]
Next = Annotated[str | None, Meta(description="Cursor of the next page; null when there is none")]
AsOf = Annotated[
    str, Meta(description="Log time of the tenant's partition that this answer stands for")
]


class Health(Struct, frozen=True):
    status: Literal["ok", "ready"]


class Partitions(Struct, frozen=True):
    """Every partition of the tenants' log, from all workers."""

    items: list[PartitionStatus]
    next: None
    as_of: Time
    control: PartitionStatus | None = None
    """The one partition where memory is shared out; null where only one process was asked."""


class Snapshots(Struct, frozen=True):
    """Snapshots that were taken just now."""

    items: list[SnapshotTaken]
    next: None
    as_of: Time


class Erasures(Struct, frozen=True):
    """Receipts of a tenant's erasures."""

    items: list[Receipt]
    next: Next
    as_of: Time


class Looks(Struct, frozen=True):
    """What was found of erased contents, by place."""

    items: list[Looked]
    next: None
    as_of: Time


class Migrations(Struct, frozen=True):
    """In which versions the rows of all partitions are."""

    items: list[MigrationStatus]
    next: None
    as_of: Time


class Event(Produced, frozen=True, kw_only=True):
    """An event that Kafka has acknowledged; `topic:partition:offset` is what `after` takes."""

    id: str


class Accepted(Struct, frozen=True):
    events: list[Event]


class Sums(Struct, frozen=True, kw_only=True):
    """Sums of what was used. Input tokens include cached ones."""

    calls: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_creation_tokens: int
    cost_usd: Usd
    reported_usd: Annotated[Usd, Meta(description="Part of the cost that senders reported")]
    computed_usd: Annotated[
        Usd, Meta(description="Part of the cost from the tenant's own prices or the price book")
    ]
    adjusted_usd: Annotated[Usd, Meta(description="Part of the cost from usage.adjust, signed")]
    unpriced_calls: Annotated[int, Meta(description="Calls of unknown models, not in the cost")]
    late_events: int
    runs: int
    runs_by_state: Annotated[
        dict[RunState, int],
        Meta(description="The same runs by what they are now: late events may move one"),
    ]
    run_seconds: Annotated[float, Meta(description="From start to end, of the runs that ended")]
    memory_byte_hours: Annotated[
        float, Meta(description="Bytes of memories and agents' state, times the hours of log time")
    ]
    embeddings: Annotated[int, Meta(description="Contents that were embedded")]


class Bucket(Sums, frozen=True, kw_only=True):
    start: Time
    end: Time
    group: Annotated[
        dict[str, str] | None, Meta(description="The group_by key and its value; null without")
    ]


class Unpriced(Struct, frozen=True, kw_only=True):
    provider: str
    model: str
    calls: int


class Price(Struct, frozen=True, kw_only=True):
    provider: str
    model: str
    version: str
    effective_from: Time
    input_usd_per_mtok: Usd
    output_usd_per_mtok: Usd
    cache_read_usd_per_mtok: Usd | None


class Usage(Struct, frozen=True, kw_only=True):
    tenant: str
    timezone: str
    period: Period
    buckets: list[Bucket]
    total: Sums
    unpriced: Annotated[
        list[Unpriced],
        Meta(description="Models without a price in these periods, most calls first, at most 100"),
    ]
    prices: Annotated[list[Price], Meta(description="The tenant's own prices, at most 100")]
    as_of: AsOf


class BudgetConfig(Struct, frozen=True, kw_only=True):
    budget_id: str
    limit_usd: Usd
    period: Period
    timezone: str
    thresholds: list[int]
    forecast: bool
    scope: dict[str, str]


class Budget(Struct, frozen=True, kw_only=True):
    config: BudgetConfig
    revision: int
    counted_since: Annotated[Time | None, Meta(description="Null before the first call")]
    spent_usd: Annotated[Usd, Meta(description="Below zero where adjustments gave back more")]
    held_usd: Annotated[Usd, Meta(description="Held by reservations, beside what is spent")]
    forecast_usd: Annotated[Usd | None, Meta(description="Null while there is too little to go by")]
    fired: Annotated[list[int], Meta(description="Thresholds reached, percent")]
    exceeded: bool
    unpriced_calls: int
    period_start: Time
    period_end: Time


class Budgets(Struct, frozen=True):
    items: list[Budget]
    next: Next
    as_of: AsOf


class Reserved(Struct, frozen=True, kw_only=True):
    """Answer to a reservation; asked again with its id, the same."""

    reservation_id: str
    granted: bool
    left_usd: Annotated[Usd, Meta(description="Of the budget, after this decision")]


class Settled(Reserved, frozen=True, kw_only=True):
    """Answer to a settle; sent again, the same."""

    amount_usd: Annotated[Usd, Meta(description="What was settled")]


class Reservation(Struct, frozen=True, kw_only=True):
    """A reservation and what became of it."""

    reservation_id: str
    budget_id: str
    state: Literal["open", "settled", "expired", "refused"]
    granted: bool
    amount_usd: Usd
    left_usd: Annotated[Usd, Meta(description="Of the budget, after the last decision")]
    reported_usd: Annotated[Usd, Meta(description="Cost of usage that named the reservation")]
    settled_usd: Usd | None
    expires_at: Annotated[Time, Meta(description="When it comes back, unless it is settled")]


class Cause(Struct, frozen=True):
    """The event that did it."""

    source: str
    id: str


class Alert(Struct, frozen=True, kw_only=True):
    """Data of budget.alerts.v1."""

    alert_id: str
    severity: str
    cause: Cause
    at: Time
    type: str | UnsetType = UNSET
    tenant: str | UnsetType = UNSET
    budget_id: str | UnsetType | None = UNSET
    revision: int | UnsetType | None = UNSET
    period_start: Time | UnsetType | None = UNSET
    period_end: Time | UnsetType | None = UNSET
    timezone: str | UnsetType | None = UNSET
    threshold_percent: int | UnsetType | None = UNSET
    limit_usd: Usd | UnsetType | None = UNSET
    spent_usd: Usd | UnsetType | None = UNSET
    forecast_usd: Usd | UnsetType | None = UNSET
    unpriced_calls: int | UnsetType | None = UNSET
    late: bool | UnsetType | None = UNSET
    used_bytes: int | UnsetType | None = UNSET
    reserve_bytes: int | UnsetType | None = UNSET
    quota_mb: int | UnsetType | None = UNSET


class Alerts(Struct, frozen=True):
    items: list[Alert]
    next: Next
    as_of: AsOf


class Quota(Struct, frozen=True, kw_only=True):
    """A tenant's memory and what it uses of it."""

    quota_mb: Annotated[int | None, Meta(description="MB of 1,048,576 bytes; null: no quota")]
    used_bytes: int
    reserve_bytes: Annotated[int, Meta(description="What of it lies in the reserve")]
    tier: Literal["standard", "critical", "compliance"] = field(name="class")
    as_of: AsOf


class Lineage(Struct, frozen=True):
    """A job or a dataset."""

    namespace: str
    name: str


class Run(Struct, frozen=True, kw_only=True):
    """A run of a data job, all its events merged."""

    run_id: str
    job: Lineage
    state: RunState
    kind: RunKind
    cluster: str | None
    node: str | None
    started_at: Annotated[Time | None, Meta(description="Null where no event before its end came")]
    ended_at: Time | None
    parent_run_id: str | None
    inputs: Annotated[list[Lineage], Meta(description="Datasets read, at most 1,000")]
    outputs: Annotated[list[Lineage], Meta(description="Datasets written, at most 1,000")]
    message: str | None
    stale: Annotated[bool, Meta(description="Not ended, and no event for JOB_STALE_SECONDS")]


class Runs(Struct, frozen=True):
    items: list[Run]
    next: Next
    as_of: AsOf


class Target(Struct, frozen=True):
    kind: str
    id: str


class Audit(Struct, frozen=True, kw_only=True):
    """Data of tenant.audit.v1; never contents."""

    action: str
    tenant: str
    at: Time
    actor: str
    target: Target
    outcome: Literal["done", "rejected", "deferred"]
    error: str | None
    details: dict[str, Any]


class State(Struct, frozen=True):
    """One key of an agent's own state."""

    value: Annotated[Any, Meta(description="Any JSON, as it was set; null when deleted")]
    version: Annotated[int, Meta(description="1 for the first value, one more with each set")]
    updated_at: Time


class StateItem(Struct, frozen=True, kw_only=True):
    """A key of an agent's own state, without its value."""

    key: str
    version: int
    updated_at: Time
    expires_at: Annotated[Time | None, Meta(description="Null for a value that stays")]
    bytes: Annotated[int, Meta(description="Length of the value as compact JSON")]


class States(Struct, frozen=True):
    items: list[StateItem]
    next: Next
    as_of: AsOf


class Memories(Struct, frozen=True):
    items: list[MemoryRecord]
    next: Next
    as_of: AsOf


class Result(Struct, frozen=True):
    memory: MemoryRecord
    score: Annotated[float, Meta(description="Exactly the sum of its parts")]
    parts: Annotated[
        dict[str, float] | None, Meta(description="With `explain`: what the score is the sum of")
    ]


class Found(Struct, frozen=True):
    results: list[Result]
    as_of: AsOf


class Audits(Struct, frozen=True):
    items: list[Audit]
    next: Next
    as_of: AsOf
