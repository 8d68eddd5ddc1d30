"""Bench `latency`: from an input to its alert, at fixed rates, open loop.

Real broker, real admit and fold workers. Some events cross a budget's threshold; measured is the
time from when such an event was due to be sent until a consumer of committed alerts has its alert.
The schedule is fixed beforehand: a system that falls behind is charged for all that waits.
"""

import argparse
import asyncio
import json
import logging
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import harness
import metering_job as job
import msgspec
from harness import say
from installation import settled
from latency_plan import HOUR_US, PROBES_PER_S, WARM_UP_S, Plan
from racer import Racer
from workers import Workers

from streams import topology
from streams.core.time import parse_time
from streams.dev.kafka import EmbeddedKafka
from streams.runtime import topics
from streams.settings import Settings

RATES = (100, 1_000, 5_000)
SECONDS = 20.0
PARTITIONS = 4
WAIT_S = 30.0
"""For the last alerts, after the last event."""
BUDGET_S = 540.0
"""No round begins that would not end by then: a bench takes ten minutes at most."""

Times = dict[str, list[float]]
"""Of each probe, in ms: whole, input to log, log to alert, the sender's own delay."""


def main() -> None:
    options = _options()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    # Not in the chosen folder: the broker's data is worth nothing afterwards.
    with (
        tempfile.TemporaryDirectory(prefix="streams-bench-") as folder,
        EmbeddedKafka(Path(folder) / "kafka") as kafka,
    ):
        settings = Settings(
            kafka=kafka.bootstrap, data=str(Path(folder) / "data"), partitions=PARTITIONS
        )
        Path(settings.data).mkdir()
        asyncio.run(topics.ensure(settings))
        with Workers(settings) as workers:
            runs = _run(options, Path(folder), settings, workers, kafka.pid or 0)
    result = _result(runs, options)
    if options.json:
        print(json.dumps(result))
    else:
        _show(result)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="latency.py", description=__doc__)
    parser.add_argument("--data", help="not used: this bench makes its input")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each rate, in turn (3)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, help="of each run that count (20)"
    )
    parser.add_argument(
        "--rates", default=",".join(map(str, RATES)), help="events/s, with commas (100,1000,5000)"
    )
    options = parser.parse_args()
    options.rates = [int(rate) for rate in options.rates.split(",")]
    return options


def _run(
    options: argparse.Namespace, folder: Path, settings: Settings, workers: Workers, broker: int
) -> dict[int, list[dict[str, Any]]]:
    runs: dict[int, list[dict[str, Any]]] = {rate: [] for rate in options.rates}
    began = round_began = time.monotonic()
    for repeat in range(options.repeats):
        now = time.monotonic()
        if repeat and now + (now - round_began) > began + BUDGET_S:
            say(f"{repeat} rounds of {options.repeats}: the next would not end in ten minutes")
            break
        round_began = now
        for rate in options.rates:
            base = int(time.time()) // 3600 * HOUR_US
            plan = Plan(f"run-{rate}-{repeat}", rate, options.seconds, base)
            run = _one(plan, folder, settings, workers.processes, broker)
            runs[rate].append(run)
            whole = _figures(run["times"]["whole"])
            say(
                f"{repeat + 1}/{options.repeats} {rate:,} events/s: p50 {whole['p50']:.0f}, "
                f"p90 {whole['p90']:.0f}, p99 {whole['p99']:.0f}, max {whole['max']:.0f} ms of "
                f"{whole['alerts']} alerts; sender at most {run['sender_late_ms']:.0f} ms late; "
                f"other processes took {run['others_cpu']:.0%} of the machine"
            )
    return runs


def _one(
    plan: Plan, folder: Path, settings: Settings, workers: Mapping[str, int], broker: int
) -> dict[str, Any]:
    commands = topology.name(settings, topology.TENANT_COMMANDS)
    asyncio.run(job.send(settings.kafka, commands, plan.commands()))
    asyncio.run(settled(settings))
    python = Path(sys.executable)
    due_file, arrived_file = folder / "due.json", folder / "arrived.json"
    wanted = sum(is_probe for _, is_probe, _ in plan.events())
    common = {"kafka": settings.kafka, "partitions": settings.partitions}
    receive = common | {
        "topic": topology.name(settings, topology.BUDGET_ALERTS),
        "wanted": wanted,
        "out": str(arrived_file),
    }
    send = common | {
        "topic": topology.name(settings, topology.AGENT_MESSAGES),
        "plan": msgspec.to_builtins(plan),
        "out": str(due_file),
    }
    here = Path(__file__).parent
    receiver = Racer(python, here / "latency_receiver.py", receive, folder / "receiver.log")
    sender: Racer | None = None
    try:
        receiver.hear(WAIT_S)
        sender = Racer(python, here / "latency_sender.py", send, folder / "sender.log")
        mine = [broker, *workers.values(), receiver.pid, sender.pid]
        before = harness.cpu_seconds(*mine)
        used = {role: harness.cpu_seconds(pid)[1] for role, pid in workers.items()}
        sent = sender.hear(WARM_UP_S + plan.seconds + WAIT_S)
        receiver.hear(WAIT_S)
        used = {role: harness.cpu_seconds(pid)[1] - used[role] for role, pid in workers.items()}
        others = harness.others_cpu(before, harness.cpu_seconds(*mine))
    finally:
        receiver.end()
        if sender is not None:
            sender.end()
    due = msgspec.json.decode(due_file.read_bytes(), type=list[tuple[str, float, float, float]])
    arrived = msgspec.json.decode(arrived_file.read_bytes(), type=list[tuple[str, float, str]])
    return {
        "times": times(due, arrived, sent["wall"]),
        "sender_late_ms": sent["latest_s"] * 1000,
        "cpu_us_per_event": {r: round(s / sent["sent"] * 1e6, 1) for r, s in used.items()},
        "others_cpu": others,
    }


