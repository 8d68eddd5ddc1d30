"""Ten short schedules of faults of all kinds, on one site: together they reach every failpoint."""

import asyncio
import dataclasses
from collections.abc import Iterator

import pytest

from streams.settings import Settings
from tests.faults.events import Input
from tests.faults.feed import today
from tests.faults.plan import POINTS, SHORT, make_plan
from tests.faults.run import Run
from tests.faults.site import Site, site
from tests.faults.soak import line

pytestmark = pytest.mark.deep
SEEDS = range(1, 11)
EVENTS = 5_000


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("site")) as servers:
        yield servers


def test_the_seeds_reach_every_failpoint() -> None:
    assert {p for seed in SEEDS for p in make_plan(seed, size=SHORT).points} == set(POINTS)


@pytest.mark.parametrize("seed", SEEDS)
def test_all_ways_to_the_state_agree(
    seed: int, where: Site, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A failure says what happened; `python -m tests.faults --short --seed` runs it again."""
    settings = Settings(
        topic_prefix=f"s{seed}-",
        group=f"s{seed}-streams",
        partitions=3,
        data=str(tmp_path_factory.mktemp(f"seed-{seed}")),
    )
    plan = make_plan(seed, size=SHORT)
    given = Input(seed, today(), events=EVENTS, tenants=40)
    run = Run(settings, given, where, f"seed-{seed}", plan=plan)
    figures = asyncio.run(run.run()).figures
    print(line({"seed": seed, "ok": True, "wall_seconds": figures["seconds"]} | figures))
    assert (figures["lost"], figures["double"]) == (0, 0)
    assert figures["deaths"] >= len(plan.points) + plan.count("kill", "wipe", "damage")
    assert dataclasses.asdict(plan) == dataclasses.asdict(make_plan(seed, size=SHORT))
