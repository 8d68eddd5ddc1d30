"""Reads alerts as a user does (committed records only) and notes when each arrived."""

import asyncio
import gc
import json
import sys
import time

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from latency_plan import PROBE


async def run(kafka: str, topic: str, partitions: int, wanted: int, out: str) -> None:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka, isolation_level="read_committed", enable_auto_commit=False
    )
    await consumer.start()
    tps = [TopicPartition(topic, p) for p in range(partitions)]
    consumer.assign(tps)
    await consumer.seek_to_end(*tps)
    for tp in tps:
        await consumer.position(tp)
    gc.disable()
    print(json.dumps({"ready": True}), flush=True)
    arrived: list[tuple[float, bytes]] = []
    probe = f'"budget_id":"{PROBE}"'.encode()
    seen = 0
    while seen < wanted:
        batches = await consumer.getmany(timeout_ms=1000)
        now = time.perf_counter()
        for records in batches.values():
            arrived += [(now, record.value) for record in records]
            seen += sum(probe in record.value for record in records)
    found = []
    for at, value in arrived:
        alert = msgspec.json.decode(value)
        if alert.get("budget_id") == PROBE:
            found.append((f"{alert['tenant']}/{alert['cause']['id']}", at, alert["at"]))
    with open(out, "wb") as file:  # noqa: ASYNC230 - nothing else runs any more
        file.write(msgspec.json.encode(found))
    print(json.dumps({"arrived": len(found)}), flush=True)
    await consumer.stop()


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    asyncio.run(
        run(given["kafka"], given["topic"], given["partitions"], given["wanted"], given["out"])
    )
