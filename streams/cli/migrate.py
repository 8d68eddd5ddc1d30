"""`streams migrate`: bring rows that older versions wrote into the shape of today."""

import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from streams.cli.client import (
    UP_FILE,
    Client,
    api_option,
    json_option,
    print_body,
    settings_for,
)
from streams.core.errors import Failed, Misuse
from streams.ports import MigrationStatus
from streams.settings import Settings

if TYPE_CHECKING:
    from streams.runtime.migration import Migrated

POLL_SECONDS = 0.5
WAIT_SECONDS = 3600.0

Counts = dict[str, dict[str, int]]


class _Statuses(msgspec.Struct, frozen=True):
    """Body of GET and POST /v1/migrations."""

    items: list[MigrationStatus]


@click.command()
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False),
    metavar="DIR",
    help="A data folder whose workers are stopped, instead of the running system.",
)
@click.option("--dry-run", is_flag=True, help="Say what there is to do; write nothing.")
@click.option(
    "--finalize", is_flag=True, help="Write rows of the newest schema from now on: no way back."
)
@api_option
@json_option
def migrate(
    data: str | None, dry_run: bool, finalize: bool, api: str | None, as_json: bool
) -> None:
    """Bring the rows of the state into the shape of its schema version.

    Rows of older versions are read everywhere, so this can wait. Where the system runs, the owners
    of the partitions do it while they go on folding; with --data, or where none runs, this command
    does it in the data folder of stopped workers, and goes on where one that was killed ended.

    A new version goes on writing what the one before it reads, so that both can work side by side.
    When all workers are of the new version, --finalize ends that.

    \b
    Example:
      streams migrate --dry-run
      streams migrate --finalize
      streams migrate --data ./.streams
    """
    settings = settings_for(api=api)
    running = settings.api or (Path(settings.data) / UP_FILE).exists()
    if data is None and running:
        _online(settings, dry_run=dry_run, finalize=finalize, as_json=as_json)
        return
    if finalize:
        raise Misuse("--finalize needs the running system: it is written into the log")
    _offline(Path(data or settings.data), dry_run=dry_run, as_json=as_json)


# -- where the system runs ------------------------------------------------------------------------


def _online(settings: Settings, *, dry_run: bool, finalize: bool, as_json: bool) -> None:
    with Client(settings, timeout=660) as client:
        if not dry_run:
            _wait(client, finalize)
        body = client.get("v1", "migrations", rows="true")
    found = _items(body)
    if as_json:
        print_body(body)
    else:
        for each in found:
            where = f"{each.topic}[{each.partition}]"
            click.echo(_line(where, each.schema, each.rows or {}, "", each.error))
    _complain(found)


def _items(body: bytes) -> list[MigrationStatus]:
    return msgspec.json.decode(body, type=_Statuses).items


def _wait(client: Client, finalize: bool) -> None:
    """Ask for it and wait until the owners have looked at all rows."""
    end = time.monotonic() + WAIT_SECONDS
    found: list[MigrationStatus] = []
    while True:
        if not any(each.rewriting or each.error for each in found):
            # The first time, or a partition went to another owner between asking and writing.
            body = client.post("v1", "migrations", body={}, finalize=str(finalize).lower())
            found = _items(body)
        time.sleep(POLL_SECONDS)
        found = _items(client.get("v1", "migrations"))
        left = [
            f"{each.topic}[{each.partition}]"
            for each in found
            if each.error or each.rewriting or (finalize and each.schema != each.newest)
        ]
        if not left:
            return
        if time.monotonic() > end:
            raise Failed(f"not done after {WAIT_SECONDS:.0f} s: {', '.join(left)}")


# -- where it does not ----------------------------------------------------------------------------


def _offline(data: Path, *, dry_run: bool, as_json: bool) -> None:
    from streams.runtime import failpoints  # noqa: PLC0415 - needs the worker's packages
    from streams.runtime.migration import at_rest  # noqa: PLC0415
    from streams.runtime.migration import migrate as rewrite  # noqa: PLC0415

    failpoints.arm(settings_for().failpoint)
    done = []
    with at_rest(data) as places, unknown_bar("rows") as advance:
        for place in places:
            done.append(rewrite(place, dry_run=dry_run, progress=advance))
    if as_json:
        click.echo(msgspec.json.encode({"dry_run": dry_run, "items": done}).decode())
    else:
        for each in done:
            where = f"{each.worker}/{each.topic}[{each.partition}]"
            verb = "would be rewritten" if dry_run else "rewritten"
            what = f"  {_sum(each.rewritten):,} {verb}"
            click.echo(_line(where, each.schema, each.rows, what, each.error))
    _complain(done)


def unknown_bar(what: str) -> AbstractContextManager[Any]:
    """Show on a terminal how many rows are done; gives what adds to them."""
    if not sys.stderr.isatty():
        return nullcontext(lambda _: None)
    from streams.cli.progress import rows_bar  # noqa: PLC0415 - rich only on a terminal

    return rows_bar(what)


def _line(where: str, schema: str, rows: Counts, what: str, error: str | None) -> str:
    """Tell of a partition, and of those kinds that are in several versions."""
    if error:
        return f"{where}  {error}"
    mixed = [
        f"{kind}: " + ", ".join(f"{count:,} of {version}" for version, count in sorted(of.items()))
        for kind, of in sorted(rows.items())
        if len(of) > 1
    ]
    return "\n  ".join([f"{where}  schema {schema}  {_sum(rows):,} rows{what}", *mixed])


def _sum(rows: Counts) -> int:
    return sum(count for of in rows.values() for count in of.values())


def _complain(found: "Sequence[Migrated | MigrationStatus]") -> None:
    failed = [each for each in found if each.error]
    if failed:
        one = failed[0]
        where = f"{one.topic}[{one.partition}]"
        raise Failed(f"{len(failed)} of {len(found)} can't be migrated: {where}: {one.error}")
