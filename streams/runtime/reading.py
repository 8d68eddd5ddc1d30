"""PartitionReader: the task that reads one assigned partition, for as long as it is assigned.

It opens (finds where to go on), takes chunks that follow on, and opens again after whatever fails.
Its states: ``opening``, ``running``, ``red`` (a person has to decide), ``closed``. The consumer's
partition is held in all but ``running``.
"""

import abc
import asyncio
import contextlib
import logging
from collections.abc import Callable

from aiokafka.errors import IllegalStateError
from faust.types import TP

from streams.core.errors import PartitionRed
from streams.runtime.cancelling import Stray, unless_stray
from streams.runtime.chunks import Chunk, Inbox
from streams.runtime.transport import Consumer

log = logging.getLogger(__name__)

INBOX_BYTES = 16 << 20
RETRY_S = 0.5
STOP_S = 8.0


class PartitionReader(abc.ABC):
    """Reads one partition.

    Parameters
    ----------
    consumer : callable
        The process's consumer, once there is one.
    adopt_hint : str
        What a person can do when the topic is not what was read before.
    """

    def __init__(self, tp: TP, consumer: Callable[[], Consumer], adopt_hint: str) -> None:
        self.tp = tp
        self.state = "opening"
        self.error: str | None = None
        self._consumer = consumer
        self._adopt_hint = adopt_hint
        self._inbox = Inbox()
        self._stopping = False
        self._seeking = False
        self._reopen = False
        self._revoked = False
        self._nudge = asyncio.Event()
        self._task = asyncio.create_task(self._run(), name=f"{tp.topic}-{tp.partition}")

    # -- called by the agent and the assignment ------------------------------------------------

    def put(self, chunk: Chunk) -> None:
        """Take a chunk or drop it; never waits."""
        if self.state != "running" or self._stopping or self._seeking:
            return
        self._inbox.put(chunk)
        if self._inbox.nbytes > INBOX_BYTES:
            self._consumer().hold(self.tp)

    def reassigned(self) -> None:
        """A rebalance kept this partition here: its position in the consumer is gone."""
        self._inbox.clear()
        self._seeking = True
        self._revoked = False
        self._wake()

    def revoked(self) -> None:
        """A rebalance began: until it ends nobody knows whose this partition is."""
        self._revoked = True

    def nudge(self) -> None:
        """Look again at what made the partition red (an adoption was announced)."""
        self._nudge.set()

    async def stop(self) -> None:
        """Finish what is in hand, within bounds, and close."""
        self._stopping = True
        self._wake()
        with contextlib.suppress(asyncio.CancelledError, TimeoutError):
            await asyncio.wait_for(self._task, STOP_S)

    def _wake(self) -> None:
        self._inbox.filled.set()
        self._nudge.set()

    # -- what the two kinds of readers do --------------------------------------------------------

    @abc.abstractmethod
    async def _open(self) -> None:
        """Find out where to go on, and seek there."""

    @abc.abstractmethod
    async def _where(self) -> int:
        """Return where to go on, if the topic still is the one that was opened."""

    @property
    @abc.abstractmethod
    def _next(self) -> int:
        """The first offset that is not done."""

    @abc.abstractmethod
    async def _take(self, chunk: Chunk) -> None:
        """Do a chunk that follows on."""

    @abc.abstractmethod
    async def _failed(self, error: Exception) -> None:
        """Wait before the partition is opened again, or give up and stop."""

    async def _close(self) -> None:
        """Let go of what was opened."""
        if self.state != "red":
            self.state = "opening"

    # -- the task ----------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            while not self._stopping:
                self._nudge.clear()
                try:
                    await unless_stray(self._open())
                    self.state = "running"
                    await unless_stray(self._read())
                except PartitionRed as error:
                    await self._stay_red(error)
                except IllegalStateError:
                    # The assignment callback stops us or gives the partition back.
                    log.info("%s is not assigned here any more", self.tp)
                    await self._close()
                    await self._until_assigned()
                except Stray as error:
                    # Who stops cancels what is waited for.
                    if not self._stopping:
                        await self._failed(error)
                except Exception as error:
                    await self._failed(error)
                finally:
                    await self._close()
        finally:
            self.state = "closed"

    async def _read(self) -> None:
        """Take chunks until told otherwise; whatever does not follow on is sought again."""
        while not self._stopping and not self._reopen:
            if self._seeking:
                # Look again before waiting: a rebalance during the seek asks for another one.
                await self._seek()
                continue
            chunk = self._inbox.take()
            if chunk is None:
                await self._inbox.filled.wait()
                continue
            if chunk.error is not None:
                raise PartitionRed(
                    f"{self.tp.topic}/{self.tp.partition}: offset {self._next} is out of range. "
                    f"{self._adopt_hint}"
                )
            if chunk.prev is None or chunk.prev >= self._next:
                # Something between was dropped (a pause, a rebalance): fetch it again.
                self._seeking = True
                continue
            await self._take(chunk)
            # A long chunk must not starve the other partitions, the API or the heartbeat.
            await asyncio.sleep(0)
            if self._consumer().is_held(self.tp) and self._inbox.nbytes == 0:
                self._seeking = True

    async def _seek(self) -> None:
        """Go on, by a seek: the only way in which reading starts."""
        offset = await self._where()
        self._inbox.clear()
        self._seeking = False
        await self._consumer().release(self.tp, offset)

    async def _stay_red(self, error: PartitionRed) -> None:
        self.state, self.error = "red", str(error)
        log.error("%s is red: %s", self.tp, error)
        self._consumer().hold(self.tp)
        self._nudge.clear()
        while not self._stopping and not self._nudge.is_set():
            await self._nudge.wait()
        self.state, self.error = "opening", None

    async def _until_assigned(self) -> None:
        while not self._stopping and (
            self._revoked or self.tp not in self._consumer().assignment()
        ):
            self._nudge.clear()
            await self._pause(RETRY_S)

    async def _pause(self, seconds: float) -> None:
        """Wait, unless something new is heard."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._nudge.wait(), seconds)
