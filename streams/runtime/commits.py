"""OffsetCommits: tells a group the offsets of all partitions of a process, one request at a time.

A request costs about as much as admitting ten events. So nobody waits for one: what is done while
one is under way goes into the next, the latest offset of each partition. A commit only says where
to begin after a failure; whatever is admitted twice then is skipped by the folds' origin fence.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from faust.types import TP

from streams.runtime.cancelling import unless_stray
from streams.runtime.failpoints import reach

log = logging.getLogger(__name__)

REST_S = 0.03
"""Between two requests: the first after a pause goes at once, under load many go as one."""

Offsets = dict[TP, tuple[int, str]]


class OffsetCommits:
    """What is to be committed, and the task that does it while there is any.

    Parameters
    ----------
    commit : callable
        Commits offsets, each with its metadata, as a member of the group.
    """

    def __init__(self, commit: Callable[[Mapping[TP, tuple[int, str]]], Awaitable[None]]) -> None:
        self._commit = commit
        self._waiting: Offsets = {}
        self._under_way: Offsets = {}
        self._on_failure: dict[TP, Callable[[], None]] = {}
        self._task: asyncio.Task[None] | None = None
        self._settled = asyncio.Condition()

    def put(self, tp: TP, offset: int, metadata: str, failed: Callable[[], None]) -> None:
        """Have an offset committed soon; ``failed`` is called if that fails.

        Whoever admits the partition then looks what is committed, and goes on from there.
        """
        self._waiting[tp] = offset, metadata
        self._on_failure[tp] = failed
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="offset commits")

    async def settle(self, tp: TP) -> None:
        """Wait until nothing of a partition waits or is under way."""
        async with self._settled:
            await self._settled.wait_for(
                lambda: tp not in self._waiting and tp not in self._under_way
            )

    async def _run(self) -> None:
        while self._waiting:
            self._under_way, self._waiting = self._waiting, {}
            try:
                await unless_stray(self._commit(self._under_way))
                reach("admit.committed")
            except Exception as error:
                log.info("offsets were not committed: %r", error)
                for tp in self._under_way:
                    self._on_failure[tp]()
            self._under_way = {}
            async with self._settled:
                self._settled.notify_all()
            await asyncio.sleep(REST_S)
        self._task = None
