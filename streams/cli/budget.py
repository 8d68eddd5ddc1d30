"""`streams budget`: show, set and delete a tenant's budgets; reserve from them and settle."""

from pathlib import Path

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
from streams.cli.groups import defaulting_to
from streams.cli.reservation import reserve, settle
from streams.cli.usage import GROUPS, PERIODS, usd
from streams.core.errors import Misuse
from streams.core.money import parse_usd, read_usd
from streams.core.time import zone


class Config(msgspec.Struct, frozen=True):
    """A budget as it was set."""

    budget_id: str
    limit_usd: str
    period: str
    timezone: str
    thresholds: list[int]
    scope: dict[str, str]


class Item(msgspec.Struct, frozen=True):
    """A budget and its figure, as far as the table shows it."""

    config: Config
    spent_usd: str
    forecast_usd: str | None
    fired: list[object]
    period_end: str | None
    held_usd: str = "0"


class Items(msgspec.Struct, frozen=True):
    """Body of GET /v1/tenants/{t}/budgets."""

    items: list[Item]


class Audit(msgspec.Struct, frozen=True):
    """The audit record that answers a command, as far as it is told."""

    action: str
    outcome: str
    error: str | None = None


@click.group(cls=defaulting_to("list"))
def budget() -> None:
    """Show, set and delete a tenant's budgets; `budget TENANT` shows them.

    \b
    Example:
      streams budget t1
      streams budget set t1 --id daily --limit-usd 40 --threshold 50 --threshold 80
      streams budget delete t1 daily
      streams budget reserve t1 daily 0.75 --id call-17
      streams budget settle t1 call-17 0.4
    """


@budget.command(name="list")
@tenant_argument
@api_option
@data_option
@json_option
def list_(tenant: str, api: str | None, folder: Path | None, as_json: bool) -> None:
    """Show TENANT's budgets and what is spent.

    \b
    Example:
      streams budget list t1
    """
    with reader(api, folder) as client:
        body = client.get("v1", "tenants", tenant, "budgets", limit=500)
    if as_json:
        print_body(body)
    else:
        _print_table(tenant, msgspec.json.decode(body, type=Items).items)


@budget.command(name="set")
@tenant_argument
@click.option("--id", "budget_id", required=True, help="Name of the budget.")
@click.option("--limit-usd", required=True, metavar="USD", help="The most it may be.")
@click.option("--period", type=click.Choice(PERIODS), default="day", show_default=True)
@click.option("--timezone", default="UTC", show_default=True, help="Zone of the period.")
@click.option(
    "--threshold",
    "thresholds",
    multiple=True,
    type=click.IntRange(min=1),
    metavar="PERCENT",
    help="Percentage that alerts; give it again for more.  [default: 50, 80, 100]",
)
@click.option(
    "--forecast/--no-forecast",
    default=True,
    show_default=True,
    help="Alert when the period is likely to end above the limit.",
)
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    metavar="KEY=VALUE",
    help=f"Count only what has this; keys: {', '.join(GROUPS)}.",
)
@api_option
@json_option
def set_(
    tenant: str,
    budget_id: str,
    limit_usd: str,
    period: str,
    timezone: str,
    thresholds: tuple[int, ...],
    forecast: bool,
    scopes: tuple[str, ...],
    api: str | None,
    as_json: bool,
) -> None:
    """Set a budget of TENANT, and wait until it holds.

    \b
    Example:
      streams budget set t1 --id daily --limit-usd 40
      streams budget set t1 --id gpt --limit-usd 5 --period hour --scope model=gpt-4o
    """
    try:
        parse_usd(limit_usd)
        zone(timezone)
    except ValueError as error:
        raise Misuse(str(error)) from None
    data: dict[str, object] = {
        "budget_id": budget_id,
        "limit_usd": limit_usd,
        "period": period,
        "timezone": timezone,
        "thresholds": sorted(set(thresholds)) or [50, 80, 100],
        "forecast": forecast,
        "scope": dict(_scope(text) for text in scopes),
    }
    send_command(tenant, "budget.set", data, budget_id, api, as_json)


@budget.command(name="delete")
@tenant_argument
@click.argument("budget_id", metavar="ID")
@api_option
@json_option
def delete(tenant: str, budget_id: str, api: str | None, as_json: bool) -> None:
    """Delete the budget ID of TENANT, and wait until it is gone.

    \b
    Example:
      streams budget delete t1 daily
    """
    send_command(tenant, "budget.delete", {"budget_id": budget_id}, budget_id, api, as_json)


budget.add_command(reserve)
budget.add_command(settle)


def _scope(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or key not in GROUPS:
        raise Misuse(f"--scope {text!r}: KEY=VALUE with a key of {', '.join(GROUPS)}")
    return key, value


def send_command(
    tenant: str, type_: str, data: dict[str, object], what: str, api: str | None, as_json: bool
) -> None:
    """Send a command, wait until it is done, and say what came of it.

    Parameters
    ----------
    what : str
        What it is about, for a person.
    """
    with Client(settings_for(api=api)) as client:
        body = client.command(tenant, type_, data)
    if as_json:
        print_body(body)
        return
    audit = msgspec.json.decode(body, type=Audit)
    error = f": {audit.error}" if audit.error else ""
    click.echo(f"{audit.action} {what}: {audit.outcome}{error}")


def _print_table(tenant: str, items: list[Item]) -> None:
    from streams.cli.tables import new_table, show  # noqa: PLC0415 - --json needs no rich

    table = new_table(f"budgets of {tenant}")
    for name in ("budget", "scope", "period", "until"):
        table.add_column(name)
    for name in ("spent USD", "held USD", "limit USD", "%", "forecast USD"):
        table.add_column(name, justify="right", no_wrap=True)
    for item in items:
        config = item.config
        spent, limit = read_usd(item.spent_usd), read_usd(config.limit_usd)
        scope = " ".join(f"{key}={value}" for key, value in sorted(config.scope.items()))
        table.add_row(
            config.budget_id,
            scope or "all",
            f"{config.period} {config.timezone}",
            (item.period_end or "").removesuffix(".000000Z"),
            usd(item.spent_usd),
            usd(item.held_usd),
            usd(config.limit_usd),
            f"{spent * 100 // limit}" if limit else "-",
            usd(item.forecast_usd) if item.forecast_usd is not None else "-",
            style="red" if spent > limit else None,
        )
    show(table)
