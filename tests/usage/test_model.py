"""Any log, folded, comes to what a naive model in plain Python says."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.core.time import DAY, HOUR, parse_time
from streams.usage.read import alerts, audit, budgets, usage_report
from usage.memory_view import MemoryView
from usage.model import FIELDS, KINDS, Budget, Model
from usage.writer import Writer, data

TENANTS = ("t1", "t2")
ZONES = ("UTC", "Asia/Kolkata", "Europe/Berlin", "America/New_York")
SCOPE_KEYS = ("provider", "model", "agent", "cost_attribution", "job", "cluster")

# Near the bounds of periods and of the grace of 24 hours, where mistakes would be.
ago = st.one_of(
    st.integers(-59, 90),
    st.sampled_from([24 * 60 + m for m in (-60, -1, 0, 1, 30)]),
    st.integers(0, 60 * 24 * 40),
)


def do(what: str, **fields: Any) -> st.SearchStrategy[dict[str, Any]]:
    """One step of a log; a value that is no strategy is one of its elements."""
    return st.fixed_dictionaries(
        {
            "do": st.just(what),
            **{
                name: choice if isinstance(choice, st.SearchStrategy) else st.sampled_from(choice)
                for name, choice in fields.items()
            },
        }
    )


def logs(
    *steps: st.SearchStrategy[dict[str, Any]], passed: st.SearchStrategy[int]
) -> st.SearchStrategy[list[tuple[int, dict[str, Any]]]]:
    """Lists of (minutes since the step before, step)."""
    return st.lists(st.tuples(passed, st.one_of(*steps)), min_size=15, max_size=45)


call = do(
    "call",
    tenant=TENANTS,
    ago=ago,
    model=("m1", "m2"),
    agent=("", "a1"),
    computed=(None, "0", "0.000000001", "7", "12.5", "50"),
    reported=(None, None, None, "0", "3.3"),
    input_tokens=(0, 10, 2**53),
    output_tokens=st.integers(0, 9),
)
zone = do("zone", tenant=TENANTS, zone=ZONES)
budget = do(
    "set",
    tenant=TENANTS,
    name=("default", "b1"),
    limit=("0", "10", "12.5", "40", "100"),
    period=KINDS,
    zone=ZONES[:2],
    thresholds=([50, 80, 100], [50, 100], [120], [100, 50, 50]),
    scope=({}, {"model": "m1"}, {"agent": ""}),
)
delete = do("delete", tenant=TENANTS, name=("default", "b1"))
config = do("config", grace=(1, 24), default=("100", "20"))

# The same few periods again and again, so that what depends on order is met.
spending = do(
    "call",
    tenant=("t1",),
    ago=st.sampled_from((0, 0, 60, 24 * 60)),
    model=("m1",),
    agent=("",),
    computed=("1", "5", "7", "10"),
    reported=(None,),
    input_tokens=(1,),
    output_tokens=(1,),
)
change = do(
    "set",
    tenant=("t1",),
    name=("default",),
    limit=("10", "20", "40"),
    period=("day", "day", "day", "hour"),
    zone=("UTC",),
    thresholds=([50, 80, 100], [50, 80, 100], [50, 100]),
    scope=({}, {}, {}, {"model": "m1"}),
)
undo = do("delete", tenant=("t1",), name=("default",))
moved = do(
    "call",
    tenant=("t1",),
    ago=st.sampled_from((-59, 0, 15, 30, 45, 60, 90, 300, 1_000, 1_440, 10_000, 40_000)),
    model=("m1",),
    agent=("",),
    computed=("1",),
    reported=(None,),
    input_tokens=(1,),
    output_tokens=(1,),
)
rezone = do("zone", tenant=("t1",), zone=ZONES)

LOGS = {
    "everything": logs(call, call, budget, delete, zone, config, passed=st.integers(0, 40 * 60)),
    "budgets": logs(
        spending, spending, change, undo, passed=st.sampled_from((0, 0, 1, 60, 24 * 60, 30 * 60))
    ),
    "zones": logs(
        moved, moved, moved, rezone, passed=st.sampled_from((0, 15, 30, 60, 300, 2_000, 20_000))
    ),
}


def _play(log: Writer, model: Model, step: dict[str, Any]) -> None:
    what, tenant = step["do"], step.get("tenant", "")
    if what == "call":
        time = log.now - step["ago"] * HOUR // 60
        scope = dict.fromkeys(SCOPE_KEYS, "")
        scope.update(provider="openai", model=step["model"], agent=step["agent"])
        computed, reported = step["computed"], step["reported"]
        event = {
            "calls": 1,
            "input_tokens": step["input_tokens"],
            "output_tokens": step["output_tokens"],
            "reported_usd": Decimal(reported or 0),
            "computed_usd": Decimal(computed or 0) if reported is None else Decimal(0),
            "unpriced_calls": int(computed is None and reported is None),
        }
        nano = None if reported is None else int(Decimal(reported) * 10**9)
        log.call(
            computed,
            tenant=tenant,
            time=time,
            model=step["model"],
            agent=step["agent"],
            reported=nano,
            input_tokens=step["input_tokens"],
            output_tokens=step["output_tokens"],
        )
        model.log_time = log.log_time
        model.call(tenant, time, scope, event)
        return
    model.log_time = max(log.log_time, log.now)
    if what in ("set", "limit"):
        # "limit" changes nothing else of the default budget, so that figures are kept often.
        name = step.get("name", "default")
        period, zone = step.get("period", "day"), step.get("zone", "UTC")
        thresholds, scope = step.get("thresholds", [50, 80, 100]), step.get("scope", {})
        log.budget(
            step["limit"],
            tenant=tenant,
            budget_id=name,
            period=period,
            timezone=zone,
            thresholds=thresholds,
            scope=scope,
        )
        ordered = sorted(set(thresholds))
        new = Budget(Decimal(step["limit"]), period, zone, ordered, scope)
        model.set_budget(tenant, name, log.now, new)
    elif what == "delete":
        log.delete(step["name"], tenant=tenant)
        model.delete_budget(tenant, step["name"])
    elif what == "zone":
        log.zone(step["zone"], tenant=tenant)
        model.set_zone(tenant, step["zone"])
    else:
        log.config(grace_hours=step["grace"], default_budget=step["default"])
        model.grace, model.default = step["grace"] * HOUR, Decimal(step["default"])


def _alert(output: Any) -> tuple[Any, ...]:
    found = data(output)
    if output.type == "usage.unpriced":
        return found["tenant"], output.type, found["model"]
    bounds = parse_time(found["period_start"]), parse_time(found["period_end"])
    return (
        found["tenant"],
        output.type,
        found["budget_id"],
        found["revision"],
        bounds,
        found["threshold_percent"],
        Decimal(found["spent_usd"]),
        found["late"],
    )


def _audit(output: Any) -> tuple[str, str, str]:
    found = data(output)
    target = found["target"]["id"]
    if found["action"] == "event.late":
        kind, start = target.split("/")
        target = f"{kind}/{parse_time(start)}"
    return found["action"], found["outcome"], target


def _kept(output: Any, log_time: int) -> bool:
    return parse_time(data(output)["at"]) >= log_time - 30 * DAY


def _report(view: MemoryView, tenant: str, kind: str, group_by: str | None) -> list[Any]:
    body = usage_report(view, tenant, period=kind, group_by=group_by)
    found = []
    for bucket in body["buckets"]:
        value = bucket["group"][group_by] if group_by else ""
        sums = {
            name: Decimal(bucket[name]) if name.endswith("usd") else bucket[name] for name in FIELDS
        }
        assert Decimal(bucket["cost_usd"]) == sums["reported_usd"] + sums["computed_usd"]
        found.append((parse_time(bucket["start"]), parse_time(bucket["end"]), value, sums))
    for name in FIELDS:
        assert Decimal(body["total"][name]) == sum(sums[name] for *_, sums in found)
    return found


@pytest.mark.parametrize("name", LOGS)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_log_comes_to_what_the_naive_model_says(name: str, drawn: st.DataObject) -> None:
    log_steps = drawn.draw(LOGS[name])
    log, model = Writer(), Model()
    for passed, step in log_steps:
        log.now += passed * HOUR // 60
        _play(log, model, step)

    sent = [o for o in log.outputs if o.topic == "budget.alerts.v1"]
    assert [_alert(o) for o in sent] == model.alerts
    records = [o for o in log.outputs if o.topic == "tenant.audit.v1"]
    assert [_audit(o) for o in records] == model.audit
    ids = [o.id for o in log.outputs]
    assert len(set(ids)) == len(ids)
    for tenant in TENANTS:
        for kind in KINDS:
            for group_by in (None, "model", "agent"):
                found = _report(log.view, tenant, kind, group_by)
                assert found == model.report(tenant, kind, group_by)
        for read, outputs in ((alerts, sent), (audit, records)):
            kept, _ = read(log.view, tenant, limit=10_000, log_time=log.log_time)
            due = [o.data for o in outputs if o.tenant == tenant and _kept(o, log.log_time)]
            assert [bytes(raw) for raw in reversed(kept)] == due
        for item in budgets(log.view, tenant, log_time=log.log_time):
            budget = model.budgets.get((tenant, item["config"]["budget_id"]))
            bounds = (parse_time(item["period_start"]), parse_time(item["period_end"]))
            spent = Decimal(0) if budget is None else budget.spent.get(bounds, Decimal(0))
            assert Decimal(item["spent_usd"]) == spent


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(LOGS["everything"])
def test_rows_do_not_depend_on_what_is_cached(log_steps: list[Any]) -> None:
    """Rows kept as they are (one long chunk) and rows stored each time give the same bytes."""
    stored, kept = Writer(MemoryView(stored=True)), Writer(MemoryView())
    for log in (stored, kept):
        for passed, step in log_steps:
            log.now += passed * HOUR // 60
            _play(log, Model(), step)
    assert stored.outputs == kept.outputs
    assert stored.view.encoded() == kept.view.encoded()
