"""Offsets of all partitions in one request at a time; a failure is told to those it concerns."""

import asyncio
from collections.abc import Mapping

import pytest
from faust.types import TP

from streams.runtime import commits
from streams.runtime.commits import OffsetCommits

A, B = TP("in", 0), TP("in", 1)
Offsets = dict[TP, tuple[int, str]]


class Group:
    """Takes commits when it is let, and remembers each request."""

    def __init__(self) -> None:
        self.requests: list[Offsets] = []
        self.open = asyncio.Event()
        self._asked = asyncio.Event()
        self.refused: TP | None = None
        self.cancels = False

    async def commit(self, offsets: Mapping[TP, tuple[int, str]]) -> None:
        self.requests.append(dict(offsets))
        self._asked.set()
        await self.open.wait()
        if self.refused in offsets:
            raise asyncio.CancelledError if self.cancels else RuntimeError("injected")

    async def asked(self) -> None:
        await asyncio.wait_for(self._asked.wait(), 5)


@pytest.fixture(autouse=True)
def no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commits, "REST_S", 0)


def unexpected() -> None:
    raise AssertionError("told of a failure that did not concern it")


async def test_what_comes_during_a_request_goes_into_the_next_as_one() -> None:
    group = Group()
    offsets = OffsetCommits(group.commit)
    offsets.put(A, 1, "a", unexpected)
    await group.asked()
    for at in range(2, 9):
        offsets.put(A, at, "a", unexpected)
        offsets.put(B, at + 10, "b", unexpected)
    group.open.set()
    await asyncio.wait_for(asyncio.gather(offsets.settle(A), offsets.settle(B)), 5)
    assert group.requests == [{A: (1, "a")}, {A: (8, "a"), B: (18, "b")}]


async def test_settled_means_committed() -> None:
    group = Group()
    offsets = OffsetCommits(group.commit)
    await asyncio.wait_for(offsets.settle(A), 5)
    offsets.put(A, 1, "", unexpected)
    waiting = asyncio.create_task(offsets.settle(A))
    await group.asked()
    await asyncio.sleep(0)
    assert not waiting.done()
    group.open.set()
    await asyncio.wait_for(waiting, 5)


@pytest.mark.parametrize("cancels", [False, True])
async def test_a_failure_is_told_to_its_partitions_alone(cancels: bool) -> None:
    group, failed = Group(), list[str]()
    group.cancels = cancels
    offsets = OffsetCommits(group.commit)
    group.refused = A
    offsets.put(A, 1, "", lambda: failed.append("A"))
    await group.asked()
    offsets.put(B, 5, "", unexpected)
    group.open.set()
    await asyncio.wait_for(asyncio.gather(offsets.settle(A), offsets.settle(B)), 5)
    assert failed == ["A"]
    assert group.requests == [{A: (1, "")}, {B: (5, "")}]
