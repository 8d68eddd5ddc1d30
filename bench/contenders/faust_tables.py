"""Stock Faust: an agent that counts in a table on RocksDB, with what is known to make it quicker.

Quiet loggers, a lingering producer; at-least-once, which is its default.
"""

import asyncio
import logging
import sys
from typing import Any

import faust
from stopwatch import Stopwatch, finish, spec

given = spec()
watch = Stopwatch()
app = faust.App(
    given["group"],
    broker=f"kafka://{given['kafka']}",
    store="rocksdb://?driver=rocksdict",
    datadir=given["data"],
    topic_partitions=given["partitions"],
    topic_replication_factor=1,
    consumer_auto_offset_reset="earliest",
    table_standby_replicas=0,
    stream_recovery_delay=0.0,
    producer_linger=0.05,
    producer_max_batch_size=256 * 1024,
    web_enabled=False,
)
events = app.topic(given["topic"], key_type=str, key_serializer="raw", value_serializer="json")
counts = app.Table("counts", default=int, partitions=given["partitions"])
seen = 0


@app.agent(events)
async def count(stream: Any) -> None:
    global seen
    async for tenant, event in stream.items():
        if not watch.running:
            watch.start()
        counts[tenant] += event["n"]
        seen += 1
        if seen == given["events"]:
            # Its commit may follow up to 2.8 s later and is not charged.
            watch.stop()
            await app.producer.flush()
            await asyncio.sleep(0.5)
            finish(watch.report(seen, f"{given['group']}-counts-changelog"))


@app.task
async def quiet() -> None:
    for name in ("faust", "aiokafka", "mode"):
        logging.getLogger(name).setLevel(logging.ERROR)


if __name__ == "__main__":
    sys.argv[1:] = ["worker", "-l", "error", "--without-web"]
    app.main()
