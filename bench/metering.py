"""Bench `metering`: the whole job of admit and fold, beside its peers.

Calls of agents come in; out come usage per hour, day, week and month by model, agent and project,
and budgets with their alerts. Each contender runs alone, one after the other and interleaved, and
counts only if every sum and every alert is what a naive model says.
"""

import argparse
import asyncio
import json
import logging
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import harness
import metering_check as check
import metering_job as job
from harness import say
from installation import Installation
from metering_model import Model
from metering_peers import Peers
from profiler import Profiler

from streams.dev.kafka import EmbeddedKafka
from streams.runtime import clients

EVENTS = 200_000
BUDGET_S = 540.0
"""No round begins that would not end by then: a bench takes ten minutes at most."""
SETTLE_S = 0.5
SINGLE = "-single"
# Name here, script, what differs.
CONTENDERS: tuple[tuple[str, str, Mapping[str, Any]], ...] = (
    ("ours", "ours", {"members": 2}),
    (f"ours{SINGLE}", "ours", {"members": 1}),
    ("quix-eos", "metering_quix", {"members": 2, "interval": None}),
    (f"quix-eos{SINGLE}", "metering_quix", {"members": 1, "interval": None}),
    ("aiokafka", "metering_aiokafka", {"members": 2}),
)
CONFIGURED = {
    "ours": "{members} `streams worker`, each a process of both roles, without HTTP",
    "quix-eos": "Quix Streams 3.28.1, exactly-once, commit_interval {interval}; one application in "
    "{members} process(es) of one group",
    "aiokafka": "aiokafka 0.14.0 by hand in {members} processes: chunks of 4,000, state in a dict",
}


def main() -> None:
    options = _options()
    # Topics are quite new when they are filled: their leaders may need a moment.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    # Not in the chosen folder: the broker's data is worth nothing afterwards.
    with (
        tempfile.TemporaryDirectory(prefix="streams-bench-") as folder,
        EmbeddedKafka(Path(folder) / "kafka") as kafka,
    ):
        bench = Bench(Path(folder), kafka, options)
        runs = bench.run(options)
    if options.profile:
        bench.profiler.show()
        return
    result = _result(runs, options)
    if options.json:
        print(json.dumps(result))
    else:
        _show(result)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="metering.py", description=__doc__)
    parser.add_argument("--data", help="not used: this bench makes its input")
    parser.add_argument("--repeats", type=int, default=3, help="interleaved runs (3)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--events", type=int, default=EVENTS, help=f"events a run ({EVENTS})")
    parser.add_argument("--partitions", type=int, default=job.PARTITIONS, help="(4)")
    parser.add_argument(
        "--only", default=",".join(c[0] for c in CONTENDERS), help="contenders, with commas"
    )
    parser.add_argument(
        "--profile",
        metavar="DIR",
        help="run ours once under py-spy, print where the microseconds go, leave the stacks in DIR",
    )
    options = parser.parse_args()
    options.only = [f"ours{SINGLE}"] if options.profile else options.only.split(",")
    options.repeats = 1 if options.profile else options.repeats
    return options


