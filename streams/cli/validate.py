"""`streams validate`: the check that admit makes, without sending anything."""

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import click
import msgspec

from streams.agents.admit import Incoming, admit
from streams.cli.client import json_option, settings_for
from streams.cli.lineage import lineage_events
from streams.cli.lines import Event, JsonLines
from streams.core.errors import Failed, Misuse, Refused
from streams.core.log import Call, Origin
from streams.core.tenant import is_tenant


class Finding(msgspec.Struct, frozen=True):
    """A line that would not be counted, and why."""

    line: int
    code: str
    message: str


class _NoPrices:
    """Whether a line is valid does not hang on its price."""

    version = "-"

    def cost(self, call: Call, at: int) -> int | None:
        return None


@click.command()
@click.argument("file", type=click.File("rb"))
@click.option("--openlineage", is_flag=True, help="FILE holds OpenLineage events.")
@click.option("--tenant", help="Tenant of the OpenLineage events.")
@json_option
def validate(file: BinaryIO, openlineage: bool, tenant: str | None, as_json: bool) -> None:
    """Check the events of FILE (or - for stdin) as the system would, without sending them.

    FILE is what `streams send` takes. Prints each refused line with its code; exit code 1 if
    there is one. `malformed` is a line that `send` itself would stop at.

    \b
    Example:
      streams validate events.jsonl
      streams validate --openlineage run.json
    """
    tenants = settings_for().namespace_tenants
    if openlineage and not Path(file.name or "").is_file():
        raise Misuse("--openlineage takes a FILE")
    if tenant is not None and not openlineage:
        raise Misuse("--tenant goes with --openlineage; a line of FILE says its tenant")
    if tenant is not None and not is_tenant(tenant):
        raise Misuse(f"{tenant!r} can't be a tenant: 1 to 128 of A-Z a-z 0-9 . _ -")
    checked = refused = 0
    unit = "event" if openlineage else "line"
    lineage = lineage_findings(file.name, tenant, tenants) if openlineage else None
    for finding in lineage or findings(file, tenants):
        checked += 1
        if finding is None:
            continue
        refused += 1
        if as_json:
            click.echo(msgspec.json.encode(finding))
        else:
            click.echo(f"{unit} {finding.line}: {finding.code}: {finding.message}")
    if refused:
        raise Failed(f"{refused} of {checked} events would be refused")
    if not as_json:
        click.echo(f"{checked} events are valid")


def findings(lines: Iterable[bytes], tenants: dict[str, str]) -> Iterator[Finding | None]:
    """For each line that is not blank: None if it is valid, else what is wrong."""
    reader = JsonLines()
    for number, line in enumerate(lines, 1):
        try:
            event = reader.event(number, line)
        except Misuse as error:
            message = str(error).removeprefix(f"line {number}: ")
            yield Finding(number, "malformed", message)
            continue
        if event is not None:
            yield check(event, tenants)


def lineage_findings(
    file: str, tenant: str | None, tenants: dict[str, str]
) -> Iterator[Finding | None]:
    """For each OpenLineage event: None if it is valid, else what is wrong; `send` stops there."""
    number = 0
    try:
        for event in lineage_events([file], tenant, tenants):
            number = event.number
            yield check(event, tenants)
    except Misuse as error:
        yield Finding(number + 1, "malformed", str(error))


def check(event: Event, tenants: dict[str, str]) -> Finding | None:
    """Say why an event would be refused, None if it would not."""
    now = time.time_ns() // 1000
    incoming = Incoming(
        topic=event.topic,
        key=event.key,
        value=event.value,
        headers=event.headers,
        timestamp=now,
        received=now,
        origin=Origin(event.topic, 0, 0, event.number),
    )
    try:
        admit(incoming, _NoPrices(), tenants)
    except Refused as error:
        return Finding(event.number, error.code, error.message)
    return None
