"""The check of memories finds what is lost, doubled, altered, or in the wrong tier."""

from collections import Counter
from typing import Any

import pytest

from tests.faults import memories
from tests.faults.model import Memory, Model

KEY = "t", "m1"
RIGHT = {"revision": 2, "content": "done", "agent": "a", "tier": "working"}


def model() -> Model:
    made = Model()
    made.memories = {KEY: Memory("done", "a", 2)}
    return made


def test_what_is_right_is_not_reported() -> None:
    assert memories._other({KEY: RIGHT}, model()) == []
    assert memories._tiers({KEY: RIGHT}, 100) == []
    assert memories._twice(Counter([b"1", b"2"])) == []


@pytest.mark.parametrize(
    ("found", "lost", "double"),
    [
        ({}, 1, 0),
        ({KEY: RIGHT | {"revision": 1}}, 1, 0),
        ({KEY: RIGHT | {"revision": 4}}, 0, 2),
        ({KEY: RIGHT | {"content": "other"}}, 0, 0),
        ({KEY: RIGHT, ("u", "m1"): RIGHT}, 0, 1),
    ],
)
def test_what_differs_is_counted(
    found: dict[tuple[str, str], dict[str, Any]], lost: int, double: int
) -> None:
    (wrong,) = memories._other(found, model())
    assert (wrong.lost, wrong.double) == (lost, double)


def test_tiers_and_repeated_records() -> None:
    many = {("t", str(n)): RIGHT for n in range(3)}
    assert len(memories._tiers(many, 2)) == 1
    assert len(memories._tiers({KEY: RIGHT | {"tier": "long_term"}}, 2)) == 1
    assert len(memories._twice(Counter([b"1", b"1"]))) == 1
