"""What the metering job must come to: sums and alerts in plain Python, no code of any contender."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal

from metering_job import Budget, Event

NANO = Decimal("1e-9")
MTOK = 10**6
# USD a million tokens: input, output, cache read.
PRICES = {
    "gpt-4o": (Decimal("2.5"), Decimal(10), Decimal("1.25")),
    "gpt-4o-mini": (Decimal("0.15"), Decimal("0.6"), Decimal("0.075")),
    "gemini-1.5-flash": (Decimal("0.075"), Decimal("0.3"), Decimal("0.01875")),
    "claude-sonnet-4-5": (Decimal(3), Decimal(15), Decimal("0.3")),
}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Place = tuple[str, str, int, str, str, str, str]
"""Tenant, kind of period (h, d, w, m), its start in us, provider, model, agent, project."""
Sums = tuple[int, int, int, int, int, int]
"""Calls, input, output and cache read tokens, reported and computed nano-USD."""
Alert = tuple[str, str, int, str, int | None, int, str]
"""Tenant, budget, start of its period (us), type, threshold, nano-USD spent, id of the cause."""


class Model:
    """The right answer of a run."""

    def __init__(self, events: Iterable[Event], budgets: Mapping[str, list[Budget]]) -> None:
        self.usage: dict[Place, Sums] = {}
        self.alerts: set[Alert] = set()
        self.refused = 0
        self.repeated = 0
        self._budgets = budgets
        self._spent: dict[tuple[str, str, int], int] = defaultdict(int)
        self._told: set[tuple[str, str, int, str, int | None]] = set()
        sums: dict[Place, list[int]] = {}
        seen = set()
        for event in events:
            usage = event.data["usage"]
            if usage["gen_ai.usage.input_tokens"] < 0:
                self.refused += 1
            elif (identity := (event.tenant, event.source, event.id)) in seen:
                self.repeated += 1
            else:
                seen.add(identity)
                self._count(sums, event)
        self.usage = {place: tuple(found) for place, found in sums.items()}  # type: ignore[misc]

    def _count(self, sums: dict[Place, list[int]], event: Event) -> None:
        data = event.data
        usage = data["usage"]
        provider, model = usage["gen_ai.provider.name"], usage["gen_ai.request.model"]
        read, out, cached = (
            usage.get(f"gen_ai.usage.{kind}", 0)
            for kind in ("input_tokens", "output_tokens", "cache_read.input_tokens")
        )
        reported = computed = 0
        if "cost_usd" in data:
            reported = nano(Decimal(data["cost_usd"]))
        else:
            prices = PRICES[model]
            exact = (read - cached) * prices[0] + out * prices[1] + cached * prices[2]
            computed = nano(exact / MTOK)
        scope = provider, model, data["agent"], data["cost_attribution"]
        starts = starts_of(event.time)
        for kind, start in starts.items():
            row = sums.setdefault((event.tenant, kind[0], start, *scope), [0] * 6)
            for at, value in enumerate((1, read, out, cached, reported, computed)):
                row[at] += value
        for budget in self._budgets[event.tenant]:
            values = {"model": model, "cost_attribution": data["cost_attribution"]}
            if all(values[key] == value for key, value in budget.scope.items()):
                self._spend(event, budget, starts[budget.period], reported + computed)

    def _spend(self, event: Event, budget: Budget, start: int, cost: int) -> None:
        at = event.tenant, budget.budget_id, start
        self._spent[at] += cost
        spent, limit = self._spent[at], nano(Decimal(budget.limit_usd))
        holds = [
            ("budget.threshold.crossed", percent)
            for percent in budget.thresholds
            if spent * 100 >= limit * percent
        ]
        for what, percent in [*holds, *([("budget.exceeded", None)] if spent > limit else [])]:
            if (*at, what, percent) not in self._told:
                self._told.add((*at, what, percent))
                self.alerts.add((*at, what, percent, spent, event.id))


def nano(amount: Decimal) -> int:
    """Nano-USD, rounded half to even."""
    return int(amount.quantize(NANO, rounding=ROUND_HALF_EVEN) / NANO)


def starts_of(time: int) -> dict[str, int]:
    """Start of each period (UTC, weeks from Monday) that holds a moment; microseconds."""
    hour = EPOCH + timedelta(hours=time // 3_600_000_000)
    day = hour.replace(hour=0)
    starts = {
        "hour": hour,
        "day": day,
        "week": day - timedelta(days=day.weekday()),
        "month": day.replace(day=1),
    }
    return {kind: (start - EPOCH) // timedelta(microseconds=1) for kind, start in starts.items()}
