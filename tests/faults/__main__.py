"""``python -m tests.faults --seed 7``: one fault run on a Kafka of its own, or several."""

import argparse
import asyncio
import json
import sys
import tempfile
import uuid
from contextlib import nullcontext
from pathlib import Path

from streams.dev.kafka import EmbeddedKafka
from streams.settings import Settings
from tests.faults.events import Input
from tests.faults.feed import today
from tests.faults.plan import make_plan, make_simple_plan
from tests.faults.run import Broken, Run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, nargs="+", default=[1])
    parser.add_argument("--events", type=int, default=120_000)
    parser.add_argument("--tenants", type=int, default=200)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--more", action="store_true", help="also SIGSTOP and SIGTERM")
    parser.add_argument(
        "--only", nargs="+", choices=("kill", "wipe", "away", "freeze", "stop"), help="other plan"
    )
    parser.add_argument("--rounds", type=int, default=8, help="faults a process with --only")
    parser.add_argument("--base", type=int, default=None, help="newest event time, microseconds")
    parser.add_argument("--data", type=Path, help="keep everything in this folder")
    options = parser.parse_args()
    made = tempfile.TemporaryDirectory(prefix="streams-faults-")
    with nullcontext(options.data) if options.data else made as folder:
        data = Path(folder)
        with EmbeddedKafka(data / "kafka") as kafka:
            return max(_one(options, seed, data, kafka.bootstrap) for seed in options.seed)


def _one(options: argparse.Namespace, seed: int, data: Path, bootstrap: str) -> int:
    name = f"seed-{seed}-{uuid.uuid4().hex[:6]}"  # noqa: TID251 - the edge of a test
    settings = Settings(
        kafka=bootstrap,
        topic_prefix=f"{name}-",
        group=f"{name}-streams",
        partitions=options.partitions,
        data=str(data / name),
    )
    base = today() if options.base is None else options.base
    given = Input(seed, base, options.events, options.tenants)
    if options.only:
        plan = make_simple_plan(seed, 2, 2, options.only, options.rounds)
    else:
        plan = make_plan(seed, 2, 2, more=options.more)
    print(f"seed {seed}, {options.events} events, base {base}", flush=True)
    try:
        outcome = asyncio.run(Run(settings, given, plan=plan, say=_say).run())
    except Broken as broken:
        print(broken, flush=True)
        return 1
    print(json.dumps(outcome.figures), flush=True)
    return 0


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
