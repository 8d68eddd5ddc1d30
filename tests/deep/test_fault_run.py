"""The seeded fault run of the deeper tier: ``python -m tests.faults --seed N`` replays it."""

import msgspec
import pytest

from streams.settings import Settings
from tests.faults.events import Input
from tests.faults.feed import today
from tests.faults.run import Run

pytestmark = pytest.mark.deep
SEED = 20261122


async def test_nothing_counts_twice_or_is_lost_when_workers_are_killed(settings: Settings) -> None:
    given = Input(seed=SEED, base=today())
    outcome = await Run(msgspec.structs.replace(settings, partitions=4), given).run()
    assert outcome.figures["deaths"] >= 20
