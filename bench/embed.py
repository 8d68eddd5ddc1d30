"""Bench `embed`: texts to vectors, bare and through admit, ONNX and torch side by side.

Goal: admit embeds at 90% or more of the rate of the bare embedder on the same cores, with the
broker, the log's acknowledgements and all else that admit does. Each runs alone, interleaved. Torch
runs where sentence-transformers is installed; BENCH_TORCH_PYTHON names another Python that has it.
"""

import argparse
import asyncio
import importlib.util
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import embedding
import harness
import locomo_data
from harness import say

from streams import topology
from streams.dev.kafka import EmbeddedKafka
from streams.runtime import clients, topics
from streams.runtime.app import quiet_libraries
from streams.settings import Settings

TEXTS = 1_000
TIMEOUT_S = 180.0
BUDGET_S = 540.0
"""No round begins that would not end by then: a bench takes ten minutes at most."""
GOAL_SHARE = 0.9
PARTITIONS = 8
PRECISIONS = ("fp32", "int8")
_NO_TORCH = "sentence-transformers is not installed here (pip install 'agent-streams[embed]')"


def main() -> None:
    options = _options()
    quiet_libraries()
    torch = _torch_python()
    with (
        tempfile.TemporaryDirectory(prefix="streams-bench-") as folder,
        EmbeddedKafka(Path(folder) / "kafka") as kafka,
    ):
        runs = _run(options, Path(folder), kafka, torch)
    result = _result(runs, options, torch)
    if options.json:
        print(json.dumps(result))
    else:
        _show(result)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="embed.py", description=__doc__)
    parser.add_argument("--data", type=Path, help="a LoCoMo file whose turns are embedded")
    parser.add_argument("--repeats", type=int, default=3, help="interleaved runs (3)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--texts", type=int, default=TEXTS, help=f"texts a run ({TEXTS})")
    return parser.parse_args()


def _torch_python() -> str | None:
    if found := os.environ.get("BENCH_TORCH_PYTHON"):
        return found
    return sys.executable if importlib.util.find_spec("sentence_transformers") else None


def _run(
    options: argparse.Namespace, folder: Path, broker: EmbeddedKafka, torch: str | None
) -> dict[str, list[dict[str, Any]]]:
    texts = _texts(options.data, options.texts)
    (folder / "texts.json").write_text(json.dumps(texts))
    models = {p: embedding.model(folder / p / "model", p) for p in PRECISIONS}
    runs: dict[str, list[dict[str, Any]]] = {}
    began, longest = time.monotonic(), 0.0
    for repeat in range(options.repeats):
        round_began = time.monotonic()
        if repeat and round_began - began + longest > BUDGET_S:
            say(f"{repeat} rounds of {options.repeats}: the next one would take too long")
            break
        for precision, model in models.items():
            spec = {"kind": "onnx", "model": str(model), "texts": str(folder / "texts.json")}
            name = f"bare {precision}"
            _note(runs, name, _bare(sys.executable, spec, broker), texts)
            report = asyncio.run(_admit(folder, broker, model, texts, f"{precision}{repeat}"))
            _note(runs, f"admit {precision}", report, texts)
        if torch is not None:
            spec = {"kind": "torch", "texts": str(folder / "texts.json")}
            _note(runs, "torch", _bare(torch, spec, broker), texts)
        longest = max(longest, time.monotonic() - round_began)
    return runs


def _note(
    runs: dict[str, list[dict[str, Any]]], name: str, report: dict[str, Any], texts: list[str]
) -> None:
    runs.setdefault(name, []).append(report)
    rate, others = len(texts) / report["seconds"], report["others_cpu"]
    say(f"{name}: {rate:.0f} texts/s, {report['rss_mib']:.0f} MiB, others {others:.0%}")


def _bare(python: str, spec: dict[str, Any], broker: EmbeddedKafka) -> dict[str, Any]:
    return harness.contend(Path(python), "embed_model", spec, TIMEOUT_S, broker=broker.pid)


