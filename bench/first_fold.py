"""From kill -9 to the first fold after it, with a state of some size; what its snapshots move.

A real fold worker owns one partition, whose state is filled beforehand: rows of half a kilobyte,
half of that compressible. It is killed and started again with its disk, and without it: then it
begins from the newest snapshot, in a bucket (STREAMS_S3_*) or in a folder.
"""

import asyncio
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import harness
import httpx
from harness import say

from streams.core.rows import encode_row, tenant_key
from streams.memory.rows import ValueRow
from streams.runtime import clients, topics
from streams.runtime.fold_jobs import fold_job
from streams.runtime.object_store import open_bin
from streams.runtime.positions import Source
from streams.runtime.processes import free_port
from streams.runtime.restoring import restore
from streams.runtime.view import open_database
from streams.runtime.whole_state import write_whole
from streams.settings import Settings, load
from streams.snapshots.manifest import Wanted
from streams.snapshots.names import Place

ROW_BYTES = 512
START_S = 240.0
KILLS = 3
LOOK_S = 0.01


class Worker:
    """One fold worker process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.url = f"http://127.0.0.1:{free_port()}"
        self.folder = Path(settings.data) / settings.worker
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environ = {
            "STREAMS_KAFKA": self.settings.kafka,
            "STREAMS_DATA": self.settings.data,
            "STREAMS_GROUP": self.settings.group,
            "STREAMS_TOPIC_PREFIX": self.settings.topic_prefix,
            "STREAMS_PARTITIONS": "1",
            "STREAMS_WORKER": self.settings.worker,
            "STREAMS_BIND": self.url.removeprefix("http://"),
            "STREAMS_SNAPSHOT_SECONDS": "86400",
        }
        with (Path(self.settings.data) / "worker.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "streams", "worker", "--role", "fold"],
                env=os.environ | environ,
                stdout=log,
                stderr=log,
            )

    def end(self, how: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(how)
        self._process.wait()

    async def partition(self, http: httpx.AsyncClient) -> dict[str, Any]:
        """What it says of its partition; empty before it answers."""
        try:
            answer = await http.get(f"{self.url}/v1/partitions")
            found: dict[str, Any] = answer.json()["items"][0]
        except (httpx.HTTPError, LookupError, ValueError):
            return {}
        return found

    async def folds_beyond(self, http: httpx.AsyncClient, offset: int) -> dict[str, Any]:
        """Wait until it has folded a record after this one."""
        async with asyncio.timeout(START_S):
            while True:
                found = await self.partition(http)
                if found.get("state") == "running" and found["offset"] > offset:
                    return found
                await asyncio.sleep(LOOK_S)


def rows(count: int) -> Iterator[tuple[bytes, bytes]]:
    made = random.Random(5)
    half = ROW_BYTES // 2
    for n in range(count):
        value = made.randbytes(half).hex().encode()[:half] + b"x" * half
        yield tenant_key(ValueRow, "tenant", b"%09d" % n), encode_row(ValueRow(value))


async def measure(kafka: str, folder: Path, mib: int) -> dict[str, Any]:
    """Measure with a state of so many MiB."""
    settings, _ = load(
        None,
        kafka=kafka,
        data=str(folder / "big"),
        group="big",
        topic_prefix="big.",
        partitions=1,
        worker="big-0",
    )
    os.mkdir(settings.data)
    await topics.ensure(settings)
    count = mib * (1 << 20) // ROW_BYTES
    await _fill(settings, folder / "made", count)
    say(f"filled a changelog with {count:,} rows, {mib} MiB")
    worker = Worker(settings)
    worker.start()
    figures: dict[str, Any] = {"mib": mib, "rows": count}
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=600) as http:
            found = await worker.folds_beyond(http, -1)
            figures["recovered_from_first"] = found["recovered_from"]
            figures["snapshot"] = await _snapshot(worker, http)
            figures["kill_to_first_fold_s"] = {
                "disk": await _kills(worker, http, wiped=False),
                "no_disk": await _kills(worker, http, wiped=True),
            }
    finally:
        worker.end(signal.SIGKILL)
    figures["restore"] = await _restore(settings, folder / "restored")
    return figures


async def _fill(settings: Settings, path: Path, count: int) -> None:
    db = open_database(path)
    for key, value in rows(count):
        db.put(key, value)
    job = fold_job(settings)
    producer = clients.transactional_producer(settings.kafka, job.transactional_id(0))
    await producer.start()
    await write_whole(producer, job, 0, db, Source(0, -1, "", time.time_ns() // 1000))
    await producer.stop()
    db.close()
    shutil.rmtree(path)


async def _snapshot(worker: Worker, http: httpx.AsyncClient) -> dict[str, Any]:
    began = time.monotonic()
    answer = await http.post(f"{worker.url}/v1/snapshots")
    seconds = time.monotonic() - began
    taken = next(each for each in answer.json()["items"] if "control" not in each["topic"])
    mib = taken["bytes"] / (1 << 20)
    say(f"snapshot: {mib:.0f} MiB in {seconds:.1f} s")
    return {"mib": round(mib, 1), "seconds": round(seconds, 2)}


async def _kills(worker: Worker, http: httpx.AsyncClient, *, wiped: bool) -> dict[str, float]:
    seconds = []
    for _ in range(KILLS):
        # Ticks are folded all the time: the first one after the kill is the first fold.
        before = await worker.folds_beyond(http, -1)
        worker.end(signal.SIGKILL)
        began = time.monotonic()
        if wiped:
            shutil.rmtree(worker.folder)
        worker.start()
        found = await worker.folds_beyond(http, before["offset"])
        seconds.append(time.monotonic() - began)
        say(f"killed, {'wiped, ' * wiped}from {found['recovered_from']}: {seconds[-1]:.1f} s")
        if found["recovered_from"] != ("s3" if wiped else "local"):
            sys.exit(f"it began from {found['recovered_from']}")
    return harness.spread(seconds, 2)


async def _restore(settings: Settings, into: Path) -> dict[str, float]:
    job = fold_job(settings)
    began = time.monotonic()
    made = await restore(open_bin(settings), Wanted(place=Place("big", job.topic, 0)), into)
    seconds = time.monotonic() - began
    if made is None:
        sys.exit("there is no snapshot to restore")
    mib = made.bytes / (1 << 20)
    say(f"restored {mib:.0f} MiB in {seconds:.1f} s: {mib / seconds:.0f} MiB/s")
    return {"mib": round(mib, 1), "seconds": round(seconds, 2), "mib_per_s": round(mib / seconds)}
