"""Bench `recovery`: changelog rows a second into empty databases, as when a disk is lost.

Ours and Quix Streams each first do the counting job over keys that all differ, so that each
recovers a changelog of its own making, a row a key; then their disks are gone.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import counting_job as job
import first_fold
import harness
from aiokafka.admin import NewTopic
from harness import say

from streams.core.rows import encode_row, tenant_key
from streams.dev.kafka import EmbeddedKafka
from streams.runtime import clients
from streams.usage.periods import periods_at
from streams.usage.rows import UsageRow
from streams.usage.scope import pack

ROWS = 600_000
TIMEOUT_S = 240.0
TRANSACTION = 4_000
USAGE = "usage-changelog"
INPUT = "events"
# Name here, script, which changelog.
CONTENDERS = (
    ("ours", "recovery_ours", "ours"),
    ("aiokafka", "recovery_aiokafka", "ours"),
    ("quix-eos", "recovery_quix", "quix-eos"),
    ("ours-usage", "recovery_ours", USAGE),
)
CONFIGURED = {
    "ours": "a take-over's replay: all partitions at once, reading goes on while RocksDB writes",
    "ours-usage": "the same, rows of usage counters: about 100 B with the key",
    "aiokafka": "aiokafka and rocksdict by hand: one WriteBatch a fetch, nothing checked",
    "quix-eos": "Quix Streams 3.28.1, exactly-once, its own recovery of its own changelog",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="recovery.py", description=__doc__)
    parser.add_argument("--data", help="not used: this bench makes its input")
    parser.add_argument("--repeats", type=int, default=3, help="interleaved runs (3)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--rows", type=int, default=ROWS, help=f"rows of a changelog ({ROWS})")
    parser.add_argument(
        "--state-mib", type=int, default=256, help="size of the state that is killed (256); 0: none"
    )
    options = parser.parse_args()
    python = harness.peers_python()
    with (
        tempfile.TemporaryDirectory(prefix="streams-bench-") as folder,
        EmbeddedKafka(Path(folder) / "kafka") as kafka,
    ):
        result = _result(_run(options, Path(folder), kafka, python))
        if options.state_mib:
            killed = first_fold.measure(kafka.bootstrap, Path(folder), options.state_mib)
            result["ours"]["first_fold"] = asyncio.run(killed)
    print(json.dumps(result)) if options.json else _show(result)


def _run(
    options: argparse.Namespace, folder: Path, broker: EmbeddedKafka, python: Path
) -> dict[str, list[dict[str, Any]]]:
    kafka, pid = broker.bootstrap, broker.pid or 0
    asyncio.run(job.fill(kafka, INPUT, options.rows, distinct=True))
    asyncio.run(fill_usage(kafka, options.rows))
    common = {"kafka": kafka, "partitions": job.PARTITIONS}
    changelogs = {USAGE: USAGE}
    for name, script, of in (
        ("ours", "ours", Path(sys.executable)),
        ("quix-eos", "quix_eos", python),
    ):
        data = folder / name
        data.mkdir()
        spec = common | {
            "topic": INPUT,
            "group": name,
            "events": options.rows,
            "data": str(data),
        }
        changelogs[name] = harness.contend(of, script, spec, TIMEOUT_S, broker=pid)["changelog"]
        say(f"{name} has made its changelog of {options.rows:,} rows")
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name, *_ in CONTENDERS}
    for repeat in range(options.repeats):
        for name, script, changelog in CONTENDERS:
            data = folder / f"{name}-{repeat}"
            data.mkdir()
            spec = common | {
                "topic": changelogs[changelog],
                "input": INPUT,
                "group": changelog,
                "data": str(data),
            }
            of = python if name == "quix-eos" else Path(sys.executable)
            report = harness.contend(of, script, spec, TIMEOUT_S, broker=pid)
            if report["keys"] < options.rows:
                sys.exit(f"{name} recovered {report['keys']} of {options.rows} keys")
            report["rows_per_s"] = report["events"] / report["seconds"]
            report["cpu_us_per_row"] = report["cpu_seconds"] / report["events"] * 1e6
            runs[name].append(report)
            say(
                f"{repeat + 1}/{options.repeats} {name}: {report['rows_per_s']:,.0f} rows/s, "
                f"{report['cpu_us_per_row']:.1f} us CPU a row; "
                f"other processes took {report['others_cpu']:.0%} of the machine"
            )
    return runs


async def fill_usage(kafka: str, rows: int) -> None:
    """Make a changelog of usage rows, in transactions as a store's."""
    async with clients.admin(kafka) as admin:
        compact = {"cleanup.policy": "compact"}
        await admin.create_topics([NewTopic(USAGE, job.PARTITIONS, 1, topic_configs=compact)])
    hour = periods_at("UTC", job.BASE)[0]
    for partition in range(job.PARTITIONS):
        producer = clients.transactional_producer(kafka, f"{USAGE}-{partition}")
        await producer.start()
        for first in range(0, rows // job.PARTITIONS, TRANSACTION):
            await producer.begin_transaction()
            batch, sent = producer.create_batch(), []
            for n in range(first, min(first + TRANSACTION, rows // job.PARTITIONS)):
                scope = pack(("openai", "gpt-4o", f"agent-{n}", "project-a", "", ""))
                key = tenant_key(UsageRow, f"tenant-{n % 97}-{partition}") + hour.key + scope
                value = encode_row(UsageRow(n, n * 900, n * 80, 0, 0, 0, n * 12_345))
                if batch.append(key=key, value=value, timestamp=None) is None:
                    sent.append(await producer.send_batch(batch, USAGE, partition=partition))
                    batch = producer.create_batch()
                    batch.append(key=key, value=value, timestamp=None)
            sent.append(await producer.send_batch(batch, USAGE, partition=partition))
            await asyncio.gather(*sent)
            await producer.commit_transaction()
        await producer.stop()


def _result(runs: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    rates = {name: [r["rows_per_s"] for r in reports] for name, reports in runs.items()}
    peers = [name for name in runs if not name.startswith("ours")]
    return {
        "name": "recovery",
        "ours": _figures("ours", runs) | {"usage_rows": _figures("ours-usage", runs)},
        "peers": {name: _figures(name, runs) for name in peers},
        "ratios": {name: harness.ratio(rates["ours"], rates[name]) for name in peers},
        "machine": harness.machine(),
        "repeats": len(runs["ours"]),
        "job": {
            "what": "replay a changelog into empty databases",
            "partitions": job.PARTITIONS,
            "measured": "from opening the databases to the last row written, in the contender's "
            "process; for Quix Streams its do_recovery; contenders interleaved, each alone",
            "counts": "the databases hold every key",
        },
    }


def _figures(name: str, runs: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    reports = runs[name]
    return {
        "rows_per_s": harness.spread([r["rows_per_s"] for r in reports], 0),
        "cpu_us_per_row": harness.spread([r["cpu_us_per_row"] for r in reports], 2),
        "rss_mib": harness.spread([r["rss_mib"] for r in reports], 0),
        "others_cpu": harness.spread([r["others_cpu"] for r in reports], 3),
        "rows": reports[0]["events"],
        "configured": CONFIGURED[name],
    }


def _show(result: dict[str, Any]) -> None:
    if (killed := result["ours"].get("first_fold")) is not None:
        print(json.dumps(killed, indent=2))
    print(f"{'contender':<12} {'min':>9} {'rows/s':>9} {'max':>9} {'us CPU':>7} {'ours/it':>8}")
    ours = result["ours"]
    named = {"ours": ours, "(usage rows)": ours["usage_rows"], **result["peers"]}
    for name, figures in named.items():
        rate = figures["rows_per_s"]
        print(
            f"{name:<12} {rate['min']:>9,.0f} {rate['median']:>9,.0f} {rate['max']:>9,.0f} "
            f"{figures['cpu_us_per_row']['median']:>7.1f} {result['ratios'].get(name, ''):>8}"
        )


if __name__ == "__main__":
    main()
