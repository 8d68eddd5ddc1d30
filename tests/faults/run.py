"""One fault run: start the workers, send the input, let the plan befall them, check the end."""

import asyncio
import contextlib
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import httpx
import msgspec

from streams import topology
from streams.runtime import topics
from streams.settings import Settings
from tests.faults import checks
from tests.faults.around import Around
from tests.faults.brokers import Brokers
from tests.faults.databases import Bucket, Compared, check_databases
from tests.faults.events import Input
from tests.faults.feed import send_all, send_steadily
from tests.faults.fleet import Fleet
from tests.faults.forgetting import Forgetting
from tests.faults.forgotten import check_forgetting, consolidated
from tests.faults.hand import STOP_S, Hand, api
from tests.faults.memories import check_memories
from tests.faults.model import Model
from tests.faults.plan import LEAST, SHORT, Plan, make_plan
from tests.faults.quotas import check_quotas
from tests.faults.site import Site
from tests.faults.trace import Trace
from tests.faults.watch import Watch
from tests.faults.wrong import Wrong

REFLECT_S = 240.0
PULSE_S = 1.0
SPLIT_S = 2.0
STOOD_STILL_S = 10.0


@dataclass
class Outcome:
    """What a run came to."""

    wrong: list[Wrong] = field(default_factory=list)
    figures: dict[str, object] = field(default_factory=dict)
    history: list[str] = field(default_factory=list)


class Broken(Exception):
    """Something that must hold does not; the message is what a person needs to replay it."""

    def __init__(self, report: str, outcome: Outcome) -> None:
        super().__init__(report)
        self.outcome = outcome