class Bench:
    """One broker, one input, one right answer; runs of contenders."""

    def __init__(self, folder: Path, broker: EmbeddedKafka, options: argparse.Namespace) -> None:
        self._folder = folder
        self._broker = broker
        self._partitions: int = options.partitions
        self._input = job.Input(options.events, int(time.time()) // 3600 * 3600)
        self._records = [job.record(event) for event in self._input.stream()]
        self._model = Model(self._input.stream(), self._input.budgets())
        self.profiler = Profiler(options.profile)
        say(
            f"{options.events:,} events, {self._model.repeated:,} of them repeated, "
            f"{self._model.refused:,} wrong; {len(self._model.usage):,} sums and "
            f"{len(self._model.alerts):,} alerts to get right"
        )

    def run(self, options: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
        chosen = [c for c in CONTENDERS if c[0] in options.only]
        runs: dict[str, list[dict[str, Any]]] = {name: [] for name, *_ in chosen}
        began = round_began = time.monotonic()
        for repeat in range(options.repeats):
            now = time.monotonic()
            if repeat and now + (now - round_began) > began + BUDGET_S:
                say(f"{repeat} rounds of {options.repeats}: the next would not end in ten minutes")
                break
            round_began = now
            if repeat == 1:
                chosen = [c for c in chosen if c[0] not in slower_ways(runs)]
            for name, script, extra in chosen:
                report = asyncio.run(self._contend(f"{name}-{repeat}", script, extra))
                runs[name].append(report)
                by = report["cpu_us_by_process"] | {"broker": report["broker_us_per_event"]}
                cpu = ", ".join(f"{r} {us:.1f}" for r, us in by.items())
                say(
                    f"{repeat + 1}/{options.repeats} {name}: {report['events_per_s']:,.0f} "
                    f"events/s, us CPU an event: {cpu}; all right; "
                    f"other processes took {report['others_cpu']:.0%} of the machine"
                )
        return runs

    async def _contend(self, name: str, script: str, extra: Mapping[str, Any]) -> dict[str, Any]:
        data = self._folder / name
        data.mkdir()
        kafka, broker = self._broker.bootstrap, self._broker.pid or 0
        of: Installation | Peers = (
            Installation(kafka, name, data, self._partitions, extra["members"])
            if script == "ours"
            else Peers(kafka, name, data, self._partitions, script, extra)
        )
        filled = job.Filled(kafka, of.input)
        try:
            await of.make_topics()
            await filled.fill(self._records, self._partitions)
            await of.prepare(self._input, filled.ends)
            await asyncio.sleep(SETTLE_S)
            processes = {racer.name: racer.pid for racer in of.racers}
            before = harness.cpu_seconds(broker, *processes.values())
            broker_before = harness.cpu_seconds(broker)[1]
            self.profiler.begin(processes)
            await filled.release()
            reports = await of.finish(filled.ends)
            others = harness.others_cpu(before, harness.cpu_seconds(broker, *processes.values()))
            broker_seconds = harness.cpu_seconds(broker)[1] - broker_before
            self.profiler.end(reports)
        finally:
            of.end()
            await filled.close()
        topics = {"changelog": of.changelog, "alerts": of.alerts, "dead": of.dead}
        read = check.ours if script == "ours" else check.plain
        await check.check(kafka, name, read, self._model, **topics)
        async with clients.admin(kafka) as admin:
            mine = [topic for topic in await admin.list_topics() if name in topic]
            await admin.delete_topics(mine)
        shutil.rmtree(data)
        return {
            **_report(reports, self._input.events),
            "broker_us_per_event": round(broker_seconds / self._input.events * 1e6, 2),
            "others_cpu": others,
            **extra,
        }


def _report(reports: Mapping[str, Mapping[str, Any]], events: int) -> dict[str, Any]:
    """From the first event that any process took up to the last one committed by any."""
    # A fold may begin with a tick, before there are events.
    seconds = max(r["ended"] for r in reports.values()) - min(
        r["began"] for name, r in reports.items() if "fold" not in name
    )
    cpu = {name.partition(" ")[2]: r["cpu_seconds"] / events * 1e6 for name, r in reports.items()}
    return {
        "events": events,
        "seconds": seconds,
        "events_per_s": events / seconds,
        "cpu_us_per_event": sum(cpu.values()),
        "cpu_us_by_process": {name: round(us, 2) for name, us in cpu.items()},
        "rss_mib": sum(r["rss_mib"] for r in reports.values()),
    }


def label(name: str) -> str:
    """What a contender is called, in whichever way it runs."""
    return name.removesuffix(SINGLE)


def slower_ways(runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """Each stands here at its best: of its ways to run the first round's best goes on."""
    rates = {name: reports[0]["events_per_s"] for name, reports in runs.items()}
    return [
        name
        for name, rate in rates.items()
        if rate < max(other for way, other in rates.items() if label(way) == label(name))
    ]


def _result(runs: dict[str, list[dict[str, Any]]], options: argparse.Namespace) -> dict[str, Any]:
    rates = {name: [r["events_per_s"] for r in reports] for name, reports in runs.items()}
    slower = slower_ways(runs)
    best = {label(name): name for name in runs if name not in slower}
    figures = {kind: _figures(kind, runs[name]) for kind, name in best.items()}
    for name in slower:
        figures[label(name)]["other_way"] = _figures(label(name), runs[name])
    ours = figures.pop("ours", {})
    ratios = {
        kind: harness.ratio(rates[best["ours"]], rates[best[kind]]) for kind in figures if ours
    }
    return {
        "name": "metering",
        "ours": ours,
        "peers": figures,
        "ratios": ratios,
        "machine": harness.machine(),
        "repeats": max(map(len, runs.values())),
        "job": {
            "what": "decode, validate, price, dedupe, count in four periods by model, agent and "
            "project, one to three budgets a tenant with alerts",
            "tenants": job.TENANTS,
            "partitions": options.partitions,
            "measured": "from the first event that a process takes up to the last one committed; "
            "contenders interleaved, each alone; ratios are of medians",
            "counts": "every sum, every alert and the number of refused events equal a naive model",
        },
    }


def _figures(kind: str, reports: list[dict[str, Any]]) -> dict[str, Any]:
    first = reports[0]
    interval = "default (5 s)" if first.get("interval") is None else f"{first['interval']} s"
    return {
        "events_per_s": harness.spread([r["events_per_s"] for r in reports], 0),
        "cpu_us_per_event": harness.spread([r["cpu_us_per_event"] for r in reports], 2),
        "cpu_us_by_process": [r["cpu_us_by_process"] for r in reports],
        "rss_mib": harness.spread([r["rss_mib"] for r in reports], 0),
        "others_cpu": harness.spread([r["others_cpu"] for r in reports], 3),
        "events": first["events"],
        "configured": CONFIGURED[kind].format(interval=interval, members=first.get("members")),
    }


def _show(result: dict[str, Any]) -> None:
    print(f"{'contender':<10} {'min':>9} {'events/s':>9} {'max':>9} {'us CPU':>7} {'ours/it':>8}")
    for name, figures in {"ours": result["ours"], **result["peers"]}.items():
        if not figures:
            continue
        rate = figures["events_per_s"]
        cpu = figures["cpu_us_per_event"]["median"]
        print(
            f"{name:<10} {rate['min']:>9,.0f} {rate['median']:>9,.0f} {rate['max']:>9,.0f} "
            f"{cpu:>7.1f} {result['ratios'].get(name, ''):>8}"
        )


if __name__ == "__main__":
    main()
