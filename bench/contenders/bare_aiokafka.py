"""The bound: the same transaction a chunk by hand, without Faust and without a fold's freedom.

One consumer, a task a partition; a chunk of 4,000 is summed per key, one changelog row a key, the
group's offsets in the transaction, one WriteBatch. No rows' types, no recovery, no owner.
"""

import asyncio
import logging
from pathlib import Path
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.structs import OffsetAndMetadata
from rocksdict import Options, Rdict, WriteBatch
from stopwatch import Stopwatch, finish, spec

CHUNK = 4_000
watch = Stopwatch()


class Event(msgspec.Struct, gc=False):
    tenant: str
    n: int


decode = msgspec.json.Decoder(Event).decode


async def fold(
    given: dict[str, Any], consumer: AIOKafkaConsumer, changelog: str, tp: TopicPartition, end: int
) -> None:
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    db = Rdict(str(Path(given["data"]) / str(tp.partition)), options=options)
    producer = AIOKafkaProducer(
        bootstrap_servers=given["kafka"],
        transactional_id=f"{given['group']}-{tp.partition}",
        max_batch_size=1 << 20,
        linger_ms=0,
    )
    await producer.start()
    done = 0
    while done < end:
        records = (await consumer.getmany(tp, timeout_ms=200, max_records=CHUNK)).get(tp)
        if not records:
            continue
        if not watch.running:
            watch.start()
        sums: dict[bytes, int] = {}
        for record in records:
            event = decode(record.value)
            key = event.tenant.encode()
            sums[key] = sums.get(key, 0) + event.n
        keys = list(sums)
        rows = WriteBatch(raw_mode=True)
        batch = producer.create_batch()
        for key, old in zip(keys, db.get(keys), strict=True):
            value = b"%d" % (sums[key] + int(old or 0))
            rows.put(key, value)
            batch.append(key=key, value=value, timestamp=None)
        done = records[-1].offset + 1
        await producer.begin_transaction()
        sent = await producer.send_batch(batch, changelog, partition=tp.partition)
        await producer.send_offsets_to_transaction(
            {tp: OffsetAndMetadata(done, "")}, given["group"]
        )
        await sent
        await producer.commit_transaction()
        db.write(rows)


async def run(given: dict[str, Any]) -> None:
    kafka, topic, partitions = given["kafka"], given["topic"], given["partitions"]
    changelog = f"{given['group']}-changelog"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    configs = {"cleanup.policy": "compact"}
    await admin.create_topics([NewTopic(changelog, partitions, 1, topic_configs=configs)])
    await admin.close()
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=2 << 20,
        fetch_max_wait_ms=100,
        check_crcs=False,
    )
    await consumer.start()
    tps = [TopicPartition(topic, p) for p in range(partitions)]
    consumer.assign(tps)
    ends = await consumer.end_offsets(tps)
    await asyncio.gather(*(fold(given, consumer, changelog, tp, ends[tp]) for tp in tps))
    watch.stop()
    finish(watch.report(given["events"], changelog))


if __name__ == "__main__":
    logging.getLogger("aiokafka").setLevel(logging.ERROR)
    asyncio.run(run(spec()))
