"""What users' producers compress is read whatever the codec, and bounded when it is unpacked."""

import asyncio

import pytest
from agents.malformed import good, marks
from aiokafka import AIOKafkaProducer

from streams.topology import AGENT_MESSAGES, dlq

from .system import At, System

MIB = 1 << 20


async def compressed(system: System, codec: str, key: bytes, *values: bytes) -> At:
    producer = AIOKafkaProducer(
        bootstrap_servers=system.settings.kafka,
        compression_type=codec,
        max_request_size=64 * MIB,
        max_batch_size=64 * MIB,
        linger_ms=50,
    )
    await producer.start()
    try:
        sent = [
            await producer.send(
                system.name(AGENT_MESSAGES), value, key, 0, headers=marks(ce_id=str(n).encode())
            )
            for n, value in enumerate(values)
        ]
        last = (await asyncio.gather(*sent))[-1]
    finally:
        await producer.stop()
    return At(last.topic, last.partition, last.offset)


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
async def test_every_codec_is_read(system: System, tenant: str, codec: str) -> None:
    place = await compressed(system, codec, tenant.encode(), *[good(content="x" * 999)] * 50)
    usage = await system.get(tenant, "usage", after=str(place), wait_ms=20000)
    assert usage["total"]["calls"] == 50


@pytest.mark.deep
async def test_a_huge_value_in_a_small_batch_stops_nothing(system: System, tenant: str) -> None:
    huge = good(content="x" * (20 * MIB))
    place = await compressed(system, "gzip", tenant.encode(), good(), huge, good())
    usage = await system.get(tenant, "usage", after=str(place), wait_ms=20000)
    assert usage["total"]["calls"] == 2
    (record,) = await system.of_tenant(dlq(AGENT_MESSAGES), tenant)
    assert dict(record.headers)["error_code"] == b"too_large"
    assert record.value == huge
