"""A Kafka consumer that hands out records as the decoder made them."""

from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.fetcher import FetchResult


class LeanConsumer(AIOKafkaConsumer):  # type: ignore[misc]
    """Hands out records as the decoder made them: offset, timestamp, key, value, headers.

    Wrapping each in a ConsumerRecord (topic, partition and sizes again, a dict each) costs more
    than all the rest of reading it.
    """

    async def start(self) -> None:
        await super().start()
        fetcher = self._fetcher
        fetch = fetcher._proc_fetch_request

        async def fetch_lean(*args: Any) -> bool:
            # aiokafka puts results where its user finds them, then returns without waiting: nobody
            # has seen them before the lines below.
            got: bool = await fetch(*args)
            for result in fetcher._records.values():
                if isinstance(result, FetchResult) and result.has_more():
                    result._partition_records._consumer_record = _as_it_is
            return got

        fetcher._proc_fetch_request = fetch_lean


def _as_it_is(_: Any, record: Any) -> Any:
    return record
