"""``python -m tests.faults.measure``: how long work stops after a fault, without other faults.

Seconds from kill -9 of one of two fold workers until every partition has folded something again;
and, for a worker that joins them, from its start until it has folded something itself (``added``),
and the longest that any partition stood still for it (``added, longest stop``).
"""

import argparse
import asyncio
import json
import signal
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import httpx

from streams.dev.kafka import EmbeddedKafka
from streams.runtime import topics
from streams.settings import Settings
from tests.faults.events import Input
from tests.faults.feed import send_steadily, today
from tests.faults.fleet import Fleet, Worker
from tests.faults.watch import Watch

READY_S = 90.0
RESUME_S = 60.0
RATE = 200
CASES = ("kill", "wipe", "gone")


async def measure(settings: Settings, repeats: int) -> dict[str, list[float]]:
    """Return the stops in seconds, by case."""
    await topics.ensure(settings)
    fleet = Fleet(settings, Path(settings.data) / "logs", {"fold": 2, "admit": 1}, spawn=True)
    try:
        for worker in fleet.workers.values():
            worker.start()
        for worker in fleet.workers.values():
            await ready(worker)
        await owning(fleet["fold-0"])
        given = Input(1, today(), events=1_000_000)
        async with Watch(settings) as watch:
            sending = asyncio.create_task(
                send_steadily(settings, given.stream(), given.events, given.events / RATE, bool)
            )
            stops: dict[str, list[float]] = {"start": [], **{case: [] for case in CASES}}
            for case in CASES * repeats:
                await watch.resumed(time.monotonic(), RESUME_S)
                await one(fleet["fold-0"], case, watch, stops)
            for n in range(repeats):
                await watch.resumed(time.monotonic(), RESUME_S)
                await added(fleet.add(f"fold-{2 + n}"), watch, stops)
            sending.cancel()
        return stops
    finally:
        fleet.kill()


async def one(worker: Worker, case: str, watch: Watch, stops: dict[str, list[float]]) -> None:
    """Kill a worker, let it come back as the case has it, and note how long work stopped."""
    await worker.kill()
    killed = time.monotonic()
    if case == "wipe":
        worker.wipe()
    if case == "gone":
        stops[case].append(round(await watch.resumed(killed, RESUME_S), 2))
        worker.start()
    else:
        worker.start()
        await listening(worker)
        stops["start"].append(round(time.monotonic() - killed, 2))
        stops[case].append(round(await watch.resumed(killed, RESUME_S), 2))
    await owning(worker)


async def added(worker: Worker, watch: Watch, stops: dict[str, list[float]]) -> None:
    """Start one more worker, note when it first folds and how long others stood still; stop it."""
    began = time.monotonic()
    worker.start()
    mine = await owned(worker)
    settled = time.monotonic()
    async with asyncio.timeout(RESUME_S):
        while (first := watch.first(mine, settled)) is None:  # noqa: ASYNC110 - as in Watch
            await asyncio.sleep(0.05)
        while (longest := watch.gap(began, settled)) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    stops.setdefault("added", []).append(round(first - began, 2))
    stops.setdefault("added, longest stop", []).append(round(longest, 2))
    worker.signal(signal.SIGTERM)
    await worker.died(20)


async def listening(worker: Worker) -> None:
    """Wait until its API answers at all: the process has started."""
    async with httpx.AsyncClient(base_url=worker.url, trust_env=False) as api:
        async with asyncio.timeout(READY_S):
            while True:
                with suppress(httpx.HTTPError):
                    await api.get("/healthz")
                    return
                await asyncio.sleep(0.05)


async def ready(worker: Worker) -> None:
    """Wait until it does its work."""
    async with httpx.AsyncClient(base_url=worker.url, timeout=10, trust_env=False) as api:
        async with asyncio.timeout(READY_S):
            while True:
                with suppress(httpx.HTTPError):
                    if (await api.get("/readyz")).status_code == 200:
                        return
                await asyncio.sleep(0.1)


async def owning(worker: Worker) -> None:
    """Wait until it has partitions again."""
    await owned(worker)


async def owned(worker: Worker) -> set[int]:
    """Wait until it has partitions; returns them."""
    await ready(worker)
    async with httpx.AsyncClient(base_url=worker.url, timeout=10, trust_env=False) as api:
        async with asyncio.timeout(READY_S):
            while True:
                items = (await api.get("/v1/partitions")).json()["items"]
                if mine := {i["partition"] for i in items if i["worker"] == worker.name}:
                    return mine
                await asyncio.sleep(0.2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--partitions", type=int, default=4)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="streams-measure-") as folder:
        data = Path(folder)
        with EmbeddedKafka(data / "kafka") as kafka:
            settings = Settings(
                kafka=kafka.bootstrap, partitions=options.partitions, data=str(data / "workers")
            )
            print(json.dumps(asyncio.run(measure(settings, options.repeats))))


if __name__ == "__main__":
    main()
