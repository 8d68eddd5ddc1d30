"""Sends a latency run's events when they are due, whatever becomes of those sent before.

Says afterwards when each probe was due and when it was handed to the producer, both by the
machine's monotonic clock.
"""

import asyncio
import gc
import json
import sys
import time

import metering_job as job
import msgspec
from aiokafka import AIOKafkaProducer
from latency_plan import Plan

from streams.core.ids import partition_of

START_IN_S = 0.5


async def run(kafka: str, topic: str, partitions: int, plan: Plan, out: str) -> None:
    records = []
    for due, is_probe, event in plan.events():
        place = partition_of(event.tenant, partitions)
        name = f"{event.tenant}/{event.id}" if is_probe else ""
        records.append((due, name, place, *job.record(event)))
    gc.freeze()
    gc.disable()
    producer = AIOKafkaProducer(bootstrap_servers=kafka, max_batch_size=1 << 17)
    await producer.start()
    probes = []
    futures = []
    late = 0.0
    began = time.perf_counter() + START_IN_S
    # What the wall clock says at the monotonic clock's zero: the log's times are of the wall clock.
    wall = time.time() - time.perf_counter()
    for due, name, place, key, value, headers in records:
        while (ahead := began + due - time.perf_counter()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(ahead)
        future = await producer.send(topic, value, key, place, headers=headers)
        if name:
            handed = time.perf_counter()
            probes.append((name, due, began + due, handed))
            futures.append(future)
        late = max(late, time.perf_counter() - began - due)
    await producer.flush()
    took = time.perf_counter() - began
    await asyncio.gather(*futures)
    await producer.stop()
    with open(out, "wb") as file:  # noqa: ASYNC230 - nothing else runs any more
        file.write(msgspec.json.encode(probes))
    report = {"sent": len(records), "seconds": took, "latest_s": late, "wall": wall}
    print(json.dumps(report), flush=True)


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    plan = msgspec.convert(given["plan"], Plan)
    asyncio.run(run(given["kafka"], given["topic"], given["partitions"], plan, given["out"]))
