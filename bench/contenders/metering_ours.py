"""Agent Streams, metering: one of the two roles as `streams worker --role` runs it, without HTTP.

admit: its Faust worker, a writer for each input partition, the catalogue's prices, the DLQ.
fold: its Faust worker, a partition store each, origin fences, dedupe, usage and budgets.
"""

import asyncio
import gc
import json
import os
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from stopwatch import Stopwatch, collecting, spec, tell

from streams.runtime.admit_role import AdmitRole
from streams.runtime.admitter import OriginWriter
from streams.runtime.app import quiet_libraries
from streams.runtime.clients import Inquiry
from streams.runtime.fold_role import FoldRole
from streams.runtime.ownership import Ownership
from streams.runtime.store import PartitionStore
from streams.settings import Settings
from streams.topology import AGENT_MESSAGES

watch = Stopwatch()
Mark = tuple[int, float, float]
marks: dict[tuple[str, int], list[Mark]] = defaultdict(list)
"""(next offset, wall clock, CPU) after each commit of a partition."""
counted = {"transactions": 0, "rows": 0}


def note(topic: str, partition: int, following: int) -> None:
    marks[topic, partition].append((following, time.perf_counter(), time.process_time()))


def watch_admit() -> None:
    admit, commit = OriginWriter._slice, AdmitRole._commit

    async def watched_slice(writer: OriginWriter, records: Any) -> None:
        if writer.topic == AGENT_MESSAGES and not watch.running:
            watch.start()
        await admit(writer, records)

    async def watched_commit(role: AdmitRole, offsets: Any) -> None:
        await commit(role, offsets)
        for tp, (following, _) in offsets.items():
            note(role._short[tp.topic], tp.partition, following)

    OriginWriter._slice, AdmitRole._commit = watched_slice, watched_commit  # type: ignore[method-assign]


def watch_fold() -> None:
    apply_some, send_rows = PartitionStore._apply_some, PartitionStore._send_rows

    async def watched_rows(store: PartitionStore, rows: Any) -> Any:
        counted["rows"] += len(rows)
        return await send_rows(store, rows)

    async def watched(store: PartitionStore, work: Any) -> None:
        counted["transactions"] += 1
        if not watch.running:
            watch.start()
        await apply_some(store, work)
        note(store.job.topic, store.partition, store.offset + 1)

    PartitionStore._apply_some = watched  # type: ignore[method-assign]
    PartitionStore._send_rows = watched_rows  # type: ignore[method-assign]


def share(role: Any) -> list[int]:
    """Partitions that this process has and is ready for, of the messages or of the log."""
    if role.ready() is not None:
        return []
    if isinstance(role, FoldRole):
        return sorted(role.owners)
    short = role._short
    return sorted(tp.partition for tp in role._writers if short[tp.topic] == AGENT_MESSAGES)


async def reached(ends: dict[str, dict[str, int]], mine: list[int]) -> Mark:
    """Wait until all of its partitions are there; when the last of them was."""
    last: Mark = (0, 0.0, 0.0)
    for topic, partitions in ends.items():
        for partition in mine:
            end = partitions[str(partition)]
            of = marks[topic, partition]
            while not of or of[-1][0] < end:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            last = max(last, next(m for m in of if m[0] >= end), key=lambda m: m[1])
    return last


async def run(given: dict[str, Any]) -> None:
    settings = Settings(
        kafka=given["kafka"],
        data=given["data"],
        worker=f"worker-{given['member']}",
        group=given["group"],
        topic_prefix=given["prefix"],
        partitions=given["partitions"],
    )

    def give_up(why: str) -> None:
        print(why, file=sys.stderr, flush=True)
        os._exit(1)

    ownership, inquiry = Ownership(settings), Inquiry(settings.kafka)
    await ownership.start()
    await inquiry.start()
    make = AdmitRole if given["role"] == "admit" else FoldRole
    role: Any = make(settings, Path(given["data"]), "http://bench", ownership, inquiry, give_up)
    # As worker.py does.
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)
    await role.start()
    await role.app.start()
    while role.ready() is not None:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    tell({"ready": os.getpid()})
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        asked = json.loads(line)
        if asked["do"] == "begin":
            # From here on the race is measured: what came before was the budgets.
            watch.running = False
            marks.clear()
            collecting.reset()
            counted.update(transactions=0, rows=0)
            tell({"begun": True})
        elif asked["do"] == "share":
            tell({"share": share(role)})
        else:
            _, ended, cpu = await reached(asked["ends"], share(role))
            watch.stop_at(ended, cpu)
            report = watch.report(given["events"], "")
            tell(report | {"gc_seconds": collecting.seconds} | counted)


if __name__ == "__main__":
    quiet_libraries()
    given = spec()
    collecting.watch()
    (watch_admit if given["role"] == "admit" else watch_fold)()
    asyncio.run(run(given))
