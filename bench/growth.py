"""Bench `growth`: what one metered call costs the fold as the state grows.

Over a real database, without a broker: calls are folded in chunks of 400, and each chunk's rows are
encoded and written. `tenants`: so many tenants have usage of this month; calls come from 10 of
them (`active`), or from any of them (`any`). `rows`: so many usage rows of 1,000 tenants are kept;
calls come from 200. CPU microseconds an event; `grown` is each over that of the smallest size.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import harness
from harness import say
from rocksdict import WriteBatch

from streams.agents.fold import fold
from streams.core.fold import Entry
from streams.core.log import Call, Message, Origin, Record
from streams.core.rows import Row, encode_row, tenant_key
from streams.core.time import HOUR, SECOND, parse_time
from streams.runtime.view import BufferedView, open_database, write
from streams.usage.periods import period, periods_at
from streams.usage.rows import PeriodRow, UsageRow
from streams.usage.scope import pack

TENANTS = (10, 1_000, 100_000)
ROWS = (10_000, 100_000, 1_000_000)
ACTIVE = {"tenants": 10, "rows": 200}
OF_ROWS = 1_000
"""Tenants that the usage rows are of."""
EVENTS = 24_000
WARM = 8_000
"""Of which so many come before the clock starts: the rows of the active ones are in memory then."""
CHUNK = 400
NOW = parse_time("2026-03-18T12:00:00Z")
MODELS = ("gpt-4o", "gpt-4o-mini", "claude-sonnet", "o3")
GOAL = 1.3


def main() -> None:
    options = _options()
    figures: dict[str, list[float]] = {}
    for repeat in range(options.repeats):
        for name, fill, tenant_of in _cases():
            with tempfile.TemporaryDirectory() as folder:
                cost = _measure(Path(folder) / "db", fill, tenant_of)
            figures.setdefault(name, []).append(cost)
            say(f"{repeat + 1}/{options.repeats} {name}: {cost:.1f} us an event")
    ours = {name: {"cpu_us_event": harness.spread(runs, 2)} for name, runs in figures.items()}
    result = {
        "name": "growth",
        "ours": ours,
        "peers": {},
        "ratios": {},
        "grown": _grown(figures),
        "goal": GOAL,
        "machine": harness.machine(),
        "repeats": options.repeats,
    }
    if options.json:
        print(json.dumps(result))
        return
    for name, grown in result["grown"].items():
        print(f"{name:<24} {ours[name]['cpu_us_event']['median']:>8.2f} us  {grown:>5.2f}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="growth.py", description=__doc__)
    parser.add_argument("--data", help="not used: this bench makes its input")
    parser.add_argument("--repeats", type=int, default=1, help="runs of all sizes (1)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    return parser.parse_args()


Fill = Callable[["_Filler"], None]
TenantOf = Callable[[random.Random], str]


def _cases() -> list[tuple[str, Fill, TenantOf]]:
    found: list[tuple[str, Fill, TenantOf]] = []
    for size in TENANTS:
        for who, count in (("active", ACTIVE["tenants"]), ("any", size)):
            found.append((f"tenants {who} {size}", _tenants(size), _one_of(count)))
    return found + [(f"rows {size}", _rows(size), _one_of(ACTIVE["rows"])) for size in ROWS]


def _one_of(count: int) -> TenantOf:
    return lambda rng: f"tenant-{rng.randrange(count)}"


def _tenants(count: int) -> Fill:
    def fill(filler: "_Filler") -> None:
        for number in range(count):
            for one in periods_at("UTC", NOW):
                for model in MODELS[: 1 if count > OF_ROWS else len(MODELS)]:
                    filler.usage(f"tenant-{number}", one.start, one.end, one.key, model)

    return fill


def _rows(count: int) -> Fill:
    def fill(filler: "_Filler") -> None:
        for number in range(count):
            start = NOW - (number // OF_ROWS + 1) * HOUR
            key = period(0, start, start + HOUR).key
            filler.usage(f"tenant-{number % OF_ROWS}", start, start + HOUR, key, MODELS[0])

    return fill


class _Filler:
    """Writes rows straight into a database."""

    def __init__(self, db: Any) -> None:
        self._db = db
        self._batch = WriteBatch(raw_mode=True)

    def usage(self, tenant: str, start: int, end: int, key: bytes, model: str) -> None:
        self._put(tenant_key(PeriodRow, tenant, key), PeriodRow(start, end, "UTC"))
        scope = pack(("openai", model, "a1", "project", "", ""))
        row = UsageRow(7, 8_400, 560, 0, 0, 0, 31_000_000)
        self._put(tenant_key(UsageRow, tenant, key + scope), row)

    def _put(self, key: bytes, row: Row) -> None:
        self._batch.put(key, encode_row(row))
        if self._batch.len() >= 10_000:
            self.done()

    def done(self) -> None:
        self._db.write(self._batch)
        self._batch = WriteBatch(raw_mode=True)


def _measure(path: Path, fill: Fill, tenant_of: TenantOf) -> float:
    db = open_database(path)
    try:
        filler = _Filler(db)
        fill(filler)
        filler.done()
        db.flush()
        db.compact_range(None, None)  # else the filling is still being sorted while it measures
        view, rng = BufferedView(db), random.Random(7)
        entries = [_entry(number, tenant_of(rng), rng) for number in range(EVENTS)]
        began = 0.0
        for place in range(0, EVENTS, CHUNK):
            if place == WARM:
                began = time.process_time()
            for entry in entries[place : place + CHUNK]:
                fold(view, entry)
            batch = WriteBatch(raw_mode=True)
            write(batch, view.encoded())
            db.write(batch)
            view.committed()
        return (time.process_time() - began) / (EVENTS - WARM) * 1e6
    finally:
        db.close()


def _entry(number: int, tenant: str, rng: random.Random) -> Entry:
    call = Call("openai", rng.choice(MODELS), 1_200, 80, 0, 0, None, 3_800_000, "bench")
    at = NOW + number * SECOND // 100
    body = Message("a1", "", "project", "", call, None)
    origin = Origin("agent.messages.v1", 0, 0, number)
    return Entry(Record(1, tenant, origin, "/bench", f"e{number}", at, body), 0, number, at, at)


def _grown(figures: dict[str, list[float]]) -> dict[str, float]:
    """Each case over the smallest of its kind."""
    first: dict[str, list[float]] = {}
    return {
        name: harness.ratio(runs, first.setdefault(name.rpartition(" ")[0], runs))
        for name, runs in figures.items()
    }


if __name__ == "__main__":
    main()
