"""`streams validate`: the check that admit makes, without sending anything."""

import time
from collections.abc import Iterable, Iterator

import click
import msgspec

from streams.agents.admit import Incoming, admit
from streams.cli.client import json_option, settings_for
from streams.cli.lines import Event, JsonLines
from streams.core.errors import Failed, Misuse, Refused
from streams.core.log import Call, Origin


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
@json_option
def validate(file: Iterable[bytes], as_json: bool) -> None:
    """Check the events of FILE (or - for stdin) as the system would, without sending them.

    FILE is what `streams send` takes. Prints each refused line with its code; exit code 1 if
    there is one. `malformed` is a line that `send` itself would stop at.

    \b
    Example:
      streams validate events.jsonl
    """
    tenants = settings_for().namespace_tenants
    checked = refused = 0
    for finding in findings(file, tenants):
        checked += 1
        if finding is None:
            continue
        refused += 1
        if as_json:
            click.echo(msgspec.json.encode(finding))
        else:
            click.echo(f"line {finding.line}: {finding.code}: {finding.message}")
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
            yield _check(event, tenants)


def _check(event: Event, tenants: dict[str, str]) -> Finding | None:
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
