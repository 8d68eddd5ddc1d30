"""Runs seeds one after the other, each on a Kafka of its own, and says what they came to."""

import asyncio
import shutil
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streams.settings import Settings
from tests.faults.events import Input
from tests.faults.feed import today
from tests.faults.plan import Plan
from tests.faults.run import Broken, Run
from tests.faults.site import site
from tests.faults.trace import Trace

EVENTS = 240_000
ATTEMPTS = 3
SUMS = {
    "sent": "events",
    "deaths": "deaths",
    "frozen": "frozen",
    "joined": "joined",
    "removed": "removed",
    "visits": "looked in",
    "full": "full disks",
    "damaged": "files damaged",
    "broker_faults": "broker faults",
    "merged": "memories in merges",
    "split": "splits",
    "erased": "memories erased",
    "gave_up": "gave up and were started again",
    "lost": "lost",
    "double": "double",
    "restored": "states restored from snapshots",
    "replayed": "records replayed from zero",
}
"""Figures that are told and added up, and how they are told."""


@dataclass(frozen=True)
class Options:
    """What all seeds of a soak have in common."""

    events: int = EVENTS
    tenants: int = 200
    partitions: int = 4
    brokers: int | None = None
    """None: as `brokers_of` has it."""
    base: int | None = None
    """Newest event time, microseconds; None: this hour's start."""
    plan: Callable[[int, int], Plan] | None = None
    """Of (seed, brokers), instead of a seed's own."""
    trace: Path | None = None
    """A real trace instead of made events."""
    keep: Path | None = None
    """Where folders of failed seeds stay: logs, databases, Kafka."""


def brokers_of(seed: int) -> int:
    """Every third seed has three brokers, and their faults."""
    return 1 if seed % 3 else 3


def soak(
    seeds: Iterable[int], options: Options, say: Callable[[str], None], *, verbose: bool = False
) -> list[dict[str, Any]]:
    """Run all seeds, whatever becomes of each; returns their figures, with ``ok``."""
    results = []
    for seed in seeds:
        result = _tried(seed, options, say, verbose)
        for _ in range(ATTEMPTS - 1):
            if not _excused(result):
                break
            say(f"seed {seed} again: this process was stopped for {result['stood_still']} s")
            result = _tried(seed, options, say, verbose)
        results.append(result)
        say(line(result))
    say(summary(results))
    return results


def _tried(
    seed: int, options: Options, say: Callable[[str], None], verbose: bool
) -> dict[str, Any]:
    began = time.monotonic()
    try:
        result = {"ok": True} | one(seed, options, say if verbose else _silent)
    except Broken as broken:
        say(str(broken))
        result = {"ok": False} | broken.outcome.figures
    except Exception:
        say(f"seed {seed}: {traceback.format_exc()}")
        result = {"ok": False}
    return result | {"seed": seed, "wall_seconds": round(time.monotonic() - began, 1)}


def _excused(result: dict[str, Any]) -> bool:
    """Whether only bounds were broken while somebody stopped this process (a bench, a laptop)."""
    stopped = bool(result.get("stood_still"))
    return stopped and not (result["ok"] or result["lost"] or result["double"])


def _silent(_: str) -> None:
    pass


def one(seed: int, options: Options, say: Callable[[str], None] = _silent) -> dict[str, Any]:
    """Run one seed and return its figures.

    Raises
    ------
    Broken
        Something that must hold does not.
    """
    brokers = brokers_of(seed) if options.brokers is None else options.brokers
    base = today() if options.base is None else options.base
    given = (
        Input(seed, base, options.events, options.tenants)
        if options.trace is None
        else Trace(options.trace, seed, base, options.events)
    )
    plan = options.plan(seed, brokers) if options.plan else None
    with _folder(seed, options.keep) as data, site(data, brokers) as where:
        settings = Settings(partitions=options.partitions, data=str(data / "workers"))
        run = Run(settings, given, where, f"seed-{seed}", plan=plan, say=say)
        outcome = asyncio.run(run.run())
    return {"brokers": brokers} | outcome.figures


def line(result: dict[str, Any]) -> str:
    """Say what a seed came to."""
    stalls = " ".join(f"{stall:.1f}" for stall in result.get("stalls", ()))
    parts = [
        f"seed {result['seed']}: {'ok' if result['ok'] else 'FAILED'}",
        *_counts(result),
        f"longest stops at broker faults {stalls} s" if stalls else "",
        f"killed at {' '.join(result['points'])}" if result.get("points") else "",
        ", ".join(f"{kind} {n}" for kind, n in result.get("hits", {}).items()),
        f"{result['wall_seconds']:.0f} s",
    ]
    return ", ".join(filter(None, parts))


def summary(results: list[dict[str, Any]]) -> str:
    """Say what all seeds came to."""
    failed = [result["seed"] for result in results if not result["ok"]]
    sums = {name: sum(result.get(name, 0) for result in results) for name in SUMS}
    parts = [
        f"{len(results)} seeds: {len(results) - len(failed)} ok",
        f"failed: {' '.join(map(str, failed))}" if failed else "0 failed",
        *_counts(sums),
        f"{sum(result['wall_seconds'] for result in results) / 60:.1f} min",
    ]
    return ", ".join(parts)


def _counts(figures: dict[str, Any]) -> Iterator[str]:
    for name, words in SUMS.items():
        count = figures.get(name, 0)
        if count or name != "gave_up":
            yield f"{count:,} {words}"


@contextmanager
def _folder(seed: int, keep: Path | None) -> Iterator[Path]:
    """Folder of a seed, which stays if that fails and ``keep`` is given."""
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="streams-faults-") as folder:
            yield Path(folder)
        return
    folder = keep / f"seed-{seed}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    yield folder
    shutil.rmtree(folder)
