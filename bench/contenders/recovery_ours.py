"""Agent Streams: a take-over's replay of the changelog into empty databases, all partitions."""

import asyncio
import gc
from pathlib import Path
from typing import Any

from aiokafka import TopicPartition
from stopwatch import Stopwatch, finish, spec

from streams.runtime import recovery
from streams.runtime.clients import Inquiry

watch = Stopwatch()


async def run(given: dict[str, Any]) -> None:
    inquiry = Inquiry(given["kafka"])
    await inquiry.start()
    # As worker.py does.
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)
    watch.start()
    databases = [
        recovery.open_local(Path(given["data"]) / f"{p}") for p in range(given["partitions"])
    ]
    recovered = await asyncio.gather(
        *(
            recovery.replay_changelog(inquiry, TopicPartition(given["topic"], p), db)
            for p, db in enumerate(databases)
        )
    )
    watch.stop()
    report = watch.report(sum(found.rows for found in recovered), given["topic"])
    finish(report | {"keys": sum(1 for db in databases for _ in db.items())})


if __name__ == "__main__":
    asyncio.run(run(spec()))
