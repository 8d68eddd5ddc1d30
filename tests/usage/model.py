"""What usage and budgets must come to, in plain Python: Decimals and dicts, no fold."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
KINDS = ("hour", "day", "week", "month")
FIELDS = (
    "calls",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_creation_tokens",
    "reported_usd",
    "computed_usd",
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
    fired: dict[tuple[int, int], tuple[int, list[int | str]]] = field(default_factory=dict)


class Model:
    """All facts that a log tells, and in ``told`` what must have gone out, in order.

    ``now``, ``log_time`` and ``cause`` (the record's id) are set before each record.
    """

    def __init__(self, max_alerts: int) -> None:
        self.zones: dict[str, str] = {}
        self.opened: dict[tuple[str, str], list[tuple[int, int]]] = {}
        self.usage: dict[tuple[str, str, tuple[int, int]], list[tuple[dict[str, str], Any]]] = {}
        self.budgets: dict[tuple[str, str], Budget] = {}
        self.max_alerts = max_alerts
        self.grace = 24 * 3600 * 10**6
        self.default = Decimal(100)
        self.told: list[tuple[Any, ...]] = []
        self.commands: dict[tuple[str, str], int] = {}
        """Place in ``told`` of the last record about a tenant's command of an id."""
        self.noted: set[tuple[Any, ...]] = set()
        self.now = self.log_time = 0
        self.cause = ""

    def late(self, end: int) -> bool:
        return self.log_time > end + self.grace

    def tell(self, tenant: str, what: str, *details: Any) -> None:
        self.told.append((tenant, what, self.now, *details))

    def audit(self, tenant: str, action: str, error: str | None, target: str, detail: Any) -> None:
        self.commands[tenant, self.cause] = len(self.told)
        self.tell(tenant, action, error, target, detail)

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
                self.tell(tenant, "event.late", None, f"{kind}/{bounds[0]}", None)
        model = scope["provider"], scope["model"]
        day = self.log_time // (86_400 * 10**6)
        if event["unpriced_calls"] and (tenant, model, day) not in self.noted:
            self.noted.add((tenant, model, day))
            self.tell(tenant, "usage.unpriced", self.cause, *model)
        self.present(tenant, "default", time)
        for (owner, name), budget in sorted(self.budgets.items()):
            if owner != tenant or budget.deleted:
                continue
            if any(scope[key] != value for key, value in budget.scope.items()):
                continue
            bounds = natural(budget.zone, budget.period, time)
            cost = event["reported_usd"] + event["computed_usd"]
            budget.spent[bounds] = budget.spent.get(bounds, Decimal(0)) + cost
            budget.unpriced[bounds] = budget.unpriced.get(bounds, 0) + event["unpriced_calls"]
            self.evaluate(tenant, name, budget, bounds)

    def evaluate(self, tenant: str, name: str, budget: Budget, bounds: tuple[int, int]) -> None:
        spent = budget.spent[bounds]
        revision, fired = budget.fired.get(bounds, (budget.revision, []))
        holds = [t for t in budget.thresholds if spent * 100 >= budget.limit * t]

        def alert(what: str, threshold: int | None) -> None:
            self.alert(tenant, what, name, budget, bounds, threshold, budget.zone)

        if revision != budget.revision:
            for t in fired:
                if t != "exceeded" and spent * 100 < budget.limit * t:
                    alert("budget.recovered", t)
            fired = []
        for t in holds:
            if t not in fired:
                alert("budget.threshold.crossed", t)
                fired = [*fired, t]
        if spent > budget.limit and "exceeded" not in fired:
            alert("budget.exceeded", None)
            fired = [*fired, "exceeded"]
        budget.fired[bounds] = (budget.revision, fired)

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
            severity = "critical" if what == "budget.exceeded" else "info"
        spent, unpriced = budget.spent.get(bounds, Decimal(0)), budget.unpriced.get(bounds, 0)
        figures = (budget.limit, spent, unpriced)
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
        if sum(thresholds + 2 for thresholds in others.values()) + weight + 2 > self.max_alerts:
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
            for bounds in sorted(old.fired):
                for t in [] if self.late(bounds[1]) else old.fired[bounds][1]:
                    if t != "exceeded":
                        self.alert(tenant, "budget.recovered", name, new, bounds, t, old.zone)
            return
        new.spent, new.fired, new.unpriced = old.spent, old.fired, old.unpriced
        new.since = time if old.since is None else old.since
        same = (old.limit, old.thresholds) == (new.limit, new.thresholds)
        new.revision -= same
        self.audit(tenant, "budget.set", None, name, new.revision)
        for bounds in [] if same else sorted(new.spent):
            if not self.late(bounds[1]):
                self.evaluate(tenant, name, new, bounds)

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
