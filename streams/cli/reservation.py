"""`streams budget reserve` and `settle`."""

import click
import msgspec

from streams.cli.client import (
    Client,
    api_option,
    json_option,
    print_body,
    settings_for,
    tenant_argument,
)
from streams.cli.usage import usd
from streams.core.errors import Failed, Misuse
from streams.core.money import parse_usd


class Reserved(msgspec.Struct, frozen=True):
    """Body of POST /v1/tenants/{t}/budget/reserve and settle."""

    reservation_id: str
    granted: bool
    left_usd: str
    amount_usd: str = "0"


@click.command()
@tenant_argument
@click.argument("budget_id", metavar="ID")
@click.argument("amount", metavar="USD")
@click.option(
    "--ttl",
    type=click.IntRange(1, 86_400),
    default=60,
    show_default=True,
    metavar="SECONDS",
    help="It comes back after so long.",
)
@click.option("--id", "name", help="Name of the reservation.  [default: one is made]")
@api_option
@json_option
def reserve(
    tenant: str,
    budget_id: str,
    amount: str,
    ttl: int,
    name: str | None,
    api: str | None,
    as_json: bool,
) -> None:
    """Hold USD of the budget ID of TENANT before they are spent; exit code 1 if it is refused.

    \b
    Example:
      streams budget reserve t1 daily 0.75
      streams budget reserve t1 daily 0.75 --ttl 600 --id call-17
    """
    data: dict[str, object] = {"budget_id": budget_id, "amount_usd": _usd(amount)}
    data |= {"ttl_seconds": ttl} | ({} if name is None else {"id": name})
    body, found = _reserved(tenant, "reserve", data, api)
    if as_json:
        print_body(body)
    elif found.granted:
        left = usd(found.left_usd)
        click.echo(f"{found.reservation_id}: granted, {left} USD left of {budget_id}")
    if not found.granted:
        raise Failed(f"refused: {usd(found.left_usd)} USD are left of {budget_id}")


@click.command()
@tenant_argument
@click.argument("reservation_id", metavar="RESERVATION")
@click.argument("amount", metavar="USD")
@api_option
@json_option
def settle(tenant: str, reservation_id: str, amount: str, api: str | None, as_json: bool) -> None:
    """End RESERVATION of TENANT with the USD that were really spent.

    \b
    Example:
      streams budget settle t1 call-17 0.4
    """
    data: dict[str, object] = {"reservation_id": reservation_id, "amount_usd": _usd(amount)}
    body, found = _reserved(tenant, "settle", data, api)
    if as_json:
        print_body(body)
        return
    spent, left = usd(found.amount_usd), usd(found.left_usd)
    click.echo(f"{reservation_id}: settled with {spent} USD, {left} USD left")


def _reserved(
    tenant: str, what: str, data: dict[str, object], api: str | None
) -> tuple[bytes, Reserved]:
    with Client(settings_for(api=api)) as client:
        body = client.post("v1", "tenants", tenant, "budget", what, body=data)
    return body, msgspec.json.decode(body, type=Reserved)


def _usd(text: str) -> str:
    try:
        parse_usd(text)
    except ValueError as error:
        raise Misuse(f"USD {text!r}: {error}") from None
    return text