def times(
    due: Sequence[tuple[str, float, float, float]],
    arrived: Sequence[tuple[str, float, str]],
    wall: float,
) -> Times:
    """Milliseconds of each probe that was due after the warm-up.

    Parameters
    ----------
    due : sequence
        (name, seconds after the beginning, due and handed over by the monotonic clock).
    arrived : sequence
        (name, arrival by the monotonic clock, append time of the cause in the log).
    wall : float
        What to add to the monotonic clock for the wall clock.

    Raises
    ------
    SystemExit
        An alert is missing, or came twice.
    """
    came = {name: (at, parse_time(logged) / 1e6 - wall) for name, at, logged in arrived}
    if len(came) != len(arrived) or set(came) != {name for name, *_ in due}:
        sys.exit(f"{len(due)} alerts are due, {len(arrived)} came, of {len(came)} probes")
    found: Times = {"whole": [], "input to log": [], "log to alert": [], "sender": []}
    for name, after, meant, handed in due:
        if after < WARM_UP_S:
            continue
        at, logged = came[name]
        found["whole"].append((at - meant) * 1000)
        found["input to log"].append((logged - meant) * 1000)
        found["log to alert"].append((at - logged) * 1000)
        found["sender"].append((handed - meant) * 1000)
    return found


def _figures(values: Sequence[float]) -> dict[str, float]:
    ordered = sorted(values)
    at = {f"p{q}": ordered[min(len(ordered) - 1, len(ordered) * q // 100)] for q in (50, 90, 99)}
    figures = {name: round(value, 1) for name, value in (at | {"max": ordered[-1]}).items()}
    return figures | {"alerts": len(ordered)}


def _result(runs: dict[int, list[dict[str, Any]]], options: argparse.Namespace) -> dict[str, Any]:
    ours = {}
    for rate, of_rate in runs.items():
        pooled = {
            part: [value for run in of_rate for value in run["times"][part]]
            for part in of_rate[0]["times"]
        }
        ours[str(rate)] = {
            **{part.replace(" ", "_") + "_ms": _figures(pooled[part]) for part in pooled},
            "p50_by_run": [_figures(run["times"]["whole"])["p50"] for run in of_rate],
            "p99_by_run": [_figures(run["times"]["whole"])["p99"] for run in of_rate],
            "cpu_us_per_event": [run["cpu_us_per_event"] for run in of_rate],
            "others_cpu": harness.spread([run["others_cpu"] for run in of_rate], 3),
        }
    return {
        "name": "latency",
        "ours": ours,
        "peers": {},
        "ratios": {},
        "machine": harness.machine(),
        "repeats": max(map(len, runs.values())),
        "job": {
            "what": "time from when an event was due to be sent until its alert has arrived",
            "arrivals": "Poisson, fixed beforehand; open loop",
            "seconds": options.seconds,
            "probes_per_s": PROBES_PER_S,
            "partitions": PARTITIONS,
            "parts": "input to log and log to alert meet at the log record's append time (ms)",
        },
    }


def _show(result: dict[str, Any]) -> None:
    head = f"{'events/s':>8} {'part':<13} {'p50':>7} {'p90':>7} {'p99':>7} {'max':>7}  ms"
    print(head)
    for rate, figures in result["ours"].items():
        for part in ("whole", "input to log", "log to alert", "sender"):
            f = figures[part.replace(" ", "_") + "_ms"]
            print(
                f"{int(rate):>8,} {part:<13} {f['p50']:>7.1f} {f['p90']:>7.1f} "
                f"{f['p99']:>7.1f} {f['max']:>7.1f}"
            )


if __name__ == "__main__":
    main()