async def _admit(
    folder: Path, broker: EmbeddedKafka, model: Path, texts: list[str], name: str
) -> dict[str, Any]:
    """Send all, then let a fresh admit process have them; its model is loaded before the clock."""
    settings = Settings(
        kafka=broker.bootstrap, group=name, topic_prefix=f"{name}.", partitions=PARTITIONS
    )
    await topics.ensure(settings)
    producer = clients.plain_producer(settings.kafka)
    await producer.start()
    topic = topology.name(settings, topology.AGENT_MESSAGES)
    sends = []
    for number, text in enumerate(texts):
        headers = [
            ("ce_specversion", b"1.0"),
            ("ce_id", str(number).encode()),
            ("ce_source", b"/bench"),
            ("ce_type", b"agent.message"),
        ]
        value = json.dumps({"content": text}).encode()
        tenant = b"tenant-%d" % (number % 50)
        sends.append(
            await producer.send(topic, value, tenant, number % PARTITIONS, headers=headers)
        )
    await asyncio.gather(*sends)
    await producer.stop()
    spec = {
        "kafka": settings.kafka,
        "data": str(folder / name),
        "group": settings.group,
        "prefix": settings.topic_prefix,
        "partitions": PARTITIONS,
        "model": str(model),
        "events": len(texts),
    }
    return await asyncio.to_thread(
        harness.contend, Path(sys.executable), "embed_admit", spec, TIMEOUT_S, broker=broker.pid
    )


def _texts(data: Path | None, count: int) -> list[str]:
    """Turns of conversations, or made messages of like length: 5 to 60 words, a few of 300."""
    if data is not None:
        turns = [turn.content for talk in locomo_data.read(data) for turn in talk.turns]
        return [turns[n % len(turns)] for n in range(count)]
    draw = random.Random("texts")
    words = (Path(__file__).parent / "README.md").read_text().split()
    return [
        " ".join(draw.choices(words, k=300 if n % 100 == 99 else draw.randint(5, 60)))
        for n in range(count)
    ]


def _result(
    runs: dict[str, list[dict[str, Any]]], options: argparse.Namespace, torch: str | None
) -> dict[str, Any]:
    rates = {name: [r["events"] / r["seconds"] for r in of] for name, of in runs.items()}
    figures = {name: _figures(of, rates[name]) for name, of in runs.items()}
    ratios = {
        f"admit/bare {p}": harness.ratio(rates[f"admit {p}"], rates[f"bare {p}"])
        for p in PRECISIONS
    }
    if torch is not None:
        ratios |= {
            f"{p}/torch": harness.ratio(rates[f"bare {p}"], rates["torch"]) for p in PRECISIONS
        }
    return {
        "name": "embed",
        "ours": {name: of for name, of in figures.items() if name != "torch"},
        "peers": {"sentence-transformers": figures.get("torch", {"skipped": _NO_TORCH})},
        "ratios": ratios,
        "goal_share": GOAL_SHARE,
        "machine": harness.machine(),
        "repeats": min(map(len, runs.values())),
        "texts": options.texts,
    }


def _figures(runs: list[dict[str, Any]], rates: list[float]) -> dict[str, Any]:
    found = {
        "texts_s": harness.spread(rates, 1),
        "cpu_ms_a_text": harness.spread([r["cpu_seconds"] / r["events"] * 1e3 for r in runs], 2),
        "rss_mib": harness.spread([r["rss_mib"] for r in runs], 0),
        "others_cpu": harness.spread([r["others_cpu"] for r in runs], 3),
    }
    for name, digits in (("start_s", 2), ("loaded_mib", 0), ("query_ms", 1), ("batches", 0)):
        if name in runs[0]:
            found[name] = harness.spread([r[name] for r in runs], digits)
    return found


def _show(result: dict[str, Any]) -> None:
    names = ("texts_s", "cpu_ms_a_text", "start_s", "query_ms", "loaded_mib", "rss_mib")
    print(f"{'':>22} " + " ".join(f"{name:>14}" for name in names))
    for name, figures in {**result["ours"], **result["peers"]}.items():
        if "skipped" in figures:
            print(f"{name:>22} skipped: {figures['skipped']}")
            continue
        cells = [figures[n]["median"] if n in figures else "" for n in names]
        print(f"{name:>22} " + " ".join(f"{cell:>14}" for cell in cells))
    for name, ratio in result["ratios"].items():
        print(f"{name:>22} {ratio:>14}")


if __name__ == "__main__":
    try:
        main()
    except subprocess.SubprocessError as error:
        raise SystemExit(str(error)) from None
