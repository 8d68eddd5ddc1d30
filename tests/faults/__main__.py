"""``python -m tests.faults --seed 7``: fault runs, each on a Kafka of its own."""

import argparse
import json
import logging
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.faults.plan import FOLD_KINDS, POINTS, SHORT, Plan, make_plan, make_simple_plan
from tests.faults.soak import EVENTS, Options, soak

KINDS = (*FOLD_KINDS, "broker", "kafka", "s3", *POINTS)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, nargs="+", default=[1])
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--tenants", type=int, default=200)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument(
        "--brokers", type=int, choices=(1, 3), help="else three for every third seed"
    )
    parser.add_argument("--only", nargs="+", choices=KINDS, help="a plan of these faults alone")
    parser.add_argument(
        "--short", action="store_true", help="plans as CI's ten schedules have them"
    )
    parser.add_argument("--rounds", type=int, default=4, help="faults a process with --only")
    parser.add_argument("--trace", type=Path, help="the Azure trace's CSV instead of made events")
    parser.add_argument("--base", type=int, help="newest event time, microseconds")
    parser.add_argument("--keep", type=Path, help="leave the folders of failed seeds here")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    parser.add_argument("-v", "--verbose", action="store_true", help="say what happens when")
    options = parser.parse_args()
    results = soak(
        options.seed,
        Options(
            options.events,
            options.tenants,
            options.partitions,
            options.brokers,
            options.base,
            _plans(options),
            options.trace,
            options.keep,
        ),
        _say,
        verbose=options.verbose,
    )
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    return 0 if all(result["ok"] for result in results) else 1


def _plans(options: argparse.Namespace) -> Callable[[int, int], Plan] | None:
    if options.only:
        return partial(_simple, options.only, options.rounds)
    return _short if options.short else None


def _short(seed: int, brokers: int) -> Plan:
    return make_plan(seed, brokers=brokers, size=SHORT)


def _simple(kinds: list[str], rounds: int, seed: int, brokers: int) -> Plan:
    return make_simple_plan(seed, kinds, rounds, brokers=brokers)


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    # A client says fifty times a second that a broker is away: that is the plan's doing.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    sys.exit(main())
