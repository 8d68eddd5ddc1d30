"""`streams digest`: one digest a partition's state; equal logs have equal ones."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from streams.cli.client import (
    Client,
    api_option,
    find_kafka,
    hush,
    json_option,
    kafka_option,
    print_body,
    settings_for,
)
from streams.core.errors import Failed, Misuse
from streams.settings import Settings

if TYPE_CHECKING:
    from streams.runtime.comparing import Beside, Compared, Live


class Partition(msgspec.Struct, frozen=True):
    """A partition of GET /v1/partitions?digest=true, as far as it is told here."""

    topic: str
    partition: int
    offset: int
    rows: int | None = None
    digest: str | None = None
    state: str = ""
    worker: str = ""


class Partitions(msgspec.Struct, frozen=True):
    """Body of GET /v1/partitions."""

    items: list[Partition]
    control: Partition | None = None

    def all(self) -> list[Partition]:
        """Those of the tenant log, and the one of tenant.control."""
        return self.items + ([] if self.control is None else [self.control])


@click.command()
@click.option("--rebuild", is_flag=True, help="Beside what the changelogs alone give.")
@click.option(
    "--data",
    "folder",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Beside what `streams replay --to DIR` has built.",
)
@click.option("--snapshot", is_flag=True, help="Beside the newest snapshots, restored.")
@api_option
@kafka_option
@json_option
def digest(
    rebuild: bool,
    folder: Path | None,
    snapshot: bool,
    api: str | None,
    kafka: str | None,
    as_json: bool,
) -> None:
    """Show a digest of each partition's state, over all its rows in order.

    With --rebuild, --data or --snapshot each is compared with that state had from elsewhere, and
    1 is the exit code if one differs; the first row that does is named. The live state may go on
    meanwhile: the other one is folded up to it.

    \b
    Example:
      streams digest
      streams digest --rebuild --json
      streams replay --to was && streams digest --data was
    """
    settings = settings_for(api=api, kafka=kafka)
    if sum((rebuild, folder is not None, snapshot)) > 1:
        raise Misuse("--rebuild, --data and --snapshot exclude each other")
    if rebuild or snapshot or folder is not None:
        beside: Beside = "changelog" if rebuild else "snapshot" if snapshot else "replay"
        _compare(settings, beside, folder, as_json)
        return
    body = _ask(settings)
    if as_json:
        print_body(body)
        return
    for each in msgspec.json.decode(body, type=Partitions).all():
        click.echo(f"{_line(each)}  offset {each.offset}  rows {each.rows}")


def _ask(settings: Settings) -> bytes:
    with Client(settings) as client:
        return client.get("v1", "partitions", digest="true")


def _compare(settings: Settings, beside: "Beside", folder: Path | None, as_json: bool) -> None:
    from streams.runtime import comparing  # noqa: PLC0415 - needs the worker's packages

    hush()
    settings = msgspec.structs.replace(settings, kafka=find_kafka(settings))

    def ask() -> "list[Live]":
        partitions = msgspec.json.decode(_ask(settings), type=Partitions).all()
        return [
            comparing.Live(p.topic, p.partition, p.worker, p.offset, p.digest, p.state)
            for p in partitions
        ]

    compared = asyncio.run(comparing.compare(settings, beside, folder, ask))
    if as_json:
        click.echo(msgspec.json.encode(compared).decode())
    else:
        for each in compared:
            click.echo(told(each))
    different = [f"{each.topic}[{each.partition}]" for each in compared if not each.same]
    if different:
        raise Failed(f"the {beside} gives another digest for {', '.join(different)}")


def told(each: "Compared") -> str:
    """A line about a comparison."""
    line = f"{each.topic}[{each.partition}]  {each.digest or '-'}  offset {each.offset}"
    if each.same:
        on = each.begun_at not in (None, each.offset)
        return line + "  same" + (f", folded on from offset {each.begun_at}" if on else "")
    line += f"  {each.rebuilt or 'not compared'}"
    why = each.difference or each.note
    return f"{line}  {why}" if why else line


def _line(each: Partition) -> str:
    return f"{each.topic}[{each.partition}]  {each.digest or each.state or '-'}"
