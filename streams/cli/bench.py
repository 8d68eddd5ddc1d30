"""`streams bench`: runs a bench of the checkout's bench/ folder, which is no part of the wheel."""

import subprocess
import sys
from pathlib import Path

import click

from streams.cli.client import json_option
from streams.core.errors import Misuse

# The scripts are called as the benches are; one that is not there yet is not in this version.
BENCHES = {
    "counting": "count per key, beside Quix, stock Faust and bare aiokafka",
    "metering": "price, dedupe, count and budget calls, beside Quix and bare aiokafka",
    "latency": "from an input to its alert at fixed rates",
    "recovery": "changelogs into empty databases",
    "embed": "texts to vectors",
    "search": "recall over memories",
    "locomo": "questions over long conversations",
    "consolidation": "memories merged",
    "context": "context windows",
    "growth": "state that grows",
}
ROOT = Path(__file__).parents[2] / "bench"


@click.command(
    epilog="\b\nNames:\n" + "\n".join(f"  {n:<14} {what}" for n, what in BENCHES.items())
)
@click.argument("name", type=click.Choice(list(BENCHES)), metavar="NAME")
@click.option(
    "--data",
    type=click.Path(exists=True),
    metavar="DIR",
    help="Folder of the bench's input, where it has one.",
)
@click.option("--repeats", type=click.IntRange(min=1), metavar="N", help="Interleaved runs.")
@json_option
def bench(name: str, data: str | None, repeats: int | None, as_json: bool) -> int:
    """Run the bench NAME on this machine, beside its peers.

    Not every NAME is in every version.

    \b
    Example:
      streams bench counting
      streams bench counting --repeats 3 --json
    """
    script = ROOT / f"{name}.py"
    if not ROOT.is_dir():
        raise Misuse("benches run from a checkout: clone the repository and use `make bench`")
    if not script.is_file():
        raise Misuse(f"the bench {name!r} is not in this version")
    options = ["--json"] if as_json else []
    options += ["--data", data] if data is not None else []
    options += ["--repeats", str(repeats)] if repeats is not None else []
    return subprocess.run([sys.executable, str(script), *options], check=False).returncode
