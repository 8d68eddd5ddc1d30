"""Accesses of memories: counted here as they are given out, appended to the log once a second.

Counting must not wait for Kafka, and a lost second of it is no harm; counting one twice would be
seen. So each record carries this worker's own origin (its name, when it started, a sequence), and
one that was not acknowledged is sent again, unchanged, before anything newer for its partition: the
fold's fence then drops what did arrive. What a dead process had not sent is lost.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from itertools import islice

from aiokafka.errors import KafkaError

from streams.core import log as facts
from streams.core.ids import partition_of
from streams.core.log import VERSION, Accessed, Origin, Record
from streams.runtime.turns import Turns

log = logging.getLogger(__name__)

FLUSH_SECONDS = 1.0
IN_ONE = 100
"""Memories in one record: what a record changes is bounded."""
AT_MOST = 100_000
"""Memories that wait to be sent while Kafka is away; more go uncounted."""
STOP_SECONDS = 2.0

Append = Callable[[int, bytes, bytes], Awaitable[object]]
"""Partition, key, value; returns once it is acknowledged."""


class Accesses:
    """Collects accesses in one process.

    Parameters
    ----------
    append : callable
        Appends a record to tenant.log.v1; raises KafkaError when it may not have arrived.
    worker : str
        Name of this worker.
    clock : callable
        Wall clock, microseconds. Its first answer tells this process's records from those of
        processes of the same name before it.
    """

    def __init__(
        self, append: Append, partitions: int, worker: str, clock: Callable[[], int]
    ) -> None:
        self._append = append
        self._partitions = partitions
        self._writer = f"accesses/{worker}"
        self._clock = clock
        self._started = clock()
        self._sequence = 0
        self._counts: dict[str, dict[str, int]] = {}
        self._waiting = 0
        self._unsent: dict[int, list[tuple[bytes, bytes]]] = {}
        self._turns = Turns(
            self.flush,
            FLUSH_SECONDS,
            name="accesses",
            log=log,
            failed="accesses could not be appended",
        )

    def count(self, tenant: str, memory_ids: Sequence[str]) -> None:
        """Note that these memories were given out."""
        counts = self._counts.setdefault(tenant, {})
        for memory_id in memory_ids:
            if memory_id in counts:
                counts[memory_id] += 1
            elif self._waiting < AT_MOST:
                counts[memory_id] = 1
                self._waiting += 1

    def start(self) -> None:
        """Begin to append what was counted, once a second."""
        self._turns.start()

    async def stop(self) -> None:
        """Append what is left, if Kafka takes it soon."""
        await self._turns.stop()
        try:
            await asyncio.wait_for(self.flush(), STOP_SECONDS)
        except Exception as error:
            log.warning("the last accesses are not counted: %r", error)

    async def flush(self) -> None:
        """Append what was counted, after what is still unsent."""
        if not self._unsent:
            self._pack()
        await asyncio.gather(*(self._send(partition) for partition in sorted(self._unsent)))

    def _pack(self) -> None:
        """Make records of the counts: at most one flush of records is under way."""
        now = self._clock()
        for tenant, counts in self._counts.items():
            partition = partition_of(tenant, self._partitions)
            pairs = iter(counts.items())
            while some := tuple(islice(pairs, IN_ONE)):
                self._sequence += 1
                origin = Origin(self._writer, self._started, 0, self._sequence)
                record = Record(VERSION, tenant, origin, "", "", now, Accessed(some))
                unsent = self._unsent.setdefault(partition, [])
                unsent.append((tenant.encode(), facts.encode(record)))
        self._counts.clear()
        self._waiting = 0

    async def _send(self, partition: int) -> None:
        """Append a partition's records in their order; what fails stays, and all after it."""
        unsent = self._unsent[partition]
        while unsent:
            try:
                await self._append(partition, *unsent[0])
            except KafkaError as error:
                log.warning("accesses of partition %d wait: %r", partition, error)
                return
            del unsent[0]
        del self._unsent[partition]
