"""What a seed's plan must hold, whatever is drawn."""

from collections import Counter

import pytest

from tests.faults.kinds import Fault
from tests.faults.plan import (
    BROKER_KINDS,
    BUCKET_KINDS,
    FOLD_KINDS,
    LEAST,
    LONG,
    MOST,
    NET_KINDS,
    POINTS,
    SHORT,
    Size,
    make_plan,
    make_simple_plan,
    rotated,
)

SEEDS = range(1, 61)


@pytest.mark.parametrize("first", [1, 2, 3, 17, 20_261_122])
@pytest.mark.parametrize(("size", "seeds"), [(LONG, 3), (SHORT, 10)])
def test_some_seeds_in_a_row_have_everything(first: int, size: Size, seeds: int) -> None:
    plans = [make_plan(seed, size=size) for seed in range(first, first + seeds)]
    assert {point for plan in plans for point in plan.points} == set(POINTS)
    assert {f"{f.kind} {f.on}" for plan in plans for f in plan.nets} == set(NET_KINDS)
    assert {f.kind for plan in plans for f in plan.buckets} == set(BUCKET_KINDS)
    assert any(plan.count("visit", "call") for plan in plans)
    found = {f.kind for plan in plans for name in ("fold-0", "fold-1") for f in plan.workers[name]}
    assert set(FOLD_KINDS) - {"away"} <= found | {
        f.kind for plan in plans for faults in plan.workers.values() for f in faults
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_two_seeds_in_a_row_have_every_kind_of_fault(seed: int) -> None:
    for role, kinds in (("fold", set(FOLD_KINDS) - {"away"}), ("admit", {"kill", "stop"})):
        found = {
            fault.kind
            for plan in (make_plan(seed), make_plan(seed + 1))
            for name, faults in plan.workers.items()
            for fault in faults
            if name.startswith(role)
        }
        assert kinds <= found


@pytest.mark.parametrize("seed", SEEDS)
def test_workers_come_and_go_and_enough_are_left(seed: int) -> None:
    workers = make_plan(seed).workers
    for role, least in (("fold", 2), ("admit", 0)):
        lists = _lists(workers, role)
        kinds = Counter(fault.kind for faults in lists.values() for fault in faults)
        assert kinds["join"] == len(lists) - LEAST >= least
        gone = kinds["leave"] + kinds["gone"]
        assert len(lists) - gone >= LEAST
        assert len(lists) <= MOST
        for name, faults in lists.items():
            assert [f.kind == "join" for f in faults] == [
                i == 0 and int(name[-1]) >= LEAST for i in range(len(faults))
            ]
            assert not any(f.kind in ("leave", "gone") for f in faults[:-1])


def _lists(workers: dict[str, list[Fault]], role: str) -> dict[str, list[Fault]]:
    """Of those that are counted on."""
    return {n: faults for n, faults in workers.items() if n.startswith(role) and "guest" not in n}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_short_plan_has_two_workers_of_a_role_and_takes_little_time(seed: int) -> None:
    plan = make_plan(seed, size=SHORT)
    assert {name for name in plan.workers if "guest" not in name} == {
        *("fold-0", "fold-1", "admit-0", "admit-1")
    }
    assert not plan.count("join", "leave", "gone")
    assert plan.seconds < 35


def test_every_way_to_go_is_taken_by_fold_workers_and_in_some_seeds_by_admit_workers() -> None:
    plans = [make_plan(seed) for seed in SEEDS]
    assert all(plan.count("leave") >= 1 and plan.count("gone") >= 1 for plan in plans)
    assert any(plan.count("leave") == 2 for plan in plans)
    assert any(plan.count("gone") == 2 for plan in plans)


def test_with_three_brokers_each_kind_of_fault_befalls_one() -> None:
    nodes = set()
    for seed in SEEDS:
        faults = make_plan(seed, brokers=3).brokers
        assert sorted(fault.kind for fault in faults) == sorted(BROKER_KINDS)
        nodes |= {fault.node for fault in faults}
    assert nodes == {1, 2, 3}
    assert make_plan(1).brokers == []


def test_the_number_of_brokers_changes_nothing_for_the_workers() -> None:
    assert make_plan(5, brokers=3).workers == make_plan(5).workers


@pytest.mark.parametrize("seed", SEEDS)
def test_a_plan_is_short(seed: int) -> None:
    assert 15 < make_plan(seed, brokers=3).seconds < 70


def test_a_simple_plan_has_the_kinds_that_were_asked_for() -> None:
    plan = make_simple_plan(3, ["freeze"], 2)
    assert {fault.kind for faults in plan.workers.values() for fault in faults} == {"freeze"}
    points = make_simple_plan(3, ["admit.decoded", "collect.listed"], 2).workers
    assert {f.point for f in points["fold-0"]} == {"collect.listed"}
    assert {f.point for f in points["admit-1"]} == {"admit.decoded"}
    around = make_simple_plan(3, ["kafka", "s3"], 3)
    assert (len(around.nets), len(around.buckets), around.count("kill")) == (3, 3, 0)
    plan = make_simple_plan(3, ["broker"], 2, brokers=3)
    assert not any(plan.workers.values())
    assert len(plan.brokers) == 2 * len(BROKER_KINDS)


def test_shares_follow_one_another() -> None:
    assert [rotated("abcde", 2, seed) for seed in range(3)] == [["a", "b"], ["c", "d"], ["e", "a"]]
