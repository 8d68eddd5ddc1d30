"""The tenant log is shared evenly, whoever has control; and control stays where it was."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition

from streams.runtime.assigning import fold_assignor

LOG, CONTROL = "tenant.log.v1", "tenant.control.v1"
Assignor: Any = fold_assignor(CONTROL)


def assign(
    before: Mapping[str, list[TopicPartition]], partitions: int, generation: int = 1
) -> dict[str, dict[str, list[int]]]:
    """What members get that had these before."""
    sizes = {LOG: set(range(partitions)), CONTROL: {0}}
    members = {
        name: Assignor._metadata([LOG, CONTROL], had or None, generation)
        for name, had in before.items()
    }
    found = Assignor.assign(
        SimpleNamespace(partitions_for_topic=sizes.get, topics=lambda: set(sizes)), members
    )
    return {name: dict(each.assignment) for name, each in found.items()}


def flat(assigned: dict[str, list[int]]) -> list[TopicPartition]:
    return [TopicPartition(t, p) for t, partitions in assigned.items() for p in partitions]


@pytest.mark.parametrize(("workers", "partitions"), [(1, 2), (2, 2), (2, 8), (3, 8), (4, 2)])
def test_the_log_is_shared_evenly_and_control_has_one_owner(workers: int, partitions: int) -> None:
    found = assign({f"w{number}": [] for number in range(workers)}, partitions)
    sizes = [len(each.get(LOG, [])) for each in found.values()]
    assert sum(sizes) == partitions
    assert max(sizes) - min(sizes) <= 1
    assert sum(CONTROL in each for each in found.values()) == 1
    owner = next(name for name, each in found.items() if CONTROL in each)
    assert len(found[owner].get(LOG, [])) == min(sizes)


def test_a_second_worker_gets_its_share_of_the_log() -> None:
    alone = assign({"w0": []}, 2)
    found = assign({"w0": flat(alone["w0"]), "w1": []}, 2)
    assert [len(each[LOG]) for each in found.values()] == [1, 1]
    assert CONTROL in found["w0"], "it stays"


def test_nothing_moves_without_need() -> None:
    first = assign({"a": [], "b": []}, 8)
    again = assign({name: flat(each) for name, each in first.items()}, 8, 2)
    assert again == first


def test_who_is_left_takes_control() -> None:
    first = assign({"a": [], "b": []}, 4)
    owner = next(name for name, each in first.items() if CONTROL in each)
    left = ({"a", "b"} - {owner}).pop()
    found = assign({left: flat(first[left])}, 4, 2)
    assert found == {left: {LOG: [0, 1, 2, 3], CONTROL: [0]}}


def test_a_topic_that_is_missing_is_nobodys() -> None:
    members = {"a": Assignor._metadata([LOG, CONTROL], None, 1)}
    sizes = {LOG: {0}}
    found = Assignor.assign(
        SimpleNamespace(partitions_for_topic=sizes.get, topics=lambda: set(sizes)), members
    )
    assert dict(found["a"].assignment) == {LOG: [0]}