class Run:
    """A run on a site, with topics and a bucket of this run's own.

    Parameters
    ----------
    bucket : str
        Name of the run's bucket, which it makes.
    """

    def __init__(
        self,
        settings: Settings,
        given: Input | Trace,
        site: Site,
        bucket: str,
        *,
        plan: Plan | None = None,
        say: Callable[[str], None] = print,
    ) -> None:
        self.settings = msgspec.structs.replace(
            settings, kafka=site.kafka, replication=site.nodes, s3_bucket=bucket
        )
        self.given = given
        self.plan = plan or make_plan(given.seed, brokers=site.nodes)
        self.outcome = Outcome()
        self._model = Model().fold(given.budgets())
        self._cluster = site.cluster
        self._around = Around(site, self.settings, given.seed, self._note)
        self._around.bucket.deletions_wanted = "collect.deleted" in self.plan.points
        data = Path(settings.data)
        self._flags = data / "flags"
        self._fleet = Fleet(
            self._around.workers_settings, data / "logs", {"fold": LEAST, "admit": LEAST}
        )
        draw = random.Random(f"hand {given.seed}")
        self._hand = Hand(self._fleet, self._flags, draw, self._note)
        self._owners: dict[int, checks.Told] = {}
        self._forgetting = Forgetting(given.seed, given.base)
        self._number = 0
        """Of splits, and of looks for what can be split."""
        self._over = False
        self._tails = ""
        self._began = time.monotonic()
        self._say = say

    async def run(self) -> Outcome:
        """Run it.

        Raises
        ------
        Broken
            With the seed, the plan, what happened when, and the logs' last lines.
        """
        pulse = asyncio.create_task(self._pulse())
        try:
            async with self._around.standing(self._fleet):
                await self._told()
        finally:
            pulse.cancel()
            self._fleet.kill()
            self._count()
        if self.outcome.wrong:
            raise Broken(self._report(), self.outcome)
        return self.outcome

    async def _told(self) -> None:
        """Run it; where something else than a check fails, ask the processes how they are."""
        try:
            await self._run()
        except Exception as error:
            self.outcome.wrong += [Wrong(f"{type(e).__name__}: {e}") for e in _flat(error)]
            self.outcome.wrong += await self._states()
            self._tails = self._fleet.report()
            await self._fleet.show_tasks()

    async def _run(self) -> None:
        settings, given, model, figures = (
            self.settings,
            self.given,
            self._model,
            self.outcome.figures,
        )
        self._flags.mkdir(parents=True, exist_ok=True)
        await topics.ensure(settings)
        for worker in self._fleet.members():
            worker.start()
        await self._all_ready()
        await send_all(settings, given.budgets())
        async with self._apis() as apis:
            await checks.reflected(settings, apis[0], model, REFLECT_S)
        await self._around.snapshots()
        self._note(f"{len(model.budgets)} budgets are set; sending begins")
        sending = asyncio.create_task(
            send_steadily(
                settings,
                model.folding(given.stream()),
                given.events,
                self.plan.seconds,
                lambda: self._over,
            )
        )
        splitting = asyncio.create_task(self._splits())
        try:
            await self._befall(sending)
        except BaseException:
            sending.cancel()
            splitting.cancel()
            raise
        figures["faults_seconds"] = self._seconds()
        self._note("the faults are over")
        self._over = True
        figures["sent"] = await sending
        await splitting
        began = time.monotonic()
        await self._all_ready()
        async with self._apis() as apis:
            await checks.reflected(settings, apis[0], model, REFLECT_S)
            await self._split(apis)
            await checks.reflected(settings, apis[0], model, REFLECT_S)
            self._note(f"all is reflected {time.monotonic() - began:.1f} s after the last event")
            if self._hand.damaged:
                await checks.settled(apis, REFLECT_S)
            await self._check(apis)
        await self._stop()
        own = self._around.bucket
        self.outcome.wrong += await own.check()
        bucket, compared = Bucket(own.bin, bool(own.damaged)), Compared()
        self.outcome.wrong += await check_databases(
            settings, self._fleet, self._owners, bucket, compared
        )
        figures |= asdict(compared)
        self._note("the databases are checked")
        self.outcome.wrong += self._void(compared)
        alerts = sum(len(alerts) for alerts in model.alerts().values())
        figures |= {
            "alerts": alerts + len(model.unpriced),
            "commands": len(model.commands),
            "quotas": len(model.quotas),
            "duplicates": model.duplicates,
        }

    def _void(self, compared: Compared) -> list[Wrong]:
        """What the plan has and nobody met: a run that tries nothing must not pass."""
        plan, hits = self.plan, self._around.hits
        died = Counter(kind for worker in self._fleet.workers.values() for kind in worker.deaths)
        missing = list((Counter(plan.points) - died).elements())
        missing += [kind for kind in ("visit", "call", "full") if died[kind] < plan.count(kind)]
        missing += [f"kafka {f.kind}" for f in plan.nets if not hits[f"kafka {f.kind}"]]
        missing += [f"s3 {f.kind}" for f in plan.buckets if not hits[f"s3 {f.kind}"]]
        missing += ["damage"] if plan.count("damage") and not self._hand.damaged else []
        done = asdict(compared) | self._forgot()
        if self._around.bucket.damaged:
            # All that there was to restore from may be.
            done.pop("restored")
        missing += [name for name, count in done.items() if not count]
        return [Wrong(f"nothing of this has happened: {what}") for what in missing]

    def _forgot(self) -> dict[str, object]:
        """How much was merged, split and erased, if the input has such tenants."""
        if not self._model.forgotten.commands:
            return {}
        return {name: self.outcome.figures.get(name) for name in ("merged", "split", "erased")}

    async def _befall(self, sending: asyncio.Task[int]) -> None:
        """Go through the plan, each list of faults beside the others."""
        async with (
            Watch(self.settings) as folded,
            Watch(self.settings, topology.AGENT_MESSAGES, self.settings.admit_group) as admitted,
            asyncio.TaskGroup() as group,
        ):
            for name, faults in self.plan.workers.items():
                group.create_task(self._hand.befall(name, faults))
            group.create_task(self._around.net(self.plan.nets, self._fleet))
            group.create_task(self._around.s3(self.plan.buckets))
            if self._cluster is not None:
                brokers = Brokers(
                    self._cluster,
                    # Who admits has nothing to do when all is sent, who folds has ticks.
                    lambda: (folded,) if sending.done() else (folded, admitted),
                    self._note,
                )
                self.outcome.figures["stalls"] = brokers.stalls
                group.create_task(brokers.befall(self.plan.brokers))

    async def _check(self, apis: list[httpx.AsyncClient]) -> None:
        settings, wrong, model = self.settings, self.outcome.wrong, self._model
        wrong += await checks.check_usage(apis, model)
        self._note("usage is checked")
        wrong += await checks.check_alerts(settings, model)
        wrong += await checks.check_audit(settings, model)
        wrong += await check_memories(settings, model)
        wrong += await check_quotas(settings, model)
        forgotten = model.forgotten
        wrong += await check_forgetting(settings, apis[0], forgotten, self.outcome.figures)
        self._note("memories are checked")
        self._note("alerts and audit are checked")
        wrong += await checks.check_owners(settings, apis, self._owners)
        wrong += await checks.check_positions(settings)
        wrong += await checks.check_dead_letters(settings)
        self._note("owners and positions are checked")

    async def _splits(self) -> None:
        """Undo merges while the faults go on, as far as somebody answers."""
        while not self._over:
            await asyncio.sleep(SPLIT_S)
            async with self._apis() as apis:
                await self._split(apis)

    async def _split(self, apis: list[httpx.AsyncClient]) -> None:
        found = await consolidated(apis)
        self._number += 1
        for tenant, memory_id in found[self._number :: 7][:2]:
            event = self._forgetting.split(tenant, memory_id, self._number)
            self._number += 1
            self._model.add(event)
            await send_all(self.settings, [event])

    async def _stop(self) -> None:
        stopped = await self._fleet.stop()
        self.outcome.figures["stop_seconds"] = {
            name: round(took, 1) for name, (_, took) in stopped.items()
        }
        self.outcome.wrong += [
            Wrong(f"{name} ended with {code} after {took:.1f} s of SIGTERM")
            for name, (code, took) in stopped.items()
            if code != 0 or took > STOP_S
        ]

    def _count(self) -> None:
        """Count what happened, whether the run ended well or not."""
        deaths = [kind for worker in self._fleet.workers.values() for kind in worker.deaths]
        visits = sum("guest" in name for name in self._fleet.workers)
        stalls = self.outcome.figures.setdefault("stalls", [])
        self.outcome.figures |= {
            "deaths": sum(kind not in ("gave up", "freeze", "full") for kind in deaths),
            "frozen": deaths.count("freeze"),
            "full": deaths.count("full"),
            "damaged": len(self._hand.damaged),
            "visits": visits,
            "joined": len(self._fleet.workers) - 2 * LEAST - visits,
            "removed": len(self._fleet.workers) - len(self._fleet.members()) - visits,
            "points": sorted(kind for kind in deaths if "." in kind),
            "hits": dict(sorted(self._around.hits.items())),
            "broker_faults": len(stalls),
            "gave_up": deaths.count("gave up"),
            "lost": sum(wrong.lost for wrong in self.outcome.wrong),
            "double": sum(wrong.double for wrong in self.outcome.wrong),
            "seconds": self._seconds(),
        }

    async def _pulse(self) -> None:
        """Note for how long this process itself did not run: no bound means anything then."""
        self.outcome.figures["stood_still"] = 0.0
        while True:
            before = time.monotonic()
            await asyncio.sleep(PULSE_S)
            late = round(time.monotonic() - before - PULSE_S, 1)
            if late > STOOD_STILL_S:
                self._note(f"this process itself stood still for {late} s")
                self.outcome.figures["stood_still"] = late

    async def _all_ready(self) -> None:
        await asyncio.gather(*(self._hand.ready(worker) for worker in self._fleet.members()))

    @contextlib.asynccontextmanager
    async def _apis(self) -> AsyncIterator[list[httpx.AsyncClient]]:
        async with contextlib.AsyncExitStack() as stack:
            yield [await stack.enter_async_context(api(w)) for w in self._fleet.alive()]

    async def _states(self) -> list[Wrong]:
        """Ask each process for its partitions and what it waits for."""
        found = []
        for worker in self._fleet.alive():
            worker.signal(signal.SIGCONT)
            for path in ("/readyz", "/v1/partitions?local=true"):
                try:
                    async with api(worker) as client:
                        answer = (await client.get(path)).text
                except httpx.HTTPError as error:
                    answer = repr(error)
                found.append(Wrong(f"{worker.name} {path}: {answer}"))
        return found

    def _seconds(self) -> float:
        return round(time.monotonic() - self._began, 1)

    def _note(self, what: str) -> None:
        line = f"{self._seconds():6.1f} s  {what}"
        self.outcome.history.append(line)
        self._say(line)

    def _report(self) -> str:
        given, nodes = self.given, self.settings.replication
        again = (
            f"python -m tests.faults --seed {given.seed} --events {given.events} "
            f"--tenants {given.tenants} --partitions {self.settings.partitions} "
            f"--brokers {nodes} --base {given.base}"
        )
        if self.plan == make_plan(given.seed, brokers=nodes, size=SHORT):
            again += " --short"
        wrong = self.outcome.wrong
        parts = [f"fault run failed; again: {again}", *map(str, wrong[:40])]
        if len(wrong) > 40:
            parts.append(f"... and {len(wrong) - 40} more")
        parts += ["plan:", str(self.plan), "what happened:", *self.outcome.history]
        return "\n".join([*parts, self._tails or self._fleet.report()])


def _flat(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _flat(inner)]
    return [error]
