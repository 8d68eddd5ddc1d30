"""Bench `counting`: count per key with a changelog, beside its peers (DESIGN.md section 7).

Each contender runs alone, one after the other and interleaved, on one embedded broker; each ends
with the right count of every key in its changelog, or there is no result.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import counting_job as job
import harness
from harness import say

from streams.dev.kafka import EmbeddedKafka

EVENTS = 400_000
SLOW_EVENTS = 60_000
TIMEOUT_S = 200.0
BUDGET_S = 540.0
"""No round begins that would not end by then: a bench takes ten minutes at most."""
# Name here, script, what differs, whether it is too slow for all events.
CONTENDERS: tuple[tuple[str, str, Mapping[str, Any], bool], ...] = (
    ("ours", "ours", {}, False),
    ("quix-eos", "quix_eos", {"interval": None}, False),
    ("quix-eos-0.1s", "quix_eos", {"interval": 0.1}, False),
    ("aiokafka", "bare_aiokafka", {}, False),
    ("faust", "faust_tables", {}, True),
)
CONFIGURED = {
    "ours": "streams.runtime's fold role: chunks of at most 4,000, one transaction a chunk",
    "quix-eos": "Quix Streams 3.28.1, exactly-once, commit_interval {interval}",
    "aiokafka": "aiokafka 0.14.0 by hand: chunks of 4,000, one transaction a chunk, no Faust",
    "faust": "Faust 0.15.3 tables on RocksDB, at-least-once, quiet loggers, lingering producer",
}
END = {
    "ours": "the last chunk's transaction is committed and written to RocksDB",
    "quix-eos": "the last checkpoint is committed (at once after the last event: run(count=..))",
    "aiokafka": "the last chunk's transaction is committed and written to RocksDB",
    "faust": "the last event is handled (its commit, up to 2.8 s later, is not charged)",
}


def main() -> None:
    options = _options()
    alone = options.only == ["ours"]
    python = Path(sys.executable) if alone else harness.peers_python()
    # Not in the chosen folder: the broker's data is worth nothing afterwards.
    with (
        tempfile.TemporaryDirectory(prefix="streams-bench-") as folder,
        EmbeddedKafka(Path(folder) / "kafka") as kafka,
    ):
        runs = _run(options, Path(folder), kafka, python)
    result = _result(runs, options)
    if options.json:
        print(json.dumps(result))
    else:
        _show(result)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="counting.py", description=__doc__)
    parser.add_argument("--data", help="not used: this bench makes its input")
    parser.add_argument("--repeats", type=int, default=3, help="interleaved runs (3)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--events", type=int, default=EVENTS, help="events a run (400000)")
    parser.add_argument(
        "--slow-events", type=int, default=SLOW_EVENTS, help="events a run of stock Faust (60000)"
    )
    parser.add_argument(
        "--only", default=",".join(c[0] for c in CONTENDERS), help="contenders, with commas"
    )
    options = parser.parse_args()
    options.only = options.only.split(",")
    return options


def _run(
    options: argparse.Namespace, folder: Path, broker: EmbeddedKafka, python: Path
) -> dict[str, list[dict[str, Any]]]:
    kafka = broker.bootstrap
    chosen = [c for c in CONTENDERS if c[0] in options.only]
    inputs: dict[int, tuple[str, Counter[str]]] = {}
    for events in {options.slow_events if slow else options.events for *_, slow in chosen}:
        topic = f"events-{events}"
        inputs[events] = topic, asyncio.run(job.fill(kafka, topic, events))
    say(f"filled {', '.join(f'{n:,}' for n in inputs)} events of {job.EVENT_BYTES} B")
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name, *_ in chosen}
    began = round_began = time.monotonic()
    for repeat in range(options.repeats):
        now = time.monotonic()
        if repeat and now + (now - round_began) > began + BUDGET_S:
            say(f"{repeat} rounds of {options.repeats}: the next would not end in ten minutes")
            break
        round_began = now
        if repeat == 1:
            chosen = [c for c in chosen if c[0] not in _slower_quix(runs)]
        for name, script, extra, slow in chosen:
            events = options.slow_events if slow else options.events
            topic, expected = inputs[events]
            group = f"{name}-{repeat}"
            data = folder / group
            data.mkdir()
            spec = {
                "kafka": kafka,
                "topic": topic,
                "group": group,
                "events": events,
                "partitions": job.PARTITIONS,
                "data": str(data),
                **extra,
            }
            of = Path(sys.executable) if name == "ours" else python
            report = harness.contend(of, script, spec, TIMEOUT_S, broker=broker.pid or 0)
            asyncio.run(job.check(kafka, report["changelog"], script, expected))
            asyncio.run(job.forget(kafka, [report["changelog"]]))
            report["events_per_s"] = report["events"] / report["seconds"]
            report["cpu_us_per_event"] = report["cpu_seconds"] / report["events"] * 1e6
            runs[name].append(report)
            say(
                f"{repeat + 1}/{options.repeats} {name}: {report['events_per_s']:,.0f} events/s, "
                f"{report['cpu_us_per_event']:.1f} us CPU an event, counts right; "
                f"other processes took {report['others_cpu']:.0%} of the machine"
            )
    return runs


def _slower_quix(runs: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Quix stands here at its best: of its commit intervals the first round's best goes on."""
    rates = {n: r[0]["events_per_s"] for n, r in runs.items() if n.startswith("quix-eos")}
    return [name for name in rates if rates[name] < max(rates.values())]


