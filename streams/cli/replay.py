"""`streams replay`: the state as it was, built in a folder of its own."""

import asyncio
import gc
import sys
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from streams.cli.client import find_kafka, hush, json_option, kafka_option, settings_for
from streams.core.errors import Misuse
from streams.core.time import parse_time
from streams.settings import Settings

if TYPE_CHECKING:
    from streams.runtime.replayed import Replayed


@click.command()
@click.option(
    "--to",
    "folder",
    metavar="DIR",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to build it in; must be empty.",
)
@click.option("--until", metavar="TIME", help="As it was then (log time), RFC 3339.")
@click.option("--from-zero", is_flag=True, help="Use no snapshot: fold the whole log.")
@click.option("--bucket-only", is_flag=True, help="Ask no Kafka: what is archived, no more.")
@kafka_option
@json_option
def replay(
    folder: Path,
    until: str | None,
    from_zero: bool,
    bucket_only: bool,
    kafka: str | None,
    as_json: bool,
) -> None:
    """Build the state as it was in DIR, and leave the live one alone.

    Begins with the newest snapshot that is not later than TIME, then folds the rest from Kafka
    and the archive. Nothing is sent. `search`, `usage` and others ask it with --data DIR.

    \b
    Example:
      streams replay --to was --until 2026-11-22T12:00:00Z
      streams usage t1 --data was
    """
    settings = settings_for(kafka=kafka)
    try:
        moment = None if until is None else parse_time(until)
    except ValueError as error:
        raise Misuse(f"--until: {error}") from None
    if folder.exists() and any(folder.iterdir()):
        raise Misuse(f"{folder} is not empty: a replay begins with an empty folder")
    if bucket_only and kafka is not None:
        raise Misuse("--bucket-only asks no Kafka: leave out --kafka")
    address = "" if bucket_only else find_kafka(settings)
    settings = msgspec.structs.replace(settings, kafka=address)
    hush()
    # Rows and records hold no cycles.
    gc.set_threshold(100_000, 20, 50)
    with ExitStack() as stack:
        found = asyncio.run(_replay(settings, folder, moment, from_zero, stack))
    if as_json:
        click.echo(msgspec.json.encode(found).decode())
        return
    for each in found.partitions:
        click.echo(
            f"{each.topic}[{each.partition}]  offset {each.offset}  {each.log_time}  "
            f"{each.records:,} records after {each.begun_from}"
        )


async def _replay(
    settings: Settings, folder: Path, until: int | None, from_zero: bool, stack: ExitStack
) -> "Replayed":
    from streams import topology  # noqa: PLC0415 - needs a worker's packages
    from streams.runtime.log_sources import ArchivedLog, LogSource, kafka_log  # noqa: PLC0415
    from streams.runtime.object_store import open_bin  # noqa: PLC0415
    from streams.runtime.replay import Asked, replay  # noqa: PLC0415

    snapshots = open_bin(settings)
    advanced: dict[str, Any] = {}
    if sys.stderr.isatty():
        from streams.cli.progress import count_bar  # noqa: PLC0415

        advanced["advanced"] = stack.enter_context(count_bar("replaying"))
    sources: list[LogSource] = [ArchivedLog(snapshots, settings.group)]
    partitions = settings.partitions
    async with AsyncExitStack() as open_clients:
        if settings.kafka:
            kafka = await open_clients.enter_async_context(kafka_log(settings))
            log = topology.name(settings, topology.TENANT_LOG)
            partitions = await kafka.inquiry.partitions(log)
            # Before the archive: what Kafka still has can't be a damaged object.
            sources.insert(0, kafka)
        asked = Asked(
            settings=settings,
            sources=sources,
            snapshots=None if from_zero else snapshots,
            partitions=partitions,
            until=until,
            told=lambda line: click.echo(line, err=True),
            **advanced,
        )
        return await replay(asked, folder)
