"""A seed on three brokers, which break too; test_schedules.py has ten others on one."""

from dataclasses import replace

import pytest

from tests.faults.plan import SHORT, Plan, make_plan
from tests.faults.soak import Options, brokers_of, one

pytestmark = pytest.mark.deep
SEED = 3
EVENTS = 20_000


def planned(seed: int, brokers: int) -> Plan:
    """Faults of workers, bucket and brokers; the network's alone would look like the brokers'."""
    plan = make_plan(seed, brokers=brokers, size=SHORT)
    counted_on = {n: faults for n, faults in plan.workers.items() if "guest" not in n}
    return replace(plan, workers=counted_on, nets=[])


def test_nothing_is_lost_or_counts_twice_while_brokers_break_too() -> None:
    # A failure says which command replays it.
    assert brokers_of(SEED) == 3
    plan = planned(SEED, 3)
    figures = one(SEED, Options(events=EVENTS, plan=planned))
    assert (figures["lost"], figures["double"]) == (0, 0)
    assert figures["broker_faults"] == len(plan.brokers) == 3
    assert figures["deaths"] >= len(plan.points)
