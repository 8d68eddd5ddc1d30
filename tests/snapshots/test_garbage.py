"""Retention and garbage: what was committed and kept stays whole, whatever interleaves."""

from random import Random
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec import structs

from streams.core.time import HOUR, SECOND
from streams.snapshots.garbage import (
    COMMIT_WITHIN,
    DELETE_WITHIN,
    GRACE,
    SETTLE,
    SLACK,
    YOUNG,
    Stored,
    garbage,
    retired,
)
from streams.snapshots.names import Position
from streams.snapshots.upload import UploadPlan, plan_upload

from . import world
from .manifests import file, manifest
from .world import World

MINUTE = 60 * SECOND
MINUTES = (1, 4, 20, 59, 80, 300)
NOW = 1_000 * HOUR


def stored(*ages: int) -> list[Stored]:
    """Manifests at offsets 0, 1, .. that were written so long ago."""
    return [Stored(Position(0, at), NOW - age) for at, age in enumerate(ages)]


def gone(manifests: list[Stored], keep: int, keep_for: int) -> list[int]:
    return [at.offset for at in retired(manifests, NOW, keep=keep, keep_for=keep_for)]


def test_times_leave_room_for_each_other() -> None:
    assert GRACE >= YOUNG + COMMIT_WITHIN + SLACK
    assert DELETE_WITHIN < SETTLE < YOUNG


def test_the_newest_stay_and_the_newest_of_late() -> None:
    day = [hour * HOUR for hour in range(23, -1, -1)]
    assert gone(stored(*day), keep=3, keep_for=0) == list(range(21))
    # The one of eight hours ago was the newest until seven hours ago.
    assert gone(stored(*day), keep=3, keep_for=7 * HOUR + SECOND) == list(range(15))
    assert gone(stored(*day), keep=30, keep_for=0) == []


def test_the_only_one_stays_however_old() -> None:
    assert gone(stored(1_000 * HOUR), keep=1, keep_for=0) == []
    assert gone(stored(1_000 * HOUR), keep=0, keep_for=0) == []


def test_one_goes_no_sooner_than_an_upload_that_rests_on_it_is_done() -> None:
    assert gone(stored(9 * HOUR, COMMIT_WITHIN), keep=1, keep_for=0) == []
    assert gone(stored(9 * HOUR, COMMIT_WITHIN + SLACK + 1), keep=1, keep_for=0) == [0]


def test_a_zombies_late_manifest_goes_first() -> None:
    """It stands before one that was committed long ago."""
    zombies = Stored(Position(0, 5), NOW)
    owners = Stored(Position(0, 9), NOW - 3 * HOUR)
    assert retired([owners, zombies], NOW, keep=1, keep_for=0) == (zombies.position,)


def test_only_old_objects_that_nobody_names_are_garbage() -> None:
    objects = [("a", NOW - GRACE - 1), ("b", NOW - GRACE - 1), ("c", NOW - GRACE)]
    assert garbage(objects, NOW, [manifest(files=(file("b"),))]) == ("a",)


class Interleaved(RuleBasedStateMachine):
    """Steps of any uploader or collector in any order, with hours between."""

    @initialize()
    def begin(self) -> None:
        self.world = World()

    @rule(minutes=st.sampled_from(MINUTES))
    def time_passes(self, minutes: int) -> None:
        self.world.now += minutes * MINUTE

    @rule(base=st.integers(0, 5), keep=st.integers(0, 3), whole=st.booleans())
    def snapshot(self, base: int, keep: int, whole: bool) -> None:
        self.world.snapshot(base, keep, whole)

    @rule(base=st.integers(0, 5), whole=st.booleans())
    def snapshot_of_restored(self, base: int, whole: bool) -> None:
        self.world.snapshot_of_restored(base, whole)

    @rule(keep=st.integers(1, 2), whole=st.booleans())
    def collect(self, keep: int, whole: bool) -> None:
        self.world.collect(keep, whole)

    @rule(actor=st.integers(0, 3), steps=st.integers(1, 6))
    def some_steps(self, actor: int, steps: int) -> None:
        self.world.steps(actor, steps)

    @invariant()
    def every_kept_manifest_is_whole(self) -> None:
        assert self.world.broken() == []


TestInterleaved = Interleaved.TestCase
TestInterleaved.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)


def broken_by(schedules: int) -> int | None:
    """Seed of the first random schedule that breaks a manifest."""
    for seed in range(schedules):
        draw, tried = Random(seed), World()
        for _ in range(60):
            what = draw.randrange(10)
            if what < 2:
                tried.now += draw.choice(MINUTES) * MINUTE
            elif what < 4:
                tried.snapshot(draw.randrange(6), draw.randrange(4), draw.random() < 0.5)
            elif what < 5:
                tried.snapshot_of_restored(draw.randrange(6), draw.random() < 0.5)
            elif what < 7:
                tried.collect(1, draw.random() < 0.5)
            else:
                tried.steps(draw.randrange(4), draw.randrange(1, 7))
            if tried.broken():
                return seed
    return None


def test_no_random_schedule_breaks_a_manifest() -> None:
    assert broken_by(1_000) is None


def _never_settle(*given: Any) -> UploadPlan:
    return structs.replace(plan_upload(*given), settle=False)


def _take_what_is_there(files: Any, newest: Any, stored: Any, *more: Any) -> UploadPlan:
    plan = plan_upload(files, newest, stored, *more)
    return UploadPlan(tuple(one for one in plan.upload if one.sha256 not in stored), False)


def _retire_at_once(manifests: Any, now: int, *, keep: int, keep_for: int) -> Any:
    del keep_for
    return retired(manifests, now + 100 * HOUR, keep=keep, keep_for=0)


def _without_grace(objects: Any, listed_at: int, manifests: Any) -> Any:
    return garbage(objects, listed_at + GRACE, manifests)


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("plan_upload", _never_settle),
        ("plan_upload", _take_what_is_there),
        ("retired", _retire_at_once),
        ("garbage", _without_grace),
    ],
)
def test_each_rule_is_needed(name: str, instead: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any of them the same schedules do break manifests."""
    monkeypatch.setattr(world, name, instead)
    assert broken_by(1_000) is not None
