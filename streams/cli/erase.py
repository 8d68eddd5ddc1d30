"""`streams erase`: memories go for good."""

import click

from streams.cli.budget import send_command
from streams.cli.client import api_option, json_option, tenant_argument
from streams.cli.hold import about, ids_option, subject_option
from streams.core.errors import Misuse


@click.command()
@tenant_argument
@subject_option
@ids_option
@click.option("--all", "everything", is_flag=True, help="All that the tenant has stored.")
@click.option("--reason", required=True, help="Why: the audit keeps it.")
@api_option
@json_option
def erase(
    tenant: str,
    subject: str | None,
    ids: tuple[str, ...],
    everything: bool,
    reason: str,
    api: str | None,
    as_json: bool,
) -> None:
    """Erase memories of TENANT, and wait until they are gone; late copies stay erased.

    \b
    Example:
      streams erase t1 --subject customer-17 --reason "request 4711"
    """
    if everything and (subject is not None or ids):
        raise Misuse("--all is of everything: neither --subject nor --memory-id goes with it")
    data, what = ({"all": True}, f"of all of {tenant}") if everything else about(subject, ids)
    send_command(tenant, "memory.erase", {**data, "reason": reason}, what, api, as_json)
