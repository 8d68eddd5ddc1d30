"""Bench `search`: one tenant's hybrid search without the query's embedding, and what it costs.

At each size: cold build from documents, bytes a memory hot (as the index tells, and as the
allocator does), adding and replacing one memory there, folding one more, and the time of a search,
for questions of a few words among memories of a few dozen with identifiers, tags, sessions and a
vector each.
"""

import argparse
import gc
import json
import random
import sys
import time
import tracemalloc
from bisect import bisect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import harness
import numpy as np
from harness import say
from remembering import fold_cpu_us

from streams.memory.document import Document
from streams.memory.index import TenantIndex
from streams.memory.ranking import Filters, search

SIZES = (1_000, 10_000, 100_000)
DIMENSIONS = 384
MODEL = "random"
VOCABULARY = 30_000
SEARCHES = {1_000: 400, 10_000: 300, 100_000: 100}
CHANGES = 500
NOW = 1_790_000_000_000_000
SECOND = 1_000_000
GOAL_P50_MS = {10_000: 8.0, 100_000: 50.0}


def main() -> None:
    options = _options()
    figures: dict[int, list[dict[str, float]]] = {size: [] for size in options.sizes}
    for repeat in range(options.repeats):
        for size in options.sizes:
            figures[size].append(_measure(size, repeat))
            say(f"{repeat + 1}/{options.repeats} {size:,}: {figures[size][-1]}")
    result = {
        "name": "search",
        "ours": {
            str(size): {name: harness.spread([r[name] for r in runs], 3) for name in runs[0]}
            for size, runs in figures.items()
        },
        "peers": {},
        "ratios": {},
        "machine": harness.machine(),
        "repeats": options.repeats,
        "goal_p50_ms": GOAL_P50_MS,
    }
    if options.json:
        print(json.dumps(result))
    else:
        _show(result)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="search.py", description=__doc__)
    parser.add_argument("--data", help="not used: this bench makes its input")
    parser.add_argument("--repeats", type=int, default=1, help="runs of all sizes (1)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument(
        "--sizes",
        type=lambda text: [int(size) for size in text.split(",")],
        default=list(SIZES),
        help="memories, with commas (1000,10000,100000)",
    )
    return parser.parse_args()


def _measure(size: int, seed: int) -> dict[str, float]:
    documents = list(_documents(size + CHANGES, seed))
    later = documents[size:]
    del documents[size:]
    began, worked = time.perf_counter(), time.process_time()
    index = TenantIndex.of(documents)
    build, build_cpu = time.perf_counter() - began, time.process_time() - worked
    told = index.nbytes / size
    del documents
    wall, cpu = _searches(index, size, seed)
    adding = _timed(later, index.put)
    replacing = _timed(later, index.put)
    del index
    return {
        "build_s": build,
        "build_cpu_s": build_cpu,
        "bytes_a_memory": told,
        "allocated_a_memory": _allocated(size, seed),
        "p50_ms": float(np.percentile(wall, 50)),
        "p99_ms": float(np.percentile(wall, 99)),
        "cpu_p50_ms": float(np.percentile(cpu, 50)),
        "add_cpu_us": adding,
        "replace_cpu_us": replacing,
        "fold_add_cpu_us": fold_cpu_us(_documents(size + CHANGES, seed), size),
    }


def _timed(documents: list[Document], change: Callable[[Document], object]) -> float:
    began = time.process_time()
    for document in documents:
        change(document)
    return (time.process_time() - began) / len(documents) * 1e6


def _allocated(size: int, seed: int) -> float:
    """Bytes a memory that Python and numpy really allocated for the index, of at most 5,000."""
    sample = min(size, 5_000)
    documents = list(_documents(sample, seed))
    # What is imported and compiled with the first index is none of its bytes.
    TenantIndex.of(documents)
    gc.collect()
    tracemalloc.start()
    index = TenantIndex.of(iter(documents))
    gc.collect()
    allocated = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return allocated / len(index)


def _searches(index: TenantIndex, size: int, seed: int) -> tuple[list[float], list[float]]:
    """Milliseconds of each search, by the clock and of CPU."""
    rng = random.Random(f"queries {seed}")
    words = _Words(rng)
    vectors = np.random.default_rng(seed).integers(-127, 128, (64, DIMENSIONS), np.int8)
    wall, cpu = [], []
    for number in range(SEARCHES.get(size, 100) + 5):
        question = " ".join(["what happened with the", *words.some(rng.randint(4, 9))])
        filters = Filters(min_priority=2) if number % 4 == 0 else Filters()
        vector = vectors[number % len(vectors)].tobytes()
        began, worked = time.perf_counter(), time.process_time()
        found = search(index, question, filters, 10, NOW, vector=vector, model=MODEL)
        wall.append((time.perf_counter() - began) * 1e3)
        cpu.append((time.process_time() - worked) * 1e3)
        assert len(found) == 10
    return wall[5:], cpu[5:]


class _Words:
    """Words as often as in language: the nth most frequent 1/n as often as the first."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        letters = "abcdefghijklmnopqrstuvwxyz"
        named = random.Random("vocabulary")
        self._words = ["".join(named.choices(letters, k=3 + n % 8)) for n in range(VOCABULARY)]
        shares = np.cumsum(1 / np.arange(1, VOCABULARY + 1))
        self._shares = (shares / shares[-1]).tolist()

    def some(self, count: int) -> list[str]:
        drawn = (bisect(self._shares, self._rng.random()) for _ in range(count))
        return [self._words[min(at, VOCABULARY - 1)] for at in drawn]


def _documents(size: int, seed: int) -> Iterator[Document]:
    rng = random.Random(f"documents {seed}")
    words = _Words(rng)
    vectors = np.random.default_rng(seed + 1)
    for number in range(size):
        text = words.some(rng.randint(12, 40))
        text.insert(rng.randrange(len(text)), f"rec-2024_{number % 12 + 1:02}/part-{number:06}")
        yield Document(
            id=f"{rng.getrandbits(128):032x}",
            content=" ".join(text),
            timestamp=NOW - (size - number) * 60 * SECOND,
            place=number,
            priority=rng.randint(1, 4),
            tier=number % 2,
            agent=f"agent-{number % 20}",
            session=f"session-{number // 30}",
            context_tags=(("argo_workflow", "s3_batch", "kafka_stream")[number % 3],),
            cluster=f"eu-{number % 4}",
            pipelines=(f"ingest-{number % 10}",),
            cost_attribution=f"project-{number % 7}",
            model=MODEL,
            vector=vectors.integers(-127, 128, DIMENSIONS, np.int8).tobytes(),
        )


def _show(result: dict[str, Any]) -> None:
    names = list(next(iter(result["ours"].values())))
    print(f"{'memories':>9} " + " ".join(f"{name:>15}" for name in names))
    for size, figures in result["ours"].items():
        print(
            f"{int(size):>9,} " + " ".join(f"{figures[name]['median']:>15,.2f}" for name in names)
        )


if __name__ == "__main__":
    main()
