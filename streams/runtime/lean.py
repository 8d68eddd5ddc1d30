"""Kafka consumers that hand out records as the decoder made them, and fetch less often if asked."""

import asyncio
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.fetcher import FetchResult

REST_S_A_BYTE = 4e-6
REST_S = 0.06
BEHIND_BYTES = 1 << 20
"""A fetch of this size: there is a backlog, and the next one is wanted at once."""


class LeanConsumer(AIOKafkaConsumer):  # type: ignore[misc]
    """Hands out records as the decoder made them: offset, timestamp, key, value, headers.

    Wrapping each in a ConsumerRecord (topic, partition and sizes again, a dict each) costs more
    than all the rest of reading it.
    """

    async def start(self) -> None:
        await super().start()
        self._fetcher._proc_fetch_request = self._wrapped(self._fetcher._proc_fetch_request)

    def _wrapped(self, fetch: Any) -> Any:
        async def fetch_lean(*args: Any) -> bool:
            # aiokafka puts results where its user finds them, then returns without waiting: nobody
            # has seen them before the lines below.
            got: bool = await fetch(*args)
            self._fetched(_unwrap(self._fetcher._records.values()), *args)
            return got

        return fetch_lean

    def _fetched(self, nbytes: int, assignment: Any, node: int, request: Any) -> None:
        """Hear how much a fetch brought."""


class GatheringConsumer(LeanConsumer):
    """Rests before each fetch, the longer the more the last one brought, up to 60 ms.

    A fetch is answered as soon as there is one record. At a thousand records a second that is a
    fetch, a slice or transaction and all its requests for every few records, and they are what
    they then wait for: with rests an event takes 90 ms instead of 200 from input to alert, for
    half of the CPU. Few records hardly wait, and a backlog not at all. It has to be before the
    fetch: what is fetched already when a rest begins would wait for the whole of it.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._rest: dict[int, float] = {}

    def _wrapped(self, fetch: Any) -> Any:
        fetch_lean = super()._wrapped(fetch)

        async def rest_and_fetch(assignment: Any, node: int, request: Any) -> bool:
            try:
                await asyncio.sleep(self._rest.get(node, 0.0))
            except asyncio.CancelledError:
                return False  # as aiokafka's own: who cancels it awaits it, and must go on closing
            got: bool = await fetch_lean(assignment, node, request)
            return got

        return rest_and_fetch

    def _fetched(self, nbytes: int, assignment: Any, node: int, request: Any) -> None:
        behind = nbytes >= BEHIND_BYTES
        self._rest[node] = 0.0 if behind else min(nbytes * REST_S_A_BYTE, REST_S)


def _unwrap(results: Any) -> int:
    """Have new results hand out records as they are; returns their bytes."""
    nbytes = 0
    for result in results:
        if isinstance(result, FetchResult) and result.has_more():
            records = result._partition_records
            if records._consumer_record is not _as_it_is:
                records._consumer_record = _as_it_is
                nbytes += records._records.size_in_bytes()
    return nbytes


def _as_it_is(_: Any, record: Any) -> Any:
    return record