def _result(runs: dict[str, list[dict[str, Any]]], options: argparse.Namespace) -> dict[str, Any]:
    rates = {name: [r["events_per_s"] for r in reports] for name, reports in runs.items()}
    slower = _slower_quix(runs)
    label = {name: "quix-eos" if name.startswith("quix-eos") else name for name in runs}
    peers = {
        label[name]: _figures(name, reports)
        for name, reports in runs.items()
        if name != "ours" and name not in slower
    }
    for name in slower:
        peers["quix-eos"]["other_interval"] = _figures(name, runs[name])
    ratios = {
        label[name]: harness.ratio(rates["ours"], rates[name])
        for name in runs
        if "ours" in runs and name != "ours" and name not in slower
    }
    return {
        "name": "counting",
        "ours": _figures("ours", runs["ours"]) if "ours" in runs else {},
        "peers": peers,
        "ratios": ratios,
        "machine": harness.machine(),
        "repeats": max(map(len, runs.values())),
        "job": {
            "what": "count per key with a changelog",
            "event_bytes": job.EVENT_BYTES,
            "partitions": job.PARTITIONS,
            "keys": job.KEYS,
            "measured": "from the first folded event to the end, in the contender's process; "
            "contenders interleaved, each alone; ratios are of medians",
            "counts": "each key's count in each contender's changelog equals the naive count",
        },
    }


def _figures(name: str, reports: list[dict[str, Any]]) -> dict[str, Any]:
    kind = "quix-eos" if name.startswith("quix-eos") else name
    interval = "0.1 s" if name.endswith("0.1s") else "default (5 s)"
    return {
        "events_per_s": harness.spread([r["events_per_s"] for r in reports], 0),
        "cpu_us_per_event": harness.spread([r["cpu_us_per_event"] for r in reports], 2),
        "rss_mib": harness.spread([r["rss_mib"] for r in reports], 0),
        "others_cpu": harness.spread([r["others_cpu"] for r in reports], 3),
        "events": reports[0]["events"],
        "configured": CONFIGURED[kind].format(interval=interval),
        "end": END[kind],
    }


def _show(result: dict[str, Any]) -> None:
    print(f"{'contender':<10} {'min':>11} {'events/s':>9} {'max':>9} {'us CPU':>7} {'ours/it':>8}")
    for name, figures in {"ours": result["ours"], **result["peers"]}.items():
        if not figures:
            continue
        rate = figures["events_per_s"]
        cpu = figures["cpu_us_per_event"]["median"]
        print(
            f"{name:<10} {rate['min']:>11,.0f} {rate['median']:>9,.0f} {rate['max']:>9,.0f} "
            f"{cpu:>7.1f} {result['ratios'].get(name, ''):>8}"
        )


if __name__ == "__main__":
    main()
