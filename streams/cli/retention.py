"""`streams retention`: how long a tenant's memories are kept."""

import click

from streams.cli.budget import send_command
from streams.cli.client import api_option, json_option, tenant_argument


@click.group()
def retention() -> None:
    """Set how long a tenant's memories are kept.

    \b
    Example:
      streams retention set t1 --default 2592000 --min 86400
    """


@retention.command(name="set")
@tenant_argument
@click.option(
    "--default",
    "default",
    type=click.IntRange(min=1),
    metavar="SECONDS",
    help="Of memories without a ttl of their own; without it they have no end.",
)
@click.option(
    "--min",
    "least",
    type=click.IntRange(min=1),
    metavar="SECONDS",
    help="A shorter ttl is raised to it.",
)
@api_option
@json_option
def set_(
    tenant: str, default: int | None, least: int | None, api: str | None, as_json: bool
) -> None:
    """Set how long memories of TENANT are kept, old ones too, in the place of what was set.

    \b
    Example:
      streams retention set t1 --default 2592000
    """
    data: dict[str, object] = {}
    if default is not None:
        data["default_ttl_seconds"] = default
    if least is not None:
        data["min_ttl_seconds"] = least
    send_command(tenant, "retention.set", data, f"of {tenant}", api, as_json)
