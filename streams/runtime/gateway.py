"""The API of a process that folds nothing: `up` serves it on an address that stays the same."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from streams.runtime.app import quiet_libraries
from streams.runtime.clients import ApiProducer, Inquiry
from streams.runtime.cluster import KafkaCluster
from streams.runtime.http import listen, serving, url_of
from streams.runtime.ownership import Ownership
from streams.runtime.search import Search
from streams.settings import Settings


@asynccontextmanager
async def serve(settings: Settings, port: int) -> AsyncIterator[str]:
    """Serve the API on loopback and yield its url; every tenant is forwarded to its owner."""
    quiet_libraries()
    listening = listen(f"127.0.0.1:{port}")
    ownership = Ownership(settings)
    producer = ApiProducer(settings.kafka)
    inquiry = Inquiry(settings.kafka)
    cluster = KafkaCluster(settings, ownership, inquiry, {}, lambda: None)
    search = Search(0)
    await ownership.start()
    await producer.start()
    await inquiry.start()
    try:
        async with serving(listening, settings, cluster, producer, search):
            yield url_of(listening)
    finally:
        await inquiry.stop()
        await producer.stop()
        await ownership.stop()
        await search.stop()
