"""Any log, folded, comes to what a naive model in plain Python says."""

from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.core.log import PriceSet, Refusal, Tick, UsageAdjust
from streams.core.time import DAY, HOUR, parse_time
from streams.usage import budget_commands
from streams.usage.read import alerts, audit, budgets, usage_report
from usage.memory_view import MemoryView
from usage.model import COSTS, FIELDS, KINDS, Budget, Model
from usage.steps import LOGS, NO_ZONE, TENANTS, Step
from usage.writer import Writer, data, refolded

SCOPE_KEYS = ("provider", "model", "agent", "cost_attribution", "job", "cluster")
QUIET = {
    "tick": Tick(),
    "refusal": Refusal("schema"),
}


def play(log: Writer, model: Model, passed: int, step: Step) -> None:
    """Give one step to both."""
    log.now += passed * HOUR // 60
    model.now, model.log_time = log.now, max(log.log_time, log.now)
    what, tenant = step["do"], step.get("tenant", "t1")
    model.cause = step.get("event") or f"e{len(log.entries)}"
    about = {"tenant": tenant, "event": model.cause}
    if what == "call":
        _call(log, model, step, about)
    elif what == "set":
        name, period, zone = step["name"], step["period"], step["zone"]
        thresholds, scope = step["thresholds"], step["scope"]
        fields = {"period": period, "timezone": zone, "thresholds": thresholds, "scope": scope}
        log.budget(step["limit"], budget_id=name, **fields, **about)
        new = Budget(Decimal(step["limit"]), period, zone, sorted(set(thresholds)), scope)
        model.set_budget(tenant, name, log.now, new, len(thresholds))
    elif what == "delete":
        log.delete(step["name"], **about)
        model.delete_budget(tenant, step["name"])
    elif what == "zone":
        log.zone(step["zone"], **about)
        model.set_zone(tenant, step["zone"], known=step["zone"] != NO_ZONE)
    elif what == "price":
        time = log.now - step["ago"] * HOUR // 60
        usd = tuple(Decimal(step[name]) for name in ("read", "written", "cached"))
        nano = tuple(int(amount * 10**9) for amount in usd)
        log.append(PriceSet(step["provider"], step["model"], *nano, time), **about)
        model.set_price(tenant, step["provider"], step["model"], time, usd)
    elif what == "adjust":
        time = log.now - step["ago"] * HOUR // 60
        amount, labels = Decimal(step["amount"]), (step["model"], step["cost_attribution"])
        log.append(UsageAdjust(int(amount * 10**9), time, *labels, "why"), **about)
        model.adjust(tenant, time, amount, *labels)
    elif what == "config":
        log.config(grace_hours=step["grace"], default_budget=step["default"])
        model.grace, model.default = step["grace"] * HOUR, Decimal(step["default"])
    else:
        made = log.append(QUIET[step["body"]], **about)
        assert {getattr(output, "type", None) for output in made} <= {"usage.statement"}
        if step["body"] == "tick":
            model.tick()


def _call(log: Writer, model: Model, step: Step, about: dict[str, str]) -> None:
    time = log.now - step["ago"] * HOUR // 60
    scope = {key: step.get(key, "") for key in SCOPE_KEYS}
    computed, reported = step["computed"], step.get("reported")
    read = step.get("input_tokens", 1)
    tokens = {
        "input_tokens": read,
        "output_tokens": step.get("output_tokens", 1),
        "cache_read_tokens": read // 3,
        "cache_creation_tokens": read // 7,
    }
    nano = None if reported is None else int(Decimal(reported) * 10**9)
    named = {key: value for key, value in scope.items() if key != "job"}
    log.call(computed, time=time, reported=nano, **named, **tokens, **about)
    cost, unpriced = Decimal(0), False
    if reported is None:
        own = model.price_of(about["tenant"], scope, time)
        unpriced = own is None and computed is None
        cost = Decimal(computed or 0) if own is None else _cost(own, tokens)
    event = {
        "calls": 1,
        "reported_usd": Decimal(reported or 0),
        "computed_usd": cost,
        "adjusted_usd": Decimal(0),
        "unpriced_calls": int(unpriced),
        **tokens,
    }
    model.call(about["tenant"], time, scope, event)


def _cost(own: tuple[Decimal, ...], tokens: dict[str, int]) -> Decimal:
    """Exact, and rounded once."""
    read, written, cached = own
    with localcontext(prec=60, rounding=ROUND_HALF_EVEN):
        exact = (
            (tokens["input_tokens"] - tokens["cache_read_tokens"]) * read
            + tokens["cache_read_tokens"] * cached
            + tokens["output_tokens"] * written
        ) / 1_000_000
        return exact.quantize(Decimal("1e-9"))


def told(output: Any) -> tuple[Any, ...]:
    """An output as the model tells it."""
    found = data(output)
    assert (found["tenant"], output.type) == (output.tenant, found.get("type", found.get("action")))
    head = (output.tenant, output.type, parse_time(found["at"]))
    if output.topic == "tenant.audit.v1":
        return (*head, *_audit(found))
    cause = found["cause"]["id"]
    if output.type == "usage.unpriced":
        return (*head, cause, found["provider"], found["model"])
    return (
        *head,
        cause,
        found["budget_id"],
        found["revision"],
        (parse_time(found["period_start"]), parse_time(found["period_end"])),
        found["timezone"],
        found["threshold_percent"],
        *(Decimal(found[name]) for name in ("limit_usd", "spent_usd")),
        None if found["forecast_usd"] is None else Decimal(found["forecast_usd"]),
        found["unpriced_calls"],
        found["late"],
        found["severity"],
    )


