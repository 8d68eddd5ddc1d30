"""Rows of usage and budgets, a kind each. Fields are only ever added at the end, with a default."""

from functools import lru_cache
from typing import Any, ClassVar

import msgspec
from msgspec import structs

from streams.core.rows import Row, sortable, tenant_key
from streams.core.time import HOUR
from streams.usage.scope import Filter

_pack = msgspec.msgpack.Encoder().encode


class ConfigRow(Row, frozen=True, array_like=True):
    """Settings that change results, as the log's last config record has them."""

    kind: ClassVar[bytes] = b"c/"

    dedupe_hours: int = 24
    grace_hours: int = 24
    default_budget: int = 100_000_000_000
    tzdata: str = ""

    @property
    def grace(self) -> int:
        return self.grace_hours * HOUR


CONFIG_KEY = ConfigRow.kind
NO_CONFIG = ConfigRow()


class TenantRow(Row, frozen=True, array_like=True):
    """What each event of a tenant needs to know; there is none before its first command."""

    kind: ClassVar[bytes] = b"t/"

    timezone: str = "UTC"
    budgets: tuple[str, ...] = ("default",)
    """Ids of the budgets that count, sorted."""
    fences: tuple[tuple[int, int], ...] = ()
    """(start, end) of the latest period opened, per kind, when the zone last changed."""
    prices: int = 0
    """Models for which it has prices of its own."""


NO_TENANT = TenantRow()


def with_changes(tenant: TenantRow, **changes: Any) -> TenantRow:
    """Give a tenant's row with other values."""
    return structs.replace(tenant, **changes)


class UsageRow(Row, frozen=True, array_like=True, gc=False):
    """Sums of one period and one combination of scope values. Money is nano-USD."""

    kind: ClassVar[bytes] = b"u/"

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_creation_tokens: int = 0
    reported: int = 0
    computed: int = 0
    unpriced_calls: int = 0
    late_events: int = 0
    runs: int = 0

    def plus(self, more: "UsageRow") -> "UsageRow":
        """Sums of both."""
        return UsageRow(
            self.calls + more.calls,
            self.input_tokens + more.input_tokens,
            self.output_tokens + more.output_tokens,
            self.cache_read_tokens + more.cache_read_tokens,
            self.cache_creation_tokens + more.cache_creation_tokens,
            self.reported + more.reported,
            self.computed + more.computed,
            self.unpriced_calls + more.unpriced_calls,
            self.late_events + more.late_events,
            self.runs + more.runs,
        )


NO_USAGE = UsageRow()


class ExtraRow(Row, frozen=True, array_like=True, gc=False):
    """Sums beside those of calls, of one period and scope: few calls need to write any of them."""

    kind: ClassVar[bytes] = b"d/"

    states: tuple[int, int, int, int, int, int] = (0, 0, 0, 0, 0, 0)
    """Runs by the state that they have now, in the order of ``STATES``."""
    run_micros: int = 0
    """Time from start to end of those that ended."""
    byte_micros: int = 0
    """Bytes stored, times the microseconds that they were."""
    embeddings: int = 0
    adjusted: int = 0
    """Corrections of the cost, nano-USD, signed."""

    def plus(self, more: "ExtraRow") -> "ExtraRow":
        """Sums of both."""
        one, other = self.states, more.states
        return ExtraRow(
            (
                one[0] + other[0],
                one[1] + other[1],
                one[2] + other[2],
                one[3] + other[3],
                one[4] + other[4],
                one[5] + other[5],
            ),
            self.run_micros + more.run_micros,
            self.byte_micros + more.byte_micros,
            self.embeddings + more.embeddings,
            self.adjusted + more.adjusted,
        )


NO_EXTRA = ExtraRow()
STATES = ("START", "RUNNING", "OTHER", "COMPLETE", "ABORT", "FAIL")
"""What a run may be, in the order of ``ExtraRow.states``."""


class SweptRow(Row, frozen=True, array_like=True):
    """How far byte-hours are counted in this partition."""

    kind: ClassVar[bytes] = b"j/"

    until: int
    """All projects' are counted up to here (log time)."""
    to: int = 0
    """Up to where ticks are counting them now."""
    at: bytes | None = None
    """Where the next tick goes on with the projects; None: each is done."""


SWEPT_KEY = SweptRow.kind


class PeriodRow(Row, frozen=True, array_like=True):
    """A usage period that was opened: it keeps these bounds whatever the zone becomes."""

    kind: ClassVar[bytes] = b"p/"

    start: int
    end: int
    timezone: str
    late_noted: bool = False


class StatementRow(Row, frozen=True, array_like=True):
    """A month of a tenant of which no statement went out; what is added up for it so far."""

    kind: ClassVar[bytes] = b"S/"

    end: int
    """When it ends, or when its first late event came: it is due after the grace."""
    usage: UsageRow = NO_USAGE
    extra: ExtraRow = NO_EXTRA
    at: bytes | None = None
    """The row with which to go on; None: the first one."""


