"""Embedding in admit as `worker --role admit` does: Faust, writers, batches, the log's acks."""

import asyncio
import gc
import os
import sys
from pathlib import Path
from typing import Any

from stopwatch import Stopwatch, finish, spec

from streams import topology
from streams.core.log import Vector
from streams.runtime.admit_role import AdmitRole
from streams.runtime.app import quiet_libraries
from streams.runtime.clients import Inquiry
from streams.runtime.embedding import Embedding
from streams.runtime.ownership import Ownership
from streams.settings import Settings

watch = Stopwatch()
batches: list[int] = []


class Watched(Embedding):
    async def vectors(self, texts: Any) -> list[Vector]:
        if not watch.running:
            watch.start()
        return await super().vectors(texts)

    def _embed(self, texts: Any) -> list[Vector]:
        batches.append(len(texts))
        return super()._embed(texts)


async def run(given: dict[str, Any]) -> None:
    settings = Settings(
        kafka=given["kafka"],
        data=given["data"],
        group=given["group"],
        topic_prefix=given["prefix"],
        partitions=given["partitions"],
        embedder=given["model"],
    )

    def give_up(why: str) -> None:
        print(why, file=sys.stderr, flush=True)
        os._exit(1)

    ownership, inquiry = Ownership(settings), Inquiry(settings.kafka)
    await ownership.start()
    await inquiry.start()
    embedding = Watched.of(settings)
    assert embedding is not None
    # As the bare embedder does before its clock starts.
    await embedding.embed_query("ready?")
    role = AdmitRole(
        settings, Path(given["data"]), "http://bench", ownership, inquiry, give_up, embedding
    )
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)
    await role.start()
    await role.app.start()
    messages = topology.name(settings, topology.AGENT_MESSAGES)
    done = 0
    while done < given["events"]:
        await asyncio.sleep(0.005)
        done = sum(w._next for tp, w in role._writers.items() if tp.topic == messages)
    watch.stop()
    finish(watch.report(given["events"], "") | {"batches": len(batches)})


if __name__ == "__main__":
    quiet_libraries()
    to_do = spec()
    Path(to_do["data"]).mkdir(parents=True, exist_ok=True)
    asyncio.run(run(to_do))
