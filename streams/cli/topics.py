"""`streams topics`: create, check, list and adopt the topics."""

import asyncio
import logging

import click
import msgspec

from streams import topology
from streams.cli.client import find_kafka, json_option, kafka_option, settings_for
from streams.cli.tables import new_table, show
from streams.core.errors import Misuse
from streams.runtime import topics as runtime
from streams.settings import Settings


@click.group()
def topics() -> None:
    """Create, check and list the topics.

    \b
    Example:
      streams topics ensure --kafka kafka:9092
      streams topics list --json
    """


@topics.command()
@kafka_option
@json_option
def ensure(kafka: str | None, as_json: bool) -> None:
    """Create the topics that are missing and check the others; nothing that exists is changed.

    STREAMS_TOPIC_PREFIX, STREAMS_GROUP, STREAMS_PARTITIONS, STREAMS_REPLICATION and the hours of
    retention say what they must be. Exit code 2 when one is something else. A warning where a
    topic keeps what is erased longer than STREAMS_ERASE_DEADLINE_HOURS.

    \b
    Example:
      STREAMS_REPLICATION=3 streams topics ensure --kafka kafka:9092
    """
    settings = _with_kafka(settings_for(kafka=kafka))
    created = asyncio.run(runtime.ensure(settings))
    late = asyncio.run(runtime.late(settings))
    total = len(topology.topics(settings))
    if as_json:
        document = {"created": [line.split()[1] for line in created], "topics": total, "late": late}
        click.echo(msgspec.json.encode(document).decode())
        return
    for line in created:
        click.echo(line)
    click.echo(f"{total} topics are as they must be")
    for line in late:
        click.echo(f"streams: warning: {line}", err=True)


@topics.command(name="list")
@kafka_option
@json_option
def list_(kafka: str | None, as_json: bool) -> None:
    """List what each topic must be: partitions, replication, settings, key, writers, readers.

    That needs no Kafka: it is all that Terraform or Strimzi must know. Where a Kafka is known (by
    --kafka, STREAMS_KAFKA or a running `streams up`), also what each topic is there.

    \b
    Example:
      streams topics list --json | jq -r '.[].name'
    """
    settings = settings_for(kafka=kafka)
    try:
        settings, ask = _with_kafka(settings), True
    except Misuse:
        ask = False
    rows = asyncio.run(runtime.describe(settings, ask=ask))
    if as_json:
        click.echo(msgspec.json.encode(rows).decode())
        return
    table = new_table()
    table.add_column("topic", no_wrap=True)
    for name in ("key", "partitions", "replication", "settings"):
        table.add_column(name)
    if ask:
        table.add_column("there")
    for row in rows:
        fixed = " (fixed)" if row["fixed_partitions"] else ""
        cells = [row["name"], row["key"], f"{row['partitions']}{fixed}", str(row["replication"])]
        cells.append(", ".join(f"{config}={value}" for config, value in row["configs"].items()))
        if ask:
            amiss = row["wrong"] + ([row["late"]] if row["late"] else [])
            cells.append("missing" if row["found"] is None else "; ".join(amiss) or "ok")
        table.add_row(*cells, style="dim" if row["internal"] else None)
    show(table)


@topics.command(name="adopt")
@click.argument("topic")
@kafka_option
def adopt_(topic: str, kafka: str | None) -> None:
    """Read a topic that was made anew from its start: the old offsets mean nothing there.

    A partition whose topic was re-created stops (red) rather than skip records; this is the
    person's answer. TOPIC is an input topic or the tenant log. Adopting a topic that was not made
    anew reads its records again. Of a changelog that was made anew or emptied nothing is read:
    each partition's newest state that is left, local or a snapshot, is written there.

    \b
    Example:
      streams topics adopt agent.messages.v1
    """
    from streams.runtime.adopt import adopt  # noqa: PLC0415 - only this command

    settings = _with_kafka(settings_for(kafka=kafka))
    for line in asyncio.run(adopt(settings, topic)):
        click.echo(line)


def _with_kafka(settings: Settings) -> Settings:
    # The error that the command ends with says it; the client's own lines would only repeat it.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL + 1)
    return msgspec.structs.replace(settings, kafka=find_kafka(settings))