class PricesRow(Row, frozen=True, array_like=True):
    """A tenant's own prices of one model."""

    kind: ClassVar[bytes] = b"I/"

    prices: tuple[tuple[int, int, int, int | None], ...]
    """Event time from which it holds, and nano-USD a million tokens: input, output, input from a
    cache (None: as other input). In the order of time."""


class BudgetRow(Row, frozen=True, array_like=True):
    """A budget, or what is left of a deleted one so that its revision never goes back."""

    kind: ClassVar[bytes] = b"b/"

    limit: int
    period: int
    """Index into ``periods.PERIODS``."""
    timezone: str
    thresholds: tuple[int, ...]
    forecast: bool
    scope: Filter
    revision: int
    generation: int
    """Rises when counting begins anew; part of the period rows' keys."""
    counted_since: int | None
    implicit: bool = False
    """The default budget of a tenant that has set none: its limit follows the configuration."""
    deleted: bool = False


class SpendRow(Row, frozen=True, array_like=True, gc=False):
    """What one budget counted in one period, and which alerts it fired."""

    kind: ClassVar[bytes] = b"s/"

    start: int
    end: int
    revision: int
    """The budget's revision that ``fired`` and ``exceeded`` are about."""
    spent: int = 0
    calls: int = 0
    unpriced_calls: int = 0
    fired: tuple[int, ...] = ()
    """Thresholds that hold, the budget's first ones."""
    exceeded: bool = False
    crossed: int = 0
    """How many thresholds were told of under this revision; at least those in ``fired``."""
    overrun: bool = False
    """That it is exceeded was told of under this revision, whether or not it still is."""
    recovered: tuple[int, ...] = ()
    """Thresholds whose recovery was told of under this revision."""
    forecast: bool = False
    """That the forecast is above the limit was told of under this revision."""
    corrected: int = 0
    """Hour of log time, since 1970, in which a correction was told of last."""
    alerted: bool = False
    """Something was told of, under whichever revision."""


class ReservationRow(Row, frozen=True, array_like=True):
    """A part of a budget that was asked for, and what became of it."""

    kind: ClassVar[bytes] = b"R/"

    budget_id: str
    amount: int
    due: int
    """Log time at which it comes back, a whole second."""
    granted: bool
    left: int
    """What the decision left of the budget."""
    open: int
    """What of it is held until ``due``, unless it was settled: less what usage reported."""
    reported: int = 0
    """Cost of the usage that named it."""
    settled: int | None = None
    left_settled: int = 0


class HeldRow(Row, frozen=True, array_like=True, gc=False):
    """What is held of one budget: of what comes back after ``swept`` (log time)."""

    kind: ClassVar[bytes] = b"U/"

    amount: int
    swept: int


class HeldUntilRow(Row, frozen=True, array_like=True, gc=False):
    """What of one budget's is held until one time, which ends the key."""

    kind: ClassVar[bytes] = b"V/"

    amount: int


class ReservationDueRow(Row, frozen=True, array_like=True):
    """A reservation is forgotten at a time; the key holds the time and the reservation's key."""

    kind: ClassVar[bytes] = b"W/"


class UnpricedRow(Row, frozen=True, array_like=True):
    """A model without a price was reported on this day."""

    kind: ClassVar[bytes] = b"n/"

    offset: int


class RefusedRow(Row, frozen=True, array_like=True):
    """An input record that admit refused; asked for by those who wait for that record."""

    kind: ClassVar[bytes] = b"r/"

    code: str
    tenant: str
    at: int


ROWS: tuple[type[Row], ...] = (
    ConfigRow,
    TenantRow,
    UsageRow,
    ExtraRow,
    SweptRow,
    PeriodRow,
    StatementRow,
    PricesRow,
    BudgetRow,
    SpendRow,
    ReservationRow,
    HeldRow,
    HeldUntilRow,
    ReservationDueRow,
    UnpricedRow,
    RefusedRow,
)


@lru_cache(maxsize=8192)
def budget_key(tenant: str, budget_id: str) -> bytes:
    """Key of a budget. The id is packed with its length: none is another one's beginning."""
    return tenant_key(BudgetRow, tenant, _pack(budget_id))


def spend_prefix(budget: bytes) -> bytes:
    """All periods of the budget at this key, those of generations that no longer count too."""
    return SpendRow.kind + budget[2:]


@lru_cache(maxsize=8192)
def spend_keys(budget: bytes, generation: int) -> bytes:
    """All periods of a budget's generation; a period's ``key`` completes it."""
    return SpendRow.kind + budget[2:] + sortable(generation)


def statement_key(tenant: str, month: bytes, end: int) -> bytes:
    """Key of a month's statement, given the month's part of row keys; the first to end is first."""
    return b"%b%b%b\x00%b" % (StatementRow.kind, sortable(end), tenant.encode(), month)


def month_of_statement(key: bytes) -> tuple[str, bytes]:
    """Tenant and month in the key of a statement."""
    tenant, _, month = key[len(StatementRow.kind) + 8 :].partition(b"\x00")
    return tenant.decode(), month
