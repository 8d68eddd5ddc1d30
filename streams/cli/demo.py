"""`streams demo`: the whole system at work on a simulated fleet, a worker killed on the way."""

import asyncio
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Coroutine
from decimal import Decimal
from itertools import islice
from pathlib import Path

import click
import msgspec

from streams.cli import demo_forget, demo_memory
from streams.cli.budget import Items
from streams.cli.client import Client, settings_for
from streams.cli.demo_system import Running, System
from streams.cli.demo_tally import judge, total, totals
from streams.cli.demo_view import Alert, Scene, Spend, View, alert_line, new_view, starting
from streams.cli.feed import Feed
from streams.cli.lines import JsonLines
from streams.cli.send import is_folded
from streams.cli.tail import records
from streams.core.errors import Failed, StreamsError
from streams.dev.fleet import TENANTS, Expected, FleetEvent, events
from streams.settings import Settings
from streams.topology import BUDGET_ALERTS

SECONDS = 25.0
KILL_AFTER = 10.0
BEAT = 0.05
ANSWER_SECONDS = 30
LAST_ALERTS = 1.0
"""Seconds for the alerts of the last events to come by."""
MEAN_COST = Decimal("0.005")
"""USD of a fleet's call, about; sizes the budgets, so that alerts fire within seconds."""
SPENT_AFTER = (
    ("research", 5, ""),
    ("planning", 12, ""),
    ("perception", 18, ""),
    ("fleet-ops", 60, ""),
    ("fleet-ops", 2, "model=gpt-4o"),
)
"""Tenant, seconds of load after which its budget is used up, scope."""


@click.command()
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder to keep; else a temporary one, deleted at the end.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=1),
    metavar="N",
    help=f"Seconds of load.  [default: until Ctrl-C on a terminal, else {SECONDS:g}]",
)
@click.option(
    "--rate",
    type=click.IntRange(1, 20_000),
    default=2000,
    show_default=True,
    help="Events a second.",
)
def demo(data: Path | None, seconds: float | None, rate: int) -> int:
    """Watch a simulated fleet spend against its budgets, exactly once.

    Starts everything (Kafka, workers, API), sets budgets, drives hundreds of agents, finds a memory
    by a question, kills a worker on the way, and ends by comparing what was counted with what was
    sent.

    \b
    Example:
      streams demo
      streams demo --seconds 40 --rate 4000 --data ./demo
    """
    begun = time.monotonic()
    if seconds is None and not sys.stdout.isatty():
        seconds = SECONDS
    folder = data or Path(tempfile.mkdtemp(prefix="agent-streams-demo-"))
    try:
        return asyncio.run(Demo(folder, seconds, rate, begun).play())
    finally:
        if data is None:
            shutil.rmtree(folder, ignore_errors=True)


