"""What usage and budgets must come to, in plain Python: Decimals and dicts, no fold."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Any
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
KINDS = ("hour", "day", "week", "month")
COSTS = ("reported_usd", "computed_usd", "adjusted_usd")
FIELDS = (
    "calls",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_creation_tokens",
    "reported_usd",
    "computed_usd",
    "adjusted_usd",
    "unpriced_calls",
    "late_events",
)


def micros(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


def natural(zone: str, kind: str, time: int) -> tuple[int, int]:
    """Bounds, for zones whose midnight is never skipped."""
    local = (EPOCH + timedelta(microseconds=time)).astimezone(ZoneInfo(zone))
    if kind == "hour":
        into = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
        start = EPOCH + timedelta(microseconds=time) - into
        return micros(start), micros(start + timedelta(hours=1))
    day = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if kind == "day":
        return micros(day), micros(day + timedelta(days=1))
    if kind == "week":
        day -= timedelta(days=day.weekday())
        return micros(day), micros(day + timedelta(days=7))
    day = day.replace(day=1)
    return micros(day), micros((day + timedelta(days=32)).replace(day=1))


@dataclass
class Budget:
    limit: Decimal
    period: str
    zone: str
    thresholds: list[int]
    scope: dict[str, str]
    revision: int = 1
    since: int | None = None
    implicit: bool = False
    deleted: bool = False
    spent: dict[tuple[int, int], Decimal] = field(default_factory=dict)
    unpriced: dict[tuple[int, int], int] = field(default_factory=dict)
    calls: dict[tuple[int, int], int] = field(default_factory=dict)
    told: dict[tuple[int, int], "Told"] = field(default_factory=dict)


@dataclass
class Told:
    """What was told of a budget's period."""

    revision: int
    fired: list[int | str] = field(default_factory=list)
    """What holds: thresholds, "exceeded"."""
    sent: set[tuple[str, int | None]] = field(default_factory=set)
    """Alerts under this revision."""
    alerted: bool = False
    corrected: int = -1


