"""`streams state`: an agent's own state, one key at a time."""

import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from streams.cli.client import (
    Client,
    api_option,
    data_option,
    json_option,
    print_body,
    reader,
    settings_for,
    tenant_argument,
)
from streams.core.errors import Misuse

agent_argument = click.argument("agent")
key_argument = click.argument("key")
version_option = click.option(
    "--if-version",
    type=click.IntRange(min=0),
    metavar="N",
    help="Only over this version; 0: only where there is no value.",
)


class Stored(msgspec.Struct, frozen=True):
    """Body of GET and PUT of a key."""

    value: msgspec.Raw
    version: int


class Item(msgspec.Struct, frozen=True):
    """A key of a list."""

    key: str
    version: int
    updated_at: str
    expires_at: str | None
    bytes: int


class Items(msgspec.Struct, frozen=True):
    """Body of GET of a list."""

    items: list[Item]
    next: str | None


@click.group()
def state() -> None:
    """Get, set, delete and list the state that an agent keeps.

    \b
    Example:
      streams state set t1 trainer-1 checkpoint '{"step": 1200}'
      streams state get t1 trainer-1 checkpoint
    """


@state.command()
@tenant_argument
@agent_argument
@key_argument
@api_option
@data_option
@json_option
def get(
    tenant: str, agent: str, key: str, api: str | None, folder: Path | None, as_json: bool
) -> None:
    """Print the value of KEY of AGENT; with --json its version too.

    \b
    Example:
      streams state get t1 trainer-1 checkpoint
    """
    with reader(api, folder) as client:
        body = client.get(*_path(tenant, agent, key))
    print_body(body if as_json else bytes(msgspec.json.decode(body, type=Stored).value))


# So that -1 is a value; an option that there is not ends as a value that is no JSON.
@state.command(name="set", context_settings={"ignore_unknown_options": True})
@tenant_argument
@agent_argument
@key_argument
@click.argument("value", metavar="VALUE|-")
@version_option
@click.option(
    "--ttl",
    type=click.IntRange(min=1),
    metavar="SECONDS",
    help="Gone after so long.  [default: it stays]",
)
@api_option
@json_option
def set_(
    tenant: str,
    agent: str,
    key: str,
    value: str,
    if_version: int | None,
    ttl: int | None,
    api: str | None,
    as_json: bool,
) -> None:
    """Set KEY of AGENT to VALUE, which is JSON (- reads it from stdin), and wait until it holds.

    \b
    Example:
      streams state set t1 trainer-1 checkpoint '{"step": 1200}'
      streams state set t1 trainer-1 lease '"eu-1"' --if-version 0 --ttl 60
    """
    text = sys.stdin.buffer.read() if value == "-" else value.encode()
    try:
        msgspec.json.format(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Misuse(f"VALUE is not JSON: {error}; a text is written '\"so\"'") from None
    body: dict[str, Any] = {"value": msgspec.Raw(text), "if_version": if_version}
    with Client(settings_for(api=api)) as client:
        answer = client.put(*_path(tenant, agent, key), body=body | {"ttl_seconds": ttl})
    if as_json:
        print_body(answer)
    else:
        _told("set", agent, key, answer)


@state.command()
@tenant_argument
@agent_argument
@key_argument
@click.option(
    "--if-version", type=click.IntRange(min=1), metavar="N", help="Only if it has this version."
)
@api_option
@json_option
def delete(
    tenant: str, agent: str, key: str, if_version: int | None, api: str | None, as_json: bool
) -> None:
    """Delete KEY of AGENT, and wait until it is gone.

    \b
    Example:
      streams state delete t1 trainer-1 checkpoint
    """
    with Client(settings_for(api=api)) as client:
        answer = client.delete(*_path(tenant, agent, key), if_version=if_version)
    if as_json:
        print_body(answer)
    else:
        _told("deleted", agent, key, answer)


@state.command(name="list")
@tenant_argument
@agent_argument
@click.option("--limit", type=click.IntRange(1, 500), default=500, show_default=True, help="Keys.")
@click.option("--cursor", help="`next` of the page before.")
@api_option
@data_option
@json_option
def list_(
    tenant: str,
    agent: str,
    limit: int,
    cursor: str | None,
    api: str | None,
    folder: Path | None,
    as_json: bool,
) -> None:
    """List the keys of AGENT, without their values.

    \b
    Example:
      streams state list t1 trainer-1
    """
    with reader(api, folder) as client:
        body = client.get(*_path(tenant, agent), limit=limit, cursor=cursor)
    if as_json:
        print_body(body)
    else:
        _print_table(agent, msgspec.json.decode(body, type=Items))


def _path(tenant: str, agent: str, *key: str) -> tuple[str, ...]:
    return ("v1", "tenants", tenant, "agents", agent, "state", *key)


def _told(what: str, agent: str, key: str, answer: bytes) -> None:
    version = msgspec.json.decode(answer, type=Stored).version
    click.echo(f"{what} {agent}/{key}: version {version}")


def _print_table(agent: str, page: Items) -> None:
    from streams.cli.tables import new_table, show  # noqa: PLC0415 - --json needs no rich

    table = new_table(f"state of {agent}")
    table.add_column("key")
    for name in ("version", "bytes"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("updated", "expires"):
        table.add_column(name, no_wrap=True)
    for item in page.items:
        expires = "-" if item.expires_at is None else item.expires_at.removesuffix(".000000Z")
        updated = item.updated_at.removesuffix(".000000Z")
        table.add_row(item.key, f"{item.version}", f"{item.bytes:,}", updated, expires)
    show(table, None if page.next is None else f"more: --cursor {page.next}")
