"""The hand of the plan: does its faults to the workers and brings back who is to come back."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from tests.faults.fleet import Fleet, Worker
from tests.faults.plan import LEAST, Fault

# Bounds against hanging: generous, since a machine may have other things to do.
READY_S = 180.0
FAULT_S = 180.0
"""How long a failpoint may take to be reached."""
STOP_S = 15.0
SPARE_S = 180.0
"""How long a worker that is to leave may wait for others to come."""
GAVE_UP = 3
"""Exit code of a worker that was fenced three times in a minute: it asks to be started again."""


class Hand:
    """Does faults to the workers of a fleet.

    Parameters
    ----------
    flags : Path
        Folder in which a process that dies at a failpoint leaves that point's name.
    note : callable
        Takes a line for a run's history.
    """

    def __init__(self, fleet: Fleet, flags: Path, note: Callable[[str], None]) -> None:
        self._fleet = fleet
        self._flags = flags
        self._note = note

    async def befall(self, name: str, faults: list[Fault]) -> None:
        """Go through one worker's faults; it is running afterwards if it is still a member."""
        for fault in faults:
            self._note(f"{name}: {fault}")
            if fault.kind == "join":
                await asyncio.sleep(fault.after)
                self._fleet.add(name).start()
                await self.ready(self._fleet[name])
                continue
            worker = self._fleet[name]
            if fault.kind == "failpoint":
                await self._die_at(worker, fault)
            else:
                if not worker.alive:
                    worker.start()
                await self._work(worker, fault.after)
                if fault.kind in ("leave", "gone"):
                    await self._retire(worker)
                    self._note(f"{name} is gone for good")
                await self._strike(worker, fault)
            if not worker.alive:
                await asyncio.sleep(fault.away)
        for worker in self._fleet.members():
            if worker.name == name and not worker.alive:
                worker.start()

    async def ready(self, worker: Worker) -> None:
        """Wait until it does its work, starting it again where it gives up."""
        end = time.monotonic() + READY_S
        answer = ""
        async with api(worker) as client:
            while time.monotonic() < end:
                if not worker.alive:
                    self._again(worker)
                with contextlib.suppress(httpx.HTTPError):
                    found = await client.get("/readyz")
                    if found.status_code == 200:
                        return
                    answer = found.text
                await asyncio.sleep(0.1)
        raise AssertionError(f"{worker.name} is not ready after {READY_S:.0f} s: {answer}")

    async def _die_at(self, worker: Worker, fault: Fault) -> None:
        """Start it with the failpoint armed and wait for its death."""
        if worker.alive:
            await worker.kill()
        flag = self._flags / fault.point
        worker.start(f"{fault.point}+{fault.after:.0f}@{flag}")
        code = await worker.died(FAULT_S)
        if code != -signal.SIGKILL or not flag.exists():
            raise AssertionError(f"{worker.name} did not die at {fault.point}: {code}")
        worker.deaths.append(fault.point)

    async def _work(self, worker: Worker, seconds: float) -> None:
        """Wait until it works, and let it work for so long."""
        await self.ready(worker)
        while await worker.died(seconds) is not None:
            self._again(worker)
            await self.ready(worker)

    def _again(self, worker: Worker) -> None:
        """Start a worker that gave up, as a supervisor does; no other end by itself is right."""
        if worker.code != GAVE_UP:
            raise AssertionError(f"{worker.name} ended by itself with {worker.code}")
        self._note(f"{worker.name} gave up and is started again")
        worker.deaths.append("gave up")
        worker.start()

    async def _retire(self, worker: Worker) -> None:
        """Wait until there is one to spare; from then on nobody expects it back."""
        async with asyncio.timeout(SPARE_S):
            while len(self._fleet.members(worker.role)) <= LEAST:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        self._fleet.retire(worker)

    async def _strike(self, worker: Worker, fault: Fault) -> None:
        worker.deaths.append(fault.kind)
        if fault.kind == "freeze":
            worker.signal(signal.SIGSTOP)
            await asyncio.sleep(fault.away)
            worker.signal(signal.SIGCONT)
        elif fault.kind in ("stop", "leave"):
            worker.signal(signal.SIGTERM)
            code = await worker.died(STOP_S)
            if code not in (0, GAVE_UP):
                raise AssertionError(f"{worker.name} ended with {code} on SIGTERM")
        else:
            await worker.kill()
            if fault.kind == "wipe":
                worker.wipe()


def api(worker: Worker) -> httpx.AsyncClient:
    """Client of a worker's API."""
    return httpx.AsyncClient(base_url=worker.url, timeout=30, trust_env=False)