class Model:
    """All facts that a log tells, and in ``told`` what must have gone out, in order.

    ``now``, ``log_time`` and ``cause`` (the record's id) are set before each record.
    """

    def __init__(self, max_alerts: int) -> None:
        self.zones: dict[str, str] = {}
        self.opened: dict[tuple[str, str], list[tuple[int, int]]] = {}
        self.first_late: dict[tuple[str, int], int] = {}
        self.usage: dict[tuple[str, str, tuple[int, int]], list[tuple[dict[str, str], Any]]] = {}
        self.budgets: dict[tuple[str, str], Budget] = {}
        self.max_alerts = max_alerts
        self.grace = 24 * 3600 * 10**6
        self.default = Decimal(100)
        self.told: list[tuple[Any, ...]] = []
        self.commands: dict[tuple[str, str], int] = {}
        """Place in ``told`` of the last record about a tenant's command of an id."""
        self.noted: set[tuple[Any, ...]] = set()
        self.prices: dict[tuple[str, str, str], dict[int, tuple[Decimal, ...]]] = {}
        self.now = self.log_time = 0
        self.cause = ""

    def late(self, end: int) -> bool:
        return self.log_time > end + self.grace

    def tell(self, tenant: str, what: str, *details: Any) -> None:
        self.told.append((tenant, what, self.now, *details))

    def audit(self, tenant: str, action: str, error: str | None, target: str, detail: Any) -> None:
        self.commands[tenant, self.cause] = len(self.told)
        self.tell(tenant, action, error, target, detail)

    def tick(self) -> None:
        """Each month that is closed and of which it was not said yet, the first to end first."""
        due = sorted(
            (max(end, self.first_late.get((tenant, start), end)), end, tenant, start)
            for (tenant, kind), opened in self.opened.items()
            for start, end in opened
            if kind == "month" and (tenant, kind, start) not in self.noted
        )
        due = [each for each in due if self.late(each[0])]
        for _, end, tenant, start in due[:20]:
            self.noted.add((tenant, "month", start))
            events = self.usage.get((tenant, "month", (start, end)), [])
            cost = sum((e[n] for _, e in events for n in COSTS), Decimal(0))
            self.tell(tenant, "usage.statement", None, f"month/{start}", cost)

    def adjust(self, tenant: str, time: int, amount: Decimal, model: str, project: str) -> None:
        scope = dict.fromkeys(
            ("provider", "model", "agent", "cost_attribution", "job", "cluster"), ""
        )
        scope |= {"model": model, "cost_attribution": project}
        event = dict.fromkeys(FIELDS, 0) | {"adjusted_usd": amount}
        for kind in KINDS:
            bounds = self.period_of(tenant, kind, time)
            self.usage.setdefault((tenant, kind, bounds), []).append((scope, event))
        self.audit(tenant, "usage.adjusted", None, str(time), amount)
        self.spend(tenant, time, scope, amount)

    def price_of(self, tenant: str, scope: dict[str, str], time: int) -> Any:
        """Prices (input, output, cached input) of the latest date that is not after the call."""
        dates = self.prices.get((tenant, scope["provider"], scope["model"]), {})
        return dates.get(max((date for date in dates if date <= time), default=None))

    def set_price(
        self, tenant: str, provider: str, model: str, since: int, usd: tuple[Decimal, ...]
    ) -> None:
        self.prices.setdefault((tenant, provider, model), {})[since] = usd
        self.audit(tenant, "price.set", None, f"{provider}/{model}", since)

    def period_of(self, tenant: str, kind: str, time: int) -> tuple[int, int]:
        opened = self.opened.setdefault((tenant, kind), [])
        for start, end in opened:
            if start <= time < end:
                return start, end
        start, end = natural(self.zones.get(tenant, "UTC"), kind, time)
        start = max([start, *(e for _, e in opened if e <= time)])
        end = min([end, *(s for s, _ in opened if s > time)])
        opened.append((start, end))
        return start, end

    def call(self, tenant: str, time: int, scope: dict[str, str], event: dict[str, Any]) -> None:
        for kind in KINDS:
            bounds = self.period_of(tenant, kind, time)
            late = self.late(bounds[1])
            add = {**event, "late_events": int(late)}
            self.usage.setdefault((tenant, kind, bounds), []).append((scope, add))
            if late and (tenant, kind, bounds) not in self.noted:
                self.noted.add((tenant, kind, bounds))
                if kind == "month":
                    self.first_late[tenant, bounds[0]] = self.log_time
                self.tell(tenant, "event.late", None, f"{kind}/{bounds[0]}", None)
        model = scope["provider"], scope["model"]
        day = self.log_time // (86_400 * 10**6)
        if event["unpriced_calls"] and (tenant, model, day) not in self.noted:
            self.noted.add((tenant, model, day))
            self.tell(tenant, "usage.unpriced", self.cause, *model)
        cost = event["reported_usd"] + event["computed_usd"]
        self.spend(tenant, time, scope, cost, event["calls"], event["unpriced_calls"])

    def spend(
        self, tenant: str, time: int, scope: dict[str, str], cost: Decimal, *counts: int
    ) -> None:
        self.present(tenant, "default", time)
        for (owner, name), budget in sorted(self.budgets.items()):
            if owner != tenant or budget.deleted:
                continue
            if any(scope[key] != value for key, value in budget.scope.items()):
                continue
            self.add(tenant, name, budget, time, cost, *counts)

    def add(
        self,
        tenant: str,
        name: str,
        budget: Budget,
        time: int,
        cost: Decimal,
        calls: int = 0,
        unpriced: int = 0,
    ) -> None:
        """Spend of one budget, down too."""
        bounds = natural(budget.zone, budget.period, time)
        budget.spent[bounds] = budget.spent.get(bounds, Decimal(0)) + cost
        budget.calls[bounds] = budget.calls.get(bounds, 0) + calls
        budget.unpriced[bounds] = budget.unpriced.get(bounds, 0) + unpriced
        self.evaluate(tenant, name, budget, bounds, moved=cost != 0 and self.late(bounds[1]))

    def evaluate(
        self, tenant: str, name: str, budget: Budget, bounds: tuple[int, int], *, moved: bool
    ) -> None:
        spent = budget.spent[bounds]
        told = budget.told.setdefault(bounds, Told(budget.revision))
        before, again = len(self.told), False

        def alert(what: str, threshold: int | None = None) -> None:
            nonlocal again
            if (what, threshold) in told.sent:
                again = True
            else:
                told.sent.add((what, threshold))
                self.alert(tenant, what, name, budget, bounds, threshold, budget.zone)

        holds: list[int | str] = [t for t in budget.thresholds if spent * 100 >= budget.limit * t]
        if told.revision != budget.revision:
            gone = [
                t for t in told.fired if t != "exceeded" and spent * 100 < budget.limit * int(t)
            ]
            told.revision, told.fired, told.sent = budget.revision, [], set()
            for t in gone:
                alert("budget.recovered", int(t))
        for t in told.fired:
            if t != "exceeded" and t not in holds:
                alert("budget.recovered", int(t))
        for t in holds:
            if t not in told.fired:
                alert("budget.threshold.crossed", int(t))
        if spent > budget.limit:
            holds.append("exceeded")
            if "exceeded" not in told.fired:
                alert("budget.exceeded")
        elif "exceeded" in told.fired:
            again = True
        expected = self.forecast(budget, bounds)
        too_much = expected is not None and expected > budget.limit
        if too_much and ("budget.forecast.exceeded", None) not in told.sent:
            alert("budget.forecast.exceeded")
        told.fired = holds
        hour = self.log_time // (3600 * 10**6)
        silent = again and len(self.told) == before
        if hour != told.corrected and (silent or (moved and told.alerted)):
            told.corrected = hour
            self.alert(tenant, "budget.corrected", name, budget, bounds, None, budget.zone)
        told.alerted = told.alerted or len(self.told) > before

    def forecast(self, budget: Budget, bounds: tuple[int, int]) -> Fraction | None:
        """Spent / elapsed * length of what the budget counts of a period that is running."""
        start, end = bounds
        since = start if budget.since is None else max(start, budget.since)
        elapsed = self.log_time - since
        if budget.calls.get(bounds, 0) < 3 or elapsed * 10 < end - start or self.log_time >= end:
            return None
        return Fraction(budget.spent[bounds]) / elapsed * (end - since)

    def alert(
        self,
        tenant: str,
        what: str,
        name: str,
        budget: Budget,
        bounds: tuple[int, int],
        threshold: int | None,
        zone: str,
    ) -> None:
        if what == "budget.threshold.crossed":
            assert threshold is not None
            severity = "critical" if threshold >= 100 else "warning" if threshold >= 80 else "info"
        else:
            grave = {"budget.exceeded": "critical", "budget.forecast.exceeded": "warning"}
            severity = grave.get(what, "info")
        expected = self.forecast(budget, bounds)
        shown = None if expected is None else Decimal(floor(expected * 10**9)) / 10**9
        spent, unpriced = budget.spent.get(bounds, Decimal(0)), budget.unpriced.get(bounds, 0)
        figures = (budget.limit, spent, shown, unpriced)
        late = self.late(bounds[1])
        about = (self.cause, name, budget.revision, bounds, zone)
        self.tell(tenant, what, *about, threshold, *figures, late, severity)

    def present(self, tenant: str, name: str, time: int | None) -> Budget | None:
        budget = self.budgets.get((tenant, name))
        if name == "default":
            if budget is None:
                budget = Budget(self.default, "day", "UTC", [50, 80, 100], {}, implicit=True)
                self.budgets[tenant, name] = budget
            if budget.implicit and budget.limit != self.default:
                # Nobody knew of it yet: then it begins with the limit of today.
                budget.revision += budget.since is not None
                budget.limit = self.default
            if budget.implicit and budget.since is None:
                budget.since = time
        return budget

    def live(self, tenant: str) -> dict[str, Budget]:
        self.present(tenant, "default", None)
        return {n: b for (t, n), b in sorted(self.budgets.items()) if t == tenant and not b.deleted}

    def set_budget(self, tenant: str, name: str, time: int, new: Budget, weight: int) -> None:
        others = {
            n: len(b.thresholds)
            for (t, n), b in self.budgets.items()
            if t == tenant and not b.deleted
        }
        if (tenant, "default") not in self.budgets:
            others["default"] = 3
        others.pop(name, None)
        # What is refused changes nothing, not even whether the default's limit was looked at.
        if sum(thresholds + 4 for thresholds in others.values()) + weight + 4 > self.max_alerts:
            self.audit(tenant, "budget.set", "too_many_budgets", name, None)
            return
        old = self.present(tenant, name, None)
        default = self.present(tenant, "default", None)
        assert default is not None
        if name != "default" and default.implicit:
            default.implicit, default.deleted = False, True
        self.budgets[tenant, name] = new
        new.since = time
        if old is not None:
            new.revision = old.revision + 1
        if old is None or old.deleted:
            self.audit(tenant, "budget.set", None, name, new.revision)
            return
        if (old.period, old.zone, old.scope) != (new.period, new.zone, new.scope):
            self.audit(tenant, "budget.set", None, name, new.revision)
            for bounds in sorted(old.told):
                for t in [] if self.late(bounds[1]) else old.told[bounds].fired:
                    if t != "exceeded":
                        self.alert(tenant, "budget.recovered", name, new, bounds, int(t), old.zone)
            return
        new.spent, new.calls, new.told = old.spent, old.calls, old.told
        new.unpriced = old.unpriced
        new.since = time if old.since is None else old.since
        same = (old.limit, old.thresholds) == (new.limit, new.thresholds)
        new.revision -= same
        self.audit(tenant, "budget.set", None, name, new.revision)
        for bounds in [] if same else sorted(new.spent):
            if not self.late(bounds[1]):
                self.evaluate(tenant, name, new, bounds, moved=False)

    def delete_budget(self, tenant: str, name: str) -> None:
        old = self.present(tenant, name, None)
        if old is None or old.deleted:
            self.audit(tenant, "budget.deleted", "not_found", name, None)
            return
        self.audit(tenant, "budget.deleted", None, name, old.revision)
        old.deleted, old.implicit = True, False

    def set_zone(self, tenant: str, zone: str, *, known: bool) -> None:
        before = self.zones.get(tenant, "UTC")
        self.audit(tenant, "tenant.set", None if known else "unknown_timezone", tenant, before)
        if known:
            self.zones[tenant] = zone

    def report(self, tenant: str, kind: str, group_by: str | None) -> list[tuple[Any, ...]]:
        """(start, end, group value, sums) of each bucket, in order."""
        sums: dict[tuple[int, int, str], dict[str, Any]] = {}
        for (owner, what, (start, end)), events in self.usage.items():
            if (owner, what) == (tenant, kind):
                for scope, event in events:
                    value = scope[group_by] if group_by else ""
                    into = sums.setdefault((start, end, value), dict.fromkeys(FIELDS, 0))
                    for name in FIELDS:
                        into[name] += event[name]
        return [(*key, sums[key]) for key in sorted(sums)]
