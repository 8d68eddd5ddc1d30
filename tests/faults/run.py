"""One fault run: start the workers, send the input, let the plan befall them, check the end."""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from streams.runtime import topics
from streams.settings import Settings
from tests.faults import checks
from tests.faults.events import Input
from tests.faults.feed import send_all, send_steadily
from tests.faults.fleet import Fleet, Worker
from tests.faults.model import Model
from tests.faults.plan import Fault, Plan, make_plan, show
from tests.faults.watch import Watch

READY_S = 90.0
FAULT_S = 60.0
"""How long a failpoint may take to be reached."""
REFLECT_S = 90.0
SECONDS_A_FAULT = 8.0
"""About what a fault takes with the restart after it; sets the rate of sending."""
STOP_S = 15.0
GAVE_UP = 3
"""Exit code of a worker that was fenced three times in a minute: it asks to be started again."""


class Broken(Exception):
    """Something that must hold does not; the message is what a person needs to replay it."""


@dataclass
class Outcome:
    """What a run came to."""

    wrong: list[str] = field(default_factory=list)
    figures: dict[str, object] = field(default_factory=dict)
    history: list[str] = field(default_factory=list)


class Run:
    """A run on a Kafka whose topics are this run's own."""

    def __init__(
        self,
        settings: Settings,
        given: Input,
        *,
        folds: int = 2,
        admits: int = 2,
        plan: Plan | None = None,
        say: Callable[[str], None] = print,
    ) -> None:
        self.settings = settings
        self.given = given
        self.plan: Plan = plan or make_plan(given.seed, folds, admits)
        self.outcome = Outcome()
        self._flags = Path(settings.data) / "flags"
        self._fleet = Fleet(
            settings, Path(settings.data) / "logs", {"fold": folds, "admit": admits}
        )
        self._busy = len(self.plan)
        self._began = time.monotonic()
        self._say = say

    async def run(self) -> Outcome:
        """Run it.

        Raises
        ------
        Broken
            With the seed, the plan, what happened when, and the logs' last lines.
        """
        try:
            await self._run()
        except Exception as error:
            self.outcome.wrong += [f"{type(e).__name__}: {e}" for e in _flat(error)]
            self.outcome.wrong += await self._states()
            await self._fleet.show_tasks()
        finally:
            self._fleet.kill()
        if self.outcome.wrong:
            raise Broken(self._report())
        return self.outcome

    async def _run(self) -> None:
        settings, given, figures = self.settings, self.given, self.outcome.figures
        self._flags.mkdir(parents=True, exist_ok=True)
        await topics.ensure(settings)
        for worker in self._fleet.workers.values():
            worker.start()
        await asyncio.gather(*(self._ready(worker) for worker in self._fleet.workers.values()))
        model = Model().fold(given.budgets())
        await send_all(settings, given.budgets())
        async with self._apis() as apis:
            await checks.reflected(settings, apis[0], model, REFLECT_S)
        self._note(f"{len(model.budgets)} budgets are set; sending begins")
        async with Watch(settings):
            longest = max(len(faults) for faults in self.plan.values())
            sending = asyncio.create_task(
                send_steadily(
                    settings,
                    given.stream(),
                    given.events,
                    longest * SECONDS_A_FAULT,
                    lambda: not self._busy,
                )
            )
            async with asyncio.TaskGroup() as group:
                for name, faults in self.plan.items():
                    group.create_task(self._befall(self._fleet[name], faults))
            figures["faults_seconds"] = round(time.monotonic() - self._began, 1)
            self._note("the faults are over")
            figures["sent"] = await sending
        began = time.monotonic()
        model = Model().fold(given.budgets()).fold(given.stream())
        await asyncio.gather(*(self._ready(worker) for worker in self._fleet.workers.values()))
        async with self._apis() as apis:
            await checks.reflected(settings, apis[0], model, REFLECT_S)
            self._note(f"all is reflected {time.monotonic() - began:.1f} s after the last event")
            await self._check(apis, model)
        stopped = await self._fleet.stop()
        figures["stop_seconds"] = {name: round(took, 1) for name, (_, took) in stopped.items()}
        self.outcome.wrong += [
            f"{name} ended with {code} after {took:.1f} s of SIGTERM"
            for name, (code, took) in stopped.items()
            if code != 0 or took > STOP_S
        ]
        self.outcome.wrong += await checks.check_databases(settings, self._fleet)
        alerts = sum(len(alerts) for alerts in model.alerts().values())
        figures |= {
            "alerts": alerts + len(model.unpriced),
            "commands": len(model.commands),
            "duplicates": model.duplicates,
            "deaths": sum(len(worker.deaths) for worker in self._fleet.workers.values()),
            "gave_up": sum(w.deaths.count("gave up") for w in self._fleet.workers.values()),
            "seconds": round(time.monotonic() - self._began, 1),
        }

    async def _check(self, apis: list[httpx.AsyncClient], model: Model) -> None:
        settings, wrong = self.settings, self.outcome.wrong
        points = [f.point for faults in self.plan.values() for f in faults if f.point]
        wrong += [f"nobody died at {p}" for p in points if not (self._flags / p).exists()]
        wrong += await checks.check_usage(apis, model)
        wrong += await checks.check_alerts(settings, model)
        wrong += await checks.check_audit(settings, model)
        wrong += await checks.check_digests(settings, apis)
        wrong += await checks.check_positions(settings)
        wrong += await checks.check_dead_letters(settings)
        self._note("checked")

    async def _befall(self, worker: Worker, faults: list[Fault]) -> None:
        """Go through one process's faults; it is running before and after."""
        for fault in faults:
            self._note(f"{worker.name}: {fault}")
            if fault.kind == "failpoint":
                await self._die_at(worker, fault)
            else:
                if not worker.alive:
                    worker.start()
                await self._work(worker, fault.after)
                await self._strike(worker, fault)
            if not worker.alive:
                await asyncio.sleep(fault.away)
        if not worker.alive:
            worker.start()
        self._busy -= 1

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
        await self._ready(worker)
        while await worker.died(seconds) is not None:
            self._again(worker)
            await self._ready(worker)

    def _again(self, worker: Worker) -> None:
        """Start a worker that gave up, as a supervisor does; no other end by itself is right."""
        if worker.code != GAVE_UP:
            raise AssertionError(f"{worker.name} ended by itself with {worker.code}")
        self._note(f"{worker.name} gave up and is started again")
        worker.deaths.append("gave up")
        worker.start()

    async def _strike(self, worker: Worker, fault: Fault) -> None:
        worker.deaths.append(fault.kind)
        if fault.kind == "freeze":
            worker.signal(signal.SIGSTOP)
            await asyncio.sleep(fault.away)
            worker.signal(signal.SIGCONT)
        elif fault.kind == "stop":
            worker.signal(signal.SIGTERM)
            code = await worker.died(STOP_S)
            if code not in (0, GAVE_UP):
                raise AssertionError(f"{worker.name} ended with {code} on SIGTERM")
        else:
            await worker.kill()
            if fault.kind == "wipe":
                worker.wipe()

    async def _ready(self, worker: Worker) -> None:
        end = time.monotonic() + READY_S
        answer = ""
        async with _api(worker) as api:
            while time.monotonic() < end:
                if not worker.alive:
                    self._again(worker)
                with contextlib.suppress(httpx.HTTPError):
                    found = await api.get("/readyz")
                    if found.status_code == 200:
                        return
                    answer = found.text
                await asyncio.sleep(0.1)
        raise AssertionError(f"{worker.name} is not ready after {READY_S:.0f} s: {answer}")

    @contextlib.asynccontextmanager
    async def _apis(self) -> AsyncIterator[list[httpx.AsyncClient]]:
        async with contextlib.AsyncExitStack() as stack:
            yield [await stack.enter_async_context(_api(w)) for w in self._fleet.alive()]

    async def _states(self) -> list[str]:
        """Ask each process for its partitions and what it waits for."""
        found = []
        for worker in self._fleet.alive():
            worker.signal(signal.SIGCONT)
            for path in ("/readyz", "/v1/partitions?local=true"):
                try:
                    async with _api(worker) as api:
                        found.append(f"{worker.name} {path}: {(await api.get(path)).text}")
                except httpx.HTTPError as error:
                    found.append(f"{worker.name} {path}: {error!r}")
        return found

    def _note(self, what: str) -> None:
        line = f"{time.monotonic() - self._began:6.1f} s  {what}"
        self.outcome.history.append(line)
        self._say(line)

    def _report(self) -> str:
        given = self.given
        again = (
            f"python -m tests.faults --seed {given.seed} --events {given.events} "
            f"--tenants {given.tenants} --partitions {self.settings.partitions} --base {given.base}"
        )
        parts = [f"fault run failed; again: {again}", *self.outcome.wrong[:40]]
        if len(self.outcome.wrong) > 40:
            parts.append(f"... and {len(self.outcome.wrong) - 40} more")
        parts += ["plan:", show(self.plan), "what happened:", *self.outcome.history]
        return "\n".join([*parts, self._fleet.report()])


def _flat(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _flat(inner)]
    return [error]


def _api(worker: Worker) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=worker.url, timeout=30, trust_env=False)
