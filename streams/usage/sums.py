"""All sums of a period and scope together, as a report, a statement or the API shows them."""

from collections.abc import Iterator
from typing import Any

from streams.core.fold import Reader
from streams.core.money import format_usd
from streams.core.rows import tenant_key
from streams.core.time import HOUR, SECOND
from streams.usage.rows import NO_EXTRA, NO_USAGE, STATES, ExtraRow, UsageRow
from streams.usage.scope import Scope, unpack


class Sums:
    """Sums of calls and runs, and those beside them; they grow."""

    __slots__ = ("extra", "usage")

    def __init__(self) -> None:
        self.usage, self.extra = NO_USAGE, NO_EXTRA

    def add(self, row: UsageRow | ExtraRow) -> None:
        """Add one row's sums."""
        if isinstance(row, UsageRow):
            self.usage = self.usage.plus(row)
        else:
            self.extra = self.extra.plus(row)

    def add_all(self, more: "Sums") -> None:
        """Add another's sums."""
        self.add(more.usage)
        self.add(more.extra)

    def shown(self) -> dict[str, Any]:
        """As JSON shows them. Seconds and hours are the nearest number to what is exact inside."""
        row, extra = self.usage, self.extra
        return {
            "calls": row.calls,
            "input_tokens": row.input_tokens,
            "output_tokens": row.output_tokens,
            "cache_read_tokens": row.cache_read_tokens,
            "cache_creation_tokens": row.cache_creation_tokens,
            "cost_usd": format_usd(row.reported + row.computed + extra.adjusted),
            "reported_usd": format_usd(row.reported),
            "computed_usd": format_usd(row.computed),
            "adjusted_usd": format_usd(extra.adjusted),
            "unpriced_calls": row.unpriced_calls,
            "late_events": row.late_events,
            "runs": row.runs,
            "runs_by_state": dict(zip(STATES, extra.states, strict=True)),
            "run_seconds": extra.run_micros / SECOND,
            "memory_byte_hours": extra.byte_micros / HOUR,
            "embeddings": extra.embeddings,
        }


def rows_in(
    reader: Reader, tenant: str, period: bytes
) -> Iterator[tuple[Scope, UsageRow | ExtraRow]]:
    """Yield all rows of a period, given by its part of row keys, with their scopes."""
    prefix = tenant_key(UsageRow, tenant, period)
    for key, row in reader.scan(UsageRow, prefix):
        yield unpack(key[len(prefix) :]), row
    prefix = tenant_key(ExtraRow, tenant, period)
    for key, extra in reader.scan(ExtraRow, prefix):
        yield unpack(key[len(prefix) :]), extra