def _audit(found: dict[str, Any]) -> tuple[Any, ...]:
    target, details = found["target"]["id"], found["details"]
    assert found["outcome"] == ("done" if found["error"] is None else "rejected")
    if found["action"] in ("event.late", "usage.statement"):
        kind, start = target.split("/")
        target = f"{kind}/{parse_time(start)}"
    if found["action"] == "usage.statement":
        return found["error"], target, Decimal(details["cost_usd"])
    if found["action"] == "usage.adjusted":
        return found["error"], str(parse_time(target)), Decimal(details["amount_usd"])
    if found["action"] == "price.set":
        return found["error"], target, parse_time(details["effective_from"])
    return found["error"], target, details.get("revision", details.get("previous"))


def _report(view: MemoryView, tenant: str, kind: str, group_by: str | None) -> list[Any]:
    body = usage_report(view, tenant, period=kind, group_by=group_by)
    found = []
    for bucket in body["buckets"]:
        value = bucket["group"][group_by] if group_by else ""
        sums = {
            name: Decimal(bucket[name]) if name.endswith("usd") else bucket[name] for name in FIELDS
        }
        assert Decimal(bucket["cost_usd"]) == sum(sums[name] for name in COSTS)
        found.append((parse_time(bucket["start"]), parse_time(bucket["end"]), value, sums))
    for name in FIELDS:
        assert Decimal(body["total"][name]) == sum(sums[name] for *_, sums in found)
    return found


def _pages(read: Any, log: Writer, tenant: str) -> list[bytes]:
    """A whole list, oldest first, read in pages."""
    found: list[bytes] = []
    before = None
    while True:
        items, before = read(log.view, tenant, limit=7, before=before, log_time=log.log_time)
        found += [bytes(item) for item in items]
        if before is None:
            return found[::-1]


def _kept(output: Any, log_time: int) -> bool:
    return parse_time(data(output)["at"]) >= log_time - 30 * DAY


@pytest.mark.parametrize("name", LOGS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_log_comes_to_what_the_naive_model_says(name: str, drawn: st.DataObject) -> None:
    max_alerts = drawn.draw(st.sampled_from((560, 560, 13)))
    log, model = Writer(), Model(max_alerts)
    with patch.object(budget_commands, "MAX_ALERTS", max_alerts):
        for passed, step in drawn.draw(LOGS[name]):
            play(log, model, passed, step)

        # Rows that are kept as they are give the same bytes as rows stored each time.
        again = MemoryView()
        assert refolded(again, log.entries) == log.outputs
        assert again.encoded() == log.view.encoded()

    outputs = log.outputs
    assert [told(output) for output in outputs] == model.told
    ids = [output.id for output in outputs]
    assert len(set(ids)) == len(ids)
    for tenant in TENANTS:
        for kind in KINDS:
            for group_by in (None, drawn.draw(st.sampled_from(SCOPE_KEYS))):
                found = _report(log.view, tenant, kind, group_by)
                assert found == model.report(tenant, kind, group_by)
        for read, topic in ((alerts, "budget.alerts.v1"), (audit, "tenant.audit.v1")):
            mine = [o for o in outputs if (o.tenant, o.topic) == (tenant, topic)]
            due = [o.data for o in mine if _kept(o, log.log_time)]
            assert _pages(read, log, tenant) == due
        _check_budgets(log, model, tenant)
    for (tenant, command), at in model.commands.items():
        items, _ = audit(log.view, tenant, limit=1, cause=("/test", command))
        # One that is past its 30 days may be there still.
        if items or _kept(outputs[at], log.log_time):
            assert [bytes(item) for item in items] == [outputs[at].data]


def _check_budgets(log: Writer, model: Model, tenant: str) -> None:
    live = model.live(tenant)
    items = budgets(log.view, tenant, log_time=log.log_time)
    assert [item["config"]["budget_id"] for item in items] == list(live)
    for item, budget in zip(items, live.values(), strict=True):
        config = item["config"]
        assert Decimal(config["limit_usd"]) == budget.limit
        assert (config["period"], config["timezone"]) == (budget.period, budget.zone)
        assert (config["thresholds"], config["scope"]) == (budget.thresholds, budget.scope)
        assert item["revision"] == budget.revision
        since = item["counted_since"]
        assert (None if since is None else parse_time(since)) == budget.since
        bounds = parse_time(item["period_start"]), parse_time(item["period_end"])
        assert Decimal(item["spent_usd"]) == budget.spent.get(bounds, Decimal(0))
        assert item["unpriced_calls"] == budget.unpriced.get(bounds, 0)
        told = budget.told.get(bounds)
        fired = [] if told is None else told.fired
        assert item["fired"] == [t for t in fired if t != "exceeded"]
        assert item["exceeded"] == ("exceeded" in fired)
