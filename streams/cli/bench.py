"""`streams bench`: runs a bench of the checkout's bench/ folder, which is no part of the wheel."""

import subprocess
import sys
from pathlib import Path

import click

from streams.cli.client import json_option
from streams.core.errors import Misuse

BENCHES = (
    "counting",
    "metering",
    "latency",
    "embed",
    "search",
    "locomo",
    "consolidation",
    "context",
    "recovery",
    "growth",
)
ROOT = Path(__file__).parents[2] / "bench"


@click.command()
@click.argument("name", type=click.Choice(BENCHES), metavar="NAME")
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

    \b
    Names: counting metering latency embed search locomo consolidation context recovery growth

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
