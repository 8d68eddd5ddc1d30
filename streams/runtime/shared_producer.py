"""SharedProducer: one producer for all writers of a process."""

import asyncio
import contextlib

from aiokafka import AIOKafkaProducer

from streams.runtime import clients

STOP_S = 0.5


class SharedProducer:
    """The process's producer for log or DLQ, replaced when it can't be trusted any more."""

    def __init__(self, bootstrap: str, *, compression: str | None = None) -> None:
        self._bootstrap = bootstrap
        self._compression = compression
        self._producer: AIOKafkaProducer | None = None
        self._lock = asyncio.Lock()

    async def get(self) -> AIOKafkaProducer:
        async with self._lock:
            if self._producer is not None:
                return self._producer
            producer = clients.plain_producer(self._bootstrap, compression=self._compression)
            try:
                await producer.start()
            except BaseException:
                await producer.stop()
                raise
            self._producer = producer
            return producer

    async def discard(self, producer: AIOKafkaProducer) -> None:
        """Stop using a producer; whoever waits for its acks fails and goes back too."""
        async with self._lock:
            current = self._producer
            if current is None or current is not producer:
                return
            self._producer = None
        with contextlib.suppress(Exception):
            await asyncio.wait_for(current.stop(), STOP_S)

    async def stop(self) -> None:
        if self._producer is not None:
            await self._producer.stop()
