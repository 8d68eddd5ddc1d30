"""`streams quota`: show and set a tenant's memory."""

from pathlib import Path

import click
import msgspec

from streams.cli.budget import send_command
from streams.cli.client import (
    api_option,
    data_option,
    json_option,
    print_body,
    reader,
    tenant_argument,
)
from streams.cli.groups import defaulting_to

CLASSES = ("standard", "critical", "compliance")


class Quota(msgspec.Struct, frozen=True):
    """Body of GET /v1/tenants/{t}/quota."""

    quota_mb: int | None
    used_bytes: int
    reserve_bytes: int
    tier: str = msgspec.field(name="class")


@click.group(cls=defaulting_to("show"))
def quota() -> None:
    """Show and set a tenant's memory; `quota TENANT` shows it.

    \b
    Example:
      streams quota t1
      streams quota set t1 512 --class critical
    """


@quota.command(name="show")
@tenant_argument
@api_option
@data_option
@json_option
def show(tenant: str, api: str | None, folder: Path | None, as_json: bool) -> None:
    """Show TENANT's quota and what it uses.

    \b
    Example:
      streams quota show t1
    """
    with reader(api, folder) as client:
        body = client.get("v1", "tenants", tenant, "quota")
    if as_json:
        print_body(body)
        return
    found = msgspec.json.decode(body, type=Quota)
    room = "no quota" if found.quota_mb is None else f"of {found.quota_mb:,} MB"
    reserve = f", {found.reserve_bytes:,} bytes in the reserve" if found.reserve_bytes else ""
    used = f"{found.used_bytes / (1 << 20):,.1f} MB used"
    click.echo(f"{tenant} ({found.tier}): {used}, {room}{reserve}")


@quota.command(name="set")
@tenant_argument
@click.argument("quota_mb", metavar="MB", type=click.IntRange(min=0))
@click.option("--class", "tier", type=click.Choice(CLASSES), default="standard", show_default=True)
@api_option
@json_option
def set_(tenant: str, quota_mb: int, tier: str, api: str | None, as_json: bool) -> None:
    """Give TENANT MB of memory of its own, and wait until it is decided.

    \b
    Example:
      streams quota set t1 512
    """
    data: dict[str, object] = {"quota_mb": quota_mb, "class": tier}
    send_command(tenant, "quota.set", data, f"{quota_mb} MB", api, as_json)
