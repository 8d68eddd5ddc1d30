"""`streams snapshot`: take, list and verify snapshots."""

import asyncio
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from streams.cli.client import Client, api_option, json_option, print_body, settings_for
from streams.core.errors import Failed
from streams.core.time import HOUR, format_time
from streams.ports import SnapshotTaken
from streams.settings import Settings

if TYPE_CHECKING:
    from streams.runtime.dropping import Dropped

SECONDS = 900.0
MIB = 1 << 20


class Taken(msgspec.Struct, frozen=True):
    """Body of POST /v1/snapshots."""

    items: list[SnapshotTaken]


@click.group()
def snapshot() -> None:
    """Take, list and verify snapshots of the partitions' states.

    They lie in the bucket of STREAMS_S3_BUCKET, or else in the folder `snapshots` of the data.

    \b
    Example:
      streams snapshot now
      streams snapshot list
      streams snapshot verify
      streams snapshot drop --older-than 168
    """


@snapshot.command()
@api_option
@json_option
def now(api: str | None, as_json: bool) -> None:
    """Take a snapshot of every partition, on all workers, and wait until they are stored.

    \b
    Example:
      streams snapshot now
    """
    with Client(settings_for(api=api), timeout=SECONDS) as client:
        body = client.post("v1", "snapshots", body={})
    taken = msgspec.json.decode(body, type=Taken).items
    if as_json:
        print_body(body)
    else:
        for each in taken:
            what = f"{each.topic}[{each.partition}]"
            sent, total = each.bytes / MIB, each.total_bytes / MIB
            click.echo(
                f"{what}  {each.error}"
                if each.error
                else f"{what}  {each.rows:,} rows  {sent:,.1f} of {total:,.1f} MB uploaded  "
                f"{each.seconds:.1f} s  {each.name}"
            )
    failed = [f"{each.topic}[{each.partition}]" for each in taken if each.error]
    if failed:
        raise Failed(f"no snapshot of {', '.join(failed)}")


@snapshot.command(name="list")
@json_option
def list_(as_json: bool) -> None:
    """List the snapshots that are stored, the oldest of each partition first.

    \b
    Example:
      streams snapshot list --json
    """
    settings = settings_for()
    found = asyncio.run(_listed(settings))
    if as_json:
        click.echo(msgspec.json.encode({"items": found}).decode())
        return
    for each in found:
        place = f"{each['topic']}[{each['partition']}]"
        click.echo(
            f"{place}  offset {each['changelog_offset']}  {each['modified']}  {each['name']}"
        )


@snapshot.command()
@json_option
def verify(as_json: bool) -> None:
    """Read every snapshot whole and check each file; 1 if one is damaged.

    \b
    Example:
      streams snapshot verify
    """
    settings = settings_for()
    checked = asyncio.run(_verified(settings))
    if as_json:
        click.echo(msgspec.json.encode({"items": checked}).decode())
    else:
        for each in checked:
            click.echo(f"{each['name']}  {each['error'] or 'whole'}")
    damaged = [each["name"] for each in checked if each["error"]]
    if damaged:
        raise Failed(f"{len(damaged)} of {len(checked)} snapshots can't be used: {damaged[0]}")


@snapshot.command()
@click.option(
    "--older-than",
    "hours",
    type=click.IntRange(1),
    metavar="HOURS",
    help="Default: STREAMS_ERASE_DEADLINE_HOURS.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@json_option
def drop(hours: int | None, dry_run: bool, as_json: bool) -> None:
    """Drop snapshots and archived log that are older than some hours.

    A partition's newest snapshot stays, and the log that comes after it. Without the oldest log no
    replay begins from zero any more.

    \b
    Example:
      streams snapshot drop --older-than 168 --dry-run
    """
    settings = settings_for()
    hours = hours or settings.erase_deadline_hours
    found = asyncio.run(_dropped(settings, hours, dry_run))
    if as_json:
        click.echo(msgspec.json.encode(found).decode())
        return
    for name in (*found.snapshots, *found.segments):
        click.echo(name)
    what = "would be dropped" if dry_run else "dropped"
    snapshots, segments = len(found.snapshots), len(found.segments)
    click.echo(f"{snapshots} snapshots and {segments} segments {what}")
    if found.needed:
        click.echo(f"{len(found.needed)} older ones stay: nothing newer could be begun from")


async def _dropped(settings: Settings, hours: int, dry_run: bool) -> "Dropped":
    from streams.runtime.dropping import drop_old  # noqa: PLC0415 - needs a worker's packages
    from streams.runtime.object_store import open_bin  # noqa: PLC0415

    now = time.time_ns() // 1000
    before = now - hours * HOUR
    return await drop_old(open_bin(settings), settings.group, before, now=now, dry_run=dry_run)


async def _listed(settings: Settings) -> list[dict[str, Any]]:
    from streams.runtime.object_store import open_bin  # noqa: PLC0415 - needs a worker's packages
    from streams.runtime.snapshots import list_snapshots  # noqa: PLC0415

    return [
        {
            "name": listed.name,
            "group": listed.place.group,
            "topic": listed.place.topic,
            "partition": listed.place.partition,
            "incarnation": listed.position.incarnation,
            "changelog_offset": listed.position.offset,
            "modified": format_time(listed.modified),
        }
        for listed in await list_snapshots(open_bin(settings))
    ]


async def _verified(settings: Settings) -> list[dict[str, Any]]:
    from streams.runtime.object_store import open_bin  # noqa: PLC0415 - needs a worker's packages
    from streams.runtime.restoring import verify as check  # noqa: PLC0415
    from streams.runtime.snapshots import list_snapshots  # noqa: PLC0415

    of = open_bin(settings)
    with tempfile.TemporaryDirectory(prefix="streams-verify-") as folder:
        return [
            {"name": listed.name, "error": await check(of, listed, Path(folder))}
            for listed in await list_snapshots(of)
        ]