class Demo:
    """One showing, from start to the last figure."""

    def __init__(self, folder: Path, seconds: float | None, rate: int, begun: float) -> None:
        self._system = System(folder)
        self._seconds = seconds
        self._rate = rate
        self._begun = begun
        # Another fleet each time: the same ids again in a kept folder would rightly count nothing.
        self._seed = time.time_ns() // 1_000_000
        self._stop = asyncio.Event()
        self._expected = {tenant: Expected() for tenant in TENANTS}
        self._calls: dict[str, int] = {}
        self._calls_before = 0
        self._forgot = False
        self._budget_of = {
            f"demo-{self._seed % 100_000}-{number}": row for number, row in enumerate(SPENT_AFTER)
        }

    async def play(self) -> int:
        """Start, show, compare, stop; 0 when all agrees."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._asked_to_end)
        try:
            with starting("starting Kafka, two workers of each kind and the API"):
                running = await self._or_stop(self._system.start())
            if running is None:
                return 130
            return await self._show(running)
        finally:
            await self._system.stop()

    def _asked_to_end(self) -> None:
        if self._stop.is_set():  # twice: at once
            raise KeyboardInterrupt
        self._stop.set()

    async def _or_stop(self, starting: Coroutine[object, object, Running]) -> Running | None:
        start = asyncio.create_task(starting)
        stop = asyncio.create_task(self._stop.wait())
        await asyncio.wait((start, stop), return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if start.done():
            return start.result()
        start.cancel()
        return None

    async def _show(self, running: Running) -> int:
        seconds = time.monotonic() - self._begun
        print(f"serving after {seconds:.1f} s at {running.api} (docs: {running.api}/)", flush=True)
        print(f"from another terminal: STREAMS_DATA={self._system.data} streams usage research")
        settings = settings_for(api=running.api, kafka=running.kafka)
        scene = Scene(self._begun, running.api, str(self._system.data), workers=running.workers)
        with Client(settings, timeout=ANSWER_SECONDS) as client:
            before = await asyncio.to_thread(totals, client)
            self._calls = {tenant: each.calls for tenant, each in before.items()}
            self._calls_before = sum(self._calls.values())
            await self._set_budgets(client, scene)
            async with Feed(settings, running.kafka) as feed:
                with new_view(scene) as view:
                    await self._run(settings, running, client, feed, view)
            after = await asyncio.to_thread(totals, client)
            await asyncio.to_thread(self._read_figures, client, scene)
            for line in demo_memory.lines(*await asyncio.to_thread(demo_memory.ask, client)):
                print(line)
            if not self._forgot:  # on a slow machine the load was over before
                await demo_forget.show(client, print)
        return judge(scene, self._expected, before, after)

    async def _set_budgets(self, client: Client, scene: Scene) -> None:
        """Set all at once: each is answered when it holds."""
        commands = []
        for budget_id, (tenant, seconds, scope) in self._budget_of.items():
            share = self._rate * MEAN_COST / len(TENANTS) / (6 if scope else 1)
            limit = max(Decimal("0.01"), round(seconds * share, 2))
            scene.spends[budget_id] = Spend(tenant, scope, limit)
            data = {
                "budget_id": budget_id,
                "limit_usd": str(limit),
                "period": "day",
                "scope": dict([scope.split("=")]) if scope else {},
            }
            commands.append(asyncio.to_thread(client.command, tenant, "budget.set", data))
        await asyncio.gather(*commands)

    async def _run(
        self, settings: Settings, running: Running, client: Client, feed: Feed, view: View
    ) -> None:
        """Load, figures, alerts and the kill side by side, until all that was sent is folded."""
        tasks = [
            asyncio.create_task(self._load(feed, client, view)),
            asyncio.create_task(self._watch_alerts(settings, running.kafka, view)),
            asyncio.create_task(self._watch_figures(client, view)),
            asyncio.create_task(self._show_memory(client, view)),
            asyncio.create_task(self._kill_once(view)),
        ]
        try:
            pending = set(tasks)
            while tasks[0] in pending:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _show_memory(self, client: Client, view: View) -> None:
        await demo_memory.show(client, view, self._seconds)
        self._forgot = await demo_forget.show(client, view.note)

    async def _load(self, feed: Feed, client: Client, view: View) -> None:
        scene = view.scene
        source = events(self._seed)
        lines = JsonLines()
        started = time.monotonic()
        while not self._stop.is_set():
            passed = time.monotonic() - started
            if self._seconds is not None and passed >= self._seconds:
                break
            due = int(passed * self._rate) - scene.sent
            # After a stall at most a second's worth at once.
            batch = list(islice(source, max(0, min(due, self._rate))))
            await feed.add(filter(None, (lines.event(0, event.line) for event in batch)))
            await feed.flush(wait=False)
            self._account(batch, scene)
            await asyncio.sleep(BEAT)
        view.note("the load has ended; waiting until all that was sent is counted")
        await feed.flush(wait=True)
        for (topic, partition, _), (offset, tenant) in sorted(feed.marks.items()):
            place = f"{topic}:{partition}:{offset}"
            # Again and again, each time for a moment, so that a second Ctrl-C is heard.
            while not await asyncio.to_thread(is_folded, client, tenant, place):
                pass
        await asyncio.sleep(LAST_ALERTS)

    def _account(self, batch: list[FleetEvent], scene: Scene) -> None:
        for event in batch:
            self._expected[event.tenant].add(event)
        scene.sent += len(batch)

    async def _watch_alerts(self, settings: Settings, kafka: str, view: View) -> None:
        scene = view.scene
        async for _, record in records(settings, kafka, BUDGET_ALERTS, start="earliest"):
            if not isinstance(record.value, msgspec.Raw):
                continue
            alert = msgspec.json.decode(record.value, type=Alert)
            if alert.budget_id not in self._budget_of:
                continue
            kind = record.headers.get("ce_type", "")
            scene.fired.append((alert.budget_id, kind, alert.threshold_percent))
            text = alert_line(kind, alert)
            scene.alerts.append(text)
            view.alert(text)
            if scene.first_alert is None:
                scene.first_alert = view.elapsed()
                view.note(f"first alert {scene.first_alert:.1f} s after the start")

    async def _watch_figures(self, client: Client, view: View) -> None:
        scene = view.scene
        while True:
            counted = scene.counted
            since = time.monotonic()
            await asyncio.sleep(1)
            if self._system.ended():
                raise Failed(f"`streams up` has ended{self._system.why()}")
            answered = await asyncio.to_thread(self._read_figures, client, scene)
            scene.rate = max(0, round((scene.counted - counted) / (time.monotonic() - since)))
            if answered != scene.answering:
                scene.answering = answered
                view.note("all tenants answer again" if answered else _AWAY)
            now = self._system.now()
            scene.workers = now.workers if now else scene.workers
            view.second()

    def _read_figures(self, client: Client, scene: Scene) -> bool:
        """Read what can be read; whether every tenant answered."""
        answered = True
        for tenant in TENANTS:
            try:
                body = client.get("v1", "tenants", tenant, "budgets", limit=500)
                self._calls[tenant] = total(client, tenant).calls
            except StreamsError:
                answered = False
                continue
            for item in msgspec.json.decode(body, type=Items).items:
                if item.config.budget_id in scene.spends:
                    scene.spends[item.config.budget_id].spent = Decimal(item.spent_usd)
        scene.counted = sum(self._calls.values()) - self._calls_before
        return answered

    async def _kill_once(self, view: View) -> None:
        await asyncio.sleep(min(KILL_AFTER, (self._seconds or 3 * KILL_AFTER) / 2.5))
        killed = self._system.kill_a_fold()
        if killed is None:
            return
        moment = time.monotonic()
        view.note(f"kill -9 of the fold worker {killed.pid}, which folds half of the partitions")
        while True:
            await asyncio.sleep(0.2)
            now = self._system.now()
            back = [w for w in now.workers if w.api == killed.api] if now else []
            if back and back[0].pid != killed.pid:
                seconds = time.monotonic() - moment
                view.note(f"it is back as {back[0].pid} after {seconds:.1f} s, at the same port")
                return


_AWAY = "some tenants do not answer until their partitions are taken over"
