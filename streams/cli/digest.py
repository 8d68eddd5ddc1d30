"""`streams digest`: one digest a partition's state; equal logs have equal ones."""

from collections.abc import Callable

import click
import msgspec

from streams.cli.client import (
    Client,
    api_option,
    find_kafka,
    json_option,
    kafka_option,
    print_body,
    settings_for,
)
from streams.core.errors import Failed
from streams.settings import Settings

Rebuild = Callable[[Settings, str, int], str]


class Partition(msgspec.Struct, frozen=True):
    """A partition of GET /v1/partitions?digest=true, as far as it is told here."""

    topic: str
    partition: int
    offset: int
    rows: int | None = None
    digest: str | None = None
    state: str = ""


class Partitions(msgspec.Struct, frozen=True):
    """Body of GET /v1/partitions."""

    items: list[Partition]
    control: Partition | None = None

    def all(self) -> list[Partition]:
        """Those of the tenant log, and the one of tenant.control."""
        return self.items + ([] if self.control is None else [self.control])


class Compared(msgspec.Struct, frozen=True):
    """A partition's digest beside that of its changelog, replayed into an empty database."""

    topic: str
    partition: int
    digest: str | None
    rebuilt: str
    same: bool


@click.command()
@click.option(
    "--rebuild", is_flag=True, help="Replay each changelog and compare; 1 if one differs."
)
@api_option
@kafka_option
@json_option
def digest(rebuild: bool, api: str | None, kafka: str | None, as_json: bool) -> None:
    """Show a digest of each partition's state, over all its rows in order.

    With --rebuild each changelog is replayed into an empty database, which must have the same
    digest. Let the input rest meanwhile.

    \b
    Example:
      streams digest
      streams digest --rebuild --json
    """
    settings = settings_for(api=api, kafka=kafka)
    with Client(settings) as client:
        body = client.get("v1", "partitions", digest="true")
    partitions = msgspec.json.decode(body, type=Partitions).all()
    if rebuild:
        _rebuild(settings, partitions, as_json)
    elif as_json:
        print_body(body)
    else:
        for each in partitions:
            click.echo(f"{_line(each)}  offset {each.offset}  rows {each.rows}")


def _rebuild(settings: Settings, partitions: list[Partition], as_json: bool) -> None:
    from streams.runtime.rebuild import rebuild  # noqa: PLC0415 - needs the worker's packages

    settings = msgspec.structs.replace(settings, kafka=find_kafka(settings))
    compared = compare(settings, partitions, rebuild)
    if as_json:
        click.echo(msgspec.json.encode(compared).decode())
    else:
        for each, result in zip(partitions, compared, strict=True):
            click.echo(f"{_line(each)}  {'same' if result.same else result.rebuilt}")
    different = [f"{each.topic}[{each.partition}]" for each in compared if not each.same]
    if different:
        raise Failed(f"the changelog gives another digest for {', '.join(different)}")


def compare(settings: Settings, partitions: list[Partition], rebuild: Rebuild) -> list[Compared]:
    """Digest of each partition beside that of its replayed changelog."""
    compared = []
    for each in partitions:
        rebuilt = rebuild(settings, each.topic, each.partition)
        same = rebuilt == each.digest
        compared.append(Compared(each.topic, each.partition, each.digest, rebuilt, same))
    return compared


def _line(each: Partition) -> str:
    return f"{each.topic}[{each.partition}]  {each.digest or each.state or '-'}"
