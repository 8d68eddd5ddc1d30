"""What a run's input must come to: Decimals and dicts in plain Python, no code of the folds."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cache
from typing import Any
from uuid import NAMESPACE_URL, uuid5
from zoneinfo import ZoneInfo

from tests.faults.events import Event
from tests.faults.forgetting import TENANTS as FORGETFUL
from tests.faults.forgetting import Forgotten

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NANO = Decimal("1e-9")
MTOK = Decimal(10) ** 6
QUARTER = 900 * 10**6
NAMESPACE = uuid5(NAMESPACE_URL, "urn:agent-streams")
# USD a million tokens: input, output, cache read (tiers above 128k tokens are not reached).
PRICES = {
    ("openai", "gpt-4o"): (Decimal("2.5"), Decimal(10), Decimal("1.25")),
    ("openai", "gpt-4o-mini"): (Decimal("0.15"), Decimal("0.6"), Decimal("0.075")),
    ("google", "gemini-1.5-flash"): (Decimal("0.075"), Decimal("0.3"), Decimal("0.01875")),
    ("anthropic", "claude-sonnet-4-5"): (Decimal(3), Decimal(15), Decimal("0.3")),
}
MONEY = ("cost_usd", "reported_usd", "computed_usd", "adjusted_usd")
SUMS = (
    "calls",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_creation_tokens",
    *MONEY,
    "unpriced_calls",
    "late_events",
)

Group = tuple[str, str | None]
"""Start of a period as the API writes it, and the value it is grouped by."""


@dataclass
class Budget:
    """One tenant's budget, what it counted by period, and what it must have told."""

    limit: Decimal
    period: str
    zone: str = "UTC"
    thresholds: list[int] = field(default_factory=lambda: [50, 80, 100])
    scope: dict[str, str] = field(default_factory=dict)
    spent: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    told: set[tuple[str, str, int | None]] = field(default_factory=set)
    alerts: list[tuple[Any, ...]] = field(default_factory=list)

    def add(self, event: Event, scope: dict[str, str], cost: Decimal) -> None:
        if any(scope[key] != value for key, value in self.scope.items()):
            return
        start = start_text(self.period, self.zone, event.time // QUARTER)
        self.spent[start] += cost
        spent = self.spent[start]
        for threshold in sorted(self.thresholds):
            if spent * 100 >= self.limit * threshold:
                self.tell(event, start, "budget.threshold.crossed", threshold)
        if spent > self.limit:
            self.tell(event, start, "budget.exceeded", None)

    def tell(self, event: Event, start: str, what: str, threshold: int | None) -> None:
        if (start, what, threshold) not in self.told:
            self.told.add((start, what, threshold))
            self.alerts.append(
                (start, what, threshold, plain(self.spent[start]), event.source, event.id)
            )


@dataclass
class Memory:
    """What is remembered of all that was written under one id."""

    content: str
    agent: str
    revision: int


class Model:
    """A naive fold of the input: each event once, in the order in which it was sent."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, str, str]] = set()
        # By tenant, day, hour and model, in the order of SUMS.
        self._calls: dict[tuple[str, str, str, str], list[Any]] = {}
        self.budgets: dict[tuple[str, str], Budget] = {}
        self.commands: list[tuple[str, str]] = []
        self.quotas: list[tuple[str, str]] = []
        self.zones: dict[str, str] = {}
        self.adjusted: list[tuple[str, str]] = []
        self.unpriced: set[tuple[str, str, str]] = set()
        self.memories: dict[tuple[str, str], Memory] = {}
        self._with_budget: set[str] = set()
        self.duplicates = 0
        self.forgotten = Forgotten()

    def fold(self, events: Iterable[Event]) -> "Model":
        for event in events:
            self.add(event)
        return self

    def folding(self, events: Iterable[Event]) -> Iterator[Event]:
        """Fold events while somebody takes them."""
        for event in events:
            self.add(event)
            yield event

    def add(self, event: Event) -> None:
        identity = event.tenant, event.source, event.id
        if identity in self.seen:
            self.duplicates += 1
            return
        self.seen.add(identity)
        if event.tenant in FORGETFUL:
            self.forgotten.add(event)
            return
        if event.type == "tenant.set":
            self.zones[event.tenant] = event.data["timezone"]
        elif event.type == "quota.set":
            self.quotas.append((event.tenant, event.id))
        elif event.type == "usage.adjust":
            self._adjust(event)
        elif event.type == "budget.set":
            self._set(event)
        else:
            self._count(event)
            if "content" in event.data:
                self._remember(event)

    def usage(self) -> dict[tuple[str, str], dict[Group, dict[str, Any]]]:
        """Return sums by (tenant, view), each by period and group."""
        usage: dict[tuple[str, str], dict[Group, dict[str, Any]]] = {}
        for (tenant, day, hour, model), sums in self._calls.items():
            call = dict(zip(SUMS, sums, strict=True))
            for view, group in (
                ("hour", (hour, None)),
                ("day", (day, None)),
                ("day by model", (day, model)),
            ):
                buckets = usage.setdefault((tenant, view), {})
                bucket = buckets.setdefault(group, dict.fromkeys(call, 0))
                for name, value in call.items():
                    bucket[name] += value
        return usage

    @property
    def late(self) -> set[tuple[str, str]]:
        """Hours and days of which late events must have been told, once each."""
        return {
            (tenant, target)
            for (tenant, day, hour, _), sums in self._calls.items()
            if sums[-1]
            for target in (f"hour/{hour}", f"day/{day}")
        }

    def alerts(self) -> dict[tuple[str, str], list[tuple[Any, ...]]]:
        """Return the alerts of each (tenant, budget), in order."""
        return {key: budget.alerts for key, budget in self.budgets.items() if budget.alerts}

    def _set(self, event: Event) -> None:
        data = event.data
        self.commands.append((event.tenant, data["budget_id"]))
        self._with_budget.add(event.tenant)
        self.budgets[event.tenant, data["budget_id"]] = Budget(
            Decimal(data["limit_usd"]),
            data["period"],
            data.get("timezone", "UTC"),
            data.get("thresholds", [50, 80, 100]),
            data.get("scope", {}),
        )

    def _adjust(self, event: Event) -> None:
        """Half-even to a nano-dollar, as money that comes in is read."""
        amount = nano(Decimal(event.data["amount_usd"]))
        time = (datetime.fromisoformat(event.data["at"]) - EPOCH) // timedelta(microseconds=1)
        self.adjusted.append((event.tenant, event.data["at"]))
        sums = dict.fromkeys(SUMS, 0) | {"cost_usd": amount, "adjusted_usd": amount}
        self._sum(event.tenant, time, "", sums)

    def _remember(self, event: Event) -> None:
        data = event.data
        name = f"{event.tenant}\n{event.source}\n{event.id}"
        key = event.tenant, data.get("memory_id") or str(uuid5(NAMESPACE, name))
        before = self.memories.get(key)
        revision = before.revision + 1 if before else 1
        self.memories[key] = Memory(data["content"], data["agent"], revision)

    def _count(self, event: Event) -> None:
        data = event.data
        usage = data.get("usage")
        if usage is None and "cost_usd" not in data:
            return
        usage = usage or {}
        provider = usage.get("gen_ai.provider.name", "")
        model = usage.get("gen_ai.request.model", "")
        tokens = [
            usage.get(f"gen_ai.usage.{kind}", 0)
            for kind in ("input_tokens", "output_tokens", "cache_read.input_tokens")
        ]
        reported = computed = Decimal(0)
        unpriced = 0
        if "cost_usd" in data:
            reported = nano(Decimal(data["cost_usd"]))
        elif (provider, model) in PRICES:
            read, out, cached = PRICES[provider, model]
            plain_tokens = tokens[0] - tokens[2]
            computed = nano((plain_tokens * read + tokens[1] * out + tokens[2] * cached) / MTOK)
        else:
            unpriced = 1
            self.unpriced.add((event.tenant, provider, model))
        late = int(event.source == "/late")
        call = [1, *tokens, 0, reported + computed, reported, computed, 0, unpriced, late]
        self._sum(event.tenant, event.time, model, dict(zip(SUMS, call, strict=True)))
        scope = {"model": model, "cost_attribution": data.get("cost_attribution", "")}
        default = (event.tenant, "default")
        if event.tenant not in self._with_budget:
            self._with_budget.add(event.tenant)
            self.budgets[default] = Budget(Decimal(100), "day")
        for name in ("day", "hour-4o", "berlin", "default"):
            if budget := self.budgets.get((event.tenant, name)):
                budget.add(event, scope, reported + computed)

    def _sum(self, tenant: str, time: int, model: str, more: dict[str, Any]) -> None:
        zone = self.zones.get(tenant, "UTC")
        hour = start_text("hour", zone, time // QUARTER)
        day = start_text("day", zone, time // QUARTER)
        bucket = self._calls.setdefault((tenant, day, hour, model), [0] * len(SUMS))
        for i, value in enumerate(more.values()):
            if value:
                bucket[i] += value


def nano(amount: Decimal) -> Decimal:
    return amount.quantize(NANO, rounding=ROUND_HALF_EVEN)


def plain(amount: Decimal) -> str:
    """Write an amount as the API does."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@cache
def start_text(period: str, zone: str, quarter: int) -> str:
    """Write the start of a quarter of an hour's period as the API does; periods begin at those."""
    time = EPOCH + timedelta(microseconds=quarter * QUARTER)
    local = time.astimezone(ZoneInfo(zone)).replace(minute=0, second=0, microsecond=0)
    start = local if period == "hour" else local.replace(hour=0)
    return start.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
