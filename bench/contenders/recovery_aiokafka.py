"""The bound: aiokafka by hand, one WriteBatch a fetch, one partition after the other."""

import asyncio
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from rocksdict import Options, Rdict, WriteBatch
from stopwatch import Stopwatch, finish, spec

watch = Stopwatch()


async def run(given: dict[str, Any]) -> None:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=given["kafka"],
        isolation_level="read_committed",
        enable_auto_commit=False,
        max_partition_fetch_bytes=8 << 20,
        check_crcs=False,
    )
    await consumer.start()
    tps = [TopicPartition(given["topic"], p) for p in range(given["partitions"])]
    watch.start()
    rows, databases = 0, []
    for tp, end in (await consumer.end_offsets(tps)).items():
        db = Rdict(str(Path(given["data"]) / f"{tp.partition}"), options=Options(raw_mode=True))
        consumer.assign([tp])
        consumer.seek(tp, 0)
        while await consumer.position(tp) < end:
            for records in (await consumer.getmany(timeout_ms=500)).values():
                rows += len(records)
                batch = WriteBatch(raw_mode=True)
                for record in records:
                    batch.put(record.key, record.value)
                db.write(batch)
        databases.append(db)
    watch.stop()
    keys = sum(1 for db in databases for _ in db.items())
    finish(watch.report(rows, given["topic"]) | {"keys": keys})


if __name__ == "__main__":
    asyncio.run(run(spec()))
