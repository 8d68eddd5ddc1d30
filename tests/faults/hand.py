"""The hand of the plan: does its faults to the workers and brings back who is to come back."""

import asyncio
import contextlib
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from tests.faults import disk
from tests.faults.fleet import NOT_STARTED, Fleet, Worker
from tests.faults.kinds import Fault
from tests.faults.plan import LEAST

# Bounds against hanging: generous, since a machine may have other things to do.
READY_S = 180.0
FAULT_S = 180.0
"""How long a failpoint may take to be reached."""
AGAIN_S = 20.0
"""So long a worker without a disk may take until it has begun from a snapshot, before it loses it
again: it may have got its partitions back only when it had a state of its own."""
STOP_S = 15.0
FULL_S = 60.0
"""Within this time a full disk is noticed: each second's ticks are written."""
SPARE_S = 180.0
"""How long a worker that is to leave may wait for others to come."""
GAVE_UP = (3, NOT_STARTED)
"""Exit codes of a worker that asks to be started again: it was fenced three times in a minute, or
its disk was full or Kafka away for too long."""


class Hand:
    """Does faults to the workers of a fleet.

    Parameters
    ----------
    flags : Path
        Folder in which a process that dies at a failpoint leaves that point's name.
    draw : random.Random
        Of what the plan leaves open: which bytes are damaged.
    note : callable
        Takes a line for a run's history.

    Attributes
    ----------
    damaged : list of str
        What was done to files.
    """

    def __init__(
        self, fleet: Fleet, flags: Path, draw: random.Random, note: Callable[[str], None]
    ) -> None:
        self.damaged: list[str] = []
        self._fleet = fleet
        self._flags = flags
        self._draw = draw
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
            if fault.kind in ("visit", "call"):
                await self._look_in(name, fault)
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
        # Of one point more than one may die.
        flag = self._flags / f"{fault.point}-{worker.name}-{len(worker.deaths)}"
        restores = fault.point.startswith("restore.")
        end = time.monotonic() + FAULT_S
        again = AGAIN_S
        while time.monotonic() < end:
            if restores:
                if worker.alive:
                    await worker.kill()
                worker.wipe()
            worker.start(f"{fault.point}+{fault.after:.0f}@{flag}")
            code = await worker.died(again if restores else FAULT_S)
            if code is None:
                # A busy machine needs longer to start one.
                again *= 1.5
            if code == -signal.SIGKILL and flag.exists():
                worker.deaths.append(fault.point)
                return
            if code not in (None, *GAVE_UP):
                raise _ended(worker, f"before {fault.point}")
        raise AssertionError(f"{worker.name} did not die at {fault.point}")

    async def _work(self, worker: Worker, seconds: float) -> None:
        """Wait until it works, and let it work for so long."""
        await self.ready(worker)
        while await worker.died(seconds) is not None:
            self._again(worker)
            await self.ready(worker)

    def _again(self, worker: Worker) -> None:
        """Start a worker that gave up, as a supervisor does; no other end by itself is right."""
        if worker.code not in GAVE_UP:
            raise _ended(worker, "by itself")
        self._note(f"{worker.name} gave up and is started again")
        worker.deaths.append("gave up")
        worker.start()

    async def _retire(self, worker: Worker) -> None:
        """Wait until there is one to spare; from then on nobody expects it back."""
        async with asyncio.timeout(SPARE_S):
            while len(self._fleet.members(worker.role)) <= LEAST:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        self._fleet.retire(worker)

    async def _look_in(self, name: str, fault: Fault) -> None:
        """Let a worker come that nobody counts on, and go again, ready or not."""
        await asyncio.sleep(fault.after)
        worker = self._fleet.add(name)
        self._fleet.retire(worker)
        worker.start()
        await worker.died(fault.away)
        worker.deaths.append(fault.kind)
        if fault.kind == "visit":
            if worker.alive:
                await worker.kill()
            return
        if worker.alive:
            worker.signal(signal.SIGTERM)
        # One that has not begun to listen to signals ends by this one.
        code = await worker.died(STOP_S)
        if code not in (0, *GAVE_UP, -signal.SIGTERM):
            raise _ended(worker, "on SIGTERM")

    async def _fill(self, worker: Worker, fault: Fault) -> None:
        """Fill its disk for a while; it may end by itself, once it has tried."""
        before = await _stores_lost(worker)
        disk.fill(worker.pid)
        end = time.monotonic() + FULL_S
        try:
            await worker.died(fault.away)
            while worker.alive and await _stores_lost(worker) == before:
                if time.monotonic() > end:
                    raise AssertionError(f"{worker.name} has not noticed its full disk")
                await asyncio.sleep(0.1)
        finally:
            if worker.alive:
                disk.empty(worker.pid)
        if not worker.alive:
            self._again(worker)

    async def _strike(self, worker: Worker, fault: Fault) -> None:
        worker.deaths.append(fault.kind)
        if fault.kind == "freeze":
            worker.signal(signal.SIGSTOP)
            await asyncio.sleep(fault.away)
            worker.signal(signal.SIGCONT)
        elif fault.kind == "full":
            await self._fill(worker, fault)
        elif fault.kind in ("stop", "leave"):
            worker.signal(signal.SIGTERM)
            code = await worker.died(STOP_S)
            if code not in (0, *GAVE_UP):
                raise _ended(worker, "on SIGTERM")
        else:
            await worker.kill()
            if fault.kind == "wipe":
                worker.wipe()
            if fault.kind == "damage":
                done = disk.damage(worker.folder, self._draw)
                self._note(f"{worker.name}: {'; '.join(done) or 'nothing to damage'}")
                self.damaged += done


def _ended(worker: Worker, when: str) -> AssertionError:
    """What is told of an end that is not right: what the worker said last belongs to it."""
    code = "not" if worker.code is None else f"with {worker.code}"
    return AssertionError(f"{worker.name} ended {code} {when}; it said last:\n{worker.tail()}")


def api(worker: Worker) -> httpx.AsyncClient:
    """Client of a worker's API."""
    return httpx.AsyncClient(base_url=worker.url, timeout=30, trust_env=False)


async def _stores_lost(worker: Worker) -> float:
    """How many stores a worker has closed because they failed; less than none if it can't say."""
    with contextlib.suppress(httpx.HTTPError):
        async with api(worker) as client:
            lines = (await client.get("/metrics")).text.splitlines()
        return sum(float(x.split()[-1]) for x in lines if x.startswith("streams_stores_lost_total"))
    return -1
