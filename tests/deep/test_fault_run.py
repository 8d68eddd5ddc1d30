"""Three seeds of `make soak`, which together reach every failpoint; the last has three brokers."""

import pytest

from streams.runtime.failpoints import NAMES
from tests.faults.plan import make_plan
from tests.faults.soak import Options, brokers_of, one

pytestmark = pytest.mark.deep
SEEDS = (1, 2, 3)
EVENTS = 60_000


def test_the_seeds_reach_every_failpoint_and_one_breaks_brokers() -> None:
    assert {point for seed in SEEDS for point in make_plan(seed).points} == set(NAMES)
    assert [brokers_of(seed) for seed in SEEDS] == [1, 1, 3]


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_lost_or_counts_twice(seed: int) -> None:
    # A failure says which command replays it.
    plan = make_plan(seed, brokers=brokers_of(seed))
    figures = one(seed, Options(events=EVENTS))
    assert (figures["lost"], figures["double"]) == (0, 0)
    assert figures["removed"] == plan.count("leave", "gone")
    assert figures["joined"] == plan.count("join")
    assert figures["broker_faults"] == len(plan.brokers)
    assert figures["deaths"] >= len(plan.points) + plan.count("kill", "wipe", "gone")
