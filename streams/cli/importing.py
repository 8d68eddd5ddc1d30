"""`streams import`: memories and agents' state from a store of before there was a log."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from hashlib import sha256
from pathlib import Path

import click
import msgspec

from streams.adapters.old_store import SQLITE, Bad, Given, MemoryTable, agent_state
from streams.cli.client import (
    Client,
    api_option,
    find_kafka,
    json_option,
    kafka_option,
    settings_for,
)
from streams.cli.lines import TOPIC_OF_TYPE, Event, compose
from streams.cli.migrate import unknown_bar
from streams.cli.send import Marks, wait_folded
from streams.cli.validate import check
from streams.core.errors import Failed, Misuse
from streams.core.tenant import is_tenant
from streams.settings import Settings

SOURCE = "/import"
STATE_FILE = "agent_state.json"
AT_ONCE = 500


class Imported(msgspec.Struct):
    """What became of a file."""

    file: str
    kind: str
    schema_version: str
    taken: int = 0
    bad: int = 0


class Result(msgspec.Struct):
    """What `import --json` prints."""

    dry_run: bool
    files: list[Imported]
    sent: dict[str, object] | None = None


class _Reading:
    """Files as events, and how many there were."""

    def __init__(self, settings: Settings, files: list[Path], tenant: str, agent: str) -> None:
        self._tenants = settings.namespace_tenants
        self.found: list[Imported] = []
        self._items: list[Iterator[Given | Bad]] = []
        for path in files:
            items: Iterator[Given | Bad]
            with path.open("rb") as file:
                is_sqlite = file.read(len(SQLITE)) == SQLITE
            if is_sqlite:
                table = MemoryTable(path, tenant)
                kind, schema, items = "memories", table.schema, iter(table)
            else:
                schema, keys = agent_state(path, tenant, agent)
                kind, items = "agent_state", iter(keys)
            self.found.append(Imported(str(path), kind, schema))
            self._items.append(items)

    @property
    def bad(self) -> int:
        """Rows and keys that were none."""
        return sum(each.bad for each in self.found)

    def events(self, advance: Callable[[int], None] = lambda _: None) -> Iterator[list[Event]]:
        """Give the good ones, some at a time; a line on stderr for each of the others.

        Parameters
        ----------
        advance : callable
            Hears of how many more rows and keys there were.
        """
        events: list[Event] = []
        number = 0
        for imported, items in zip(self.found, self._items, strict=True):
            for item in items:
                number += 1
                advance(1)
                made = self._event(number, item)
                if isinstance(made, Bad):
                    imported.bad += 1
                    what = "memory" if imported.kind == "memories" else "key"
                    click.echo(f"streams: {imported.file}: {what} {made.row}: {made.why}", err=True)
                    continue
                imported.taken += 1
                events.append(made)
                if len(events) >= AT_ONCE:
                    yield events
                    events = []
        yield events

    def _event(self, number: int, item: Given | Bad) -> Event | Bad:
        if isinstance(item, Bad):
            return item
        made = compose(
            number,
            TOPIC_OF_TYPE[item.type],
            item.type,
            item.tenant,
            # The same row is the same event, however often it is imported.
            sha256(f"{item.type}\n{item.time}\n".encode() + item.data).hexdigest(),
            SOURCE,
            item.time,
            item.data,
        )
        finding = check(made, self._tenants)
        return made if finding is None else Bad(item.row, f"{finding.code}: {finding.message}")


@click.command(name="import")
@click.argument(
    "files",
    metavar="FILE...",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    nargs=-1,
    required=True,
)
@click.option(
    "--tenant", default="default", show_default=True, help="Tenant of what doesn't say its own."
)
@click.option(
    "--agent", default="default", show_default=True, help="Agent whose state the JSON file holds."
)
@click.option("--dry-run", is_flag=True, help="Read and check everything; send nothing.")
@click.option("--wait", is_flag=True, help="Wait until the system has folded what was sent.")
@kafka_option
@api_option
@json_option
def import_(
    files: tuple[Path, ...],
    tenant: str,
    agent: str,
    dry_run: bool,
    wait: bool,
    kafka: str | None,
    api: str | None,
    as_json: bool,
) -> None:
    """Import memories from a SQLite FILE, and an agent's state from an agent_state.json.

    The SQLite file has a table `memories` of any schema version from 1.0.0 to 2.1.0; an
    agent_state.json beside it is read too. Importing a file twice is importing it once. A row that
    can't be imported is a line on stderr; the others go on, and the exit code is 1.

    \b
    Example:
      streams import memories.db --tenant team-a
      streams import agent_state.json --tenant team-a --agent quality-1
    """
    if not is_tenant(tenant):
        raise Misuse(f"{tenant!r} can't be a tenant: 1 to 128 of A-Z a-z 0-9 . _ -")
    settings = settings_for(api=api, kafka=kafka)
    reading = _Reading(settings, _with_state(files), tenant, agent)
    result = Result(dry_run, reading.found)
    if dry_run:
        with unknown_bar("read") as advance:
            for _ in reading.events(advance):
                pass
    else:
        with Client(settings) if wait else nullcontext() as client:
            with unknown_bar("sent") as advance:
                sending = _send(settings, find_kafka(settings), reading, advance)
                result.sent, marks = asyncio.run(sending)
            if client is not None:
                wait_folded(client, marks)
    if as_json:
        click.echo(msgspec.json.encode(result).decode())
    else:
        for each in reading.found:
            done = "can be imported" if dry_run else "sent"
            what = "memories" if each.kind == "memories" else "keys of state"
            click.echo(f"{each.file}  schema {each.schema_version}  {each.taken:,} {what} {done}")
    if reading.bad:
        raise Failed(f"{reading.bad} of {_all(reading.found)} could not be imported")


def _all(found: list[Imported]) -> int:
    return sum(each.taken + each.bad for each in found)


def _with_state(files: tuple[Path, ...]) -> list[Path]:
    """The files, and an agent's state that lies beside one of them."""
    found = list(files)
    for path in files:
        beside = path.with_name(STATE_FILE)
        if beside.is_file() and not any(beside.samefile(each) for each in found):
            found.append(beside)
    return found


async def _send(
    settings: Settings, bootstrap: str, reading: _Reading, advance: Callable[[int], None]
) -> tuple[dict[str, object], Marks]:
    from streams.cli.feed import Feed  # noqa: PLC0415 - aiokafka only where it is used

    async with Feed(settings, bootstrap) as feed:
        try:
            for events in reading.events(advance):
                await feed.add(events)
                await feed.flush(wait=False)
            await feed.flush(wait=True)
        except Failed as error:
            raise Failed(f"{error}; {feed.sent} events were sent") from None
        return feed.result(), feed.marks
