"""`streams hold`: keep what would go otherwise."""

import click

from streams.cli.budget import send_command
from streams.cli.client import api_option, json_option, tenant_argument
from streams.core.errors import Misuse


@click.group()
def hold() -> None:
    """Put a subject's memories, or single ones, on hold, and end that.

    \b
    Example:
      streams hold set t1 --subject customer-17
      streams hold release t1 --subject customer-17
    """


subject_option = click.option("--subject", help="All memories of this data subject.")
ids_option = click.option("--memory-id", "ids", multiple=True, help="This memory; repeatable.")


@hold.command(name="set")
@tenant_argument
@subject_option
@ids_option
@api_option
@json_option
def set_(
    tenant: str, subject: str | None, ids: tuple[str, ...], api: str | None, as_json: bool
) -> None:
    """Keep memories of TENANT: neither erase nor a ttl nor pressure removes them.

    \b
    Example:
      streams hold set t1 --memory-id gate-2026-11-22
    """
    data, what = about(subject, ids)
    send_command(tenant, "hold.set", data, what, api, as_json)


@hold.command(name="release")
@tenant_argument
@subject_option
@ids_option
@api_option
@json_option
def release(
    tenant: str, subject: str | None, ids: tuple[str, ...], api: str | None, as_json: bool
) -> None:
    """End a hold: what was erased, or came due, meanwhile goes now.

    \b
    Example:
      streams hold release t1 --subject customer-17
    """
    data, what = about(subject, ids)
    send_command(tenant, "hold.release", data, what, api, as_json)


def about(subject: str | None, ids: tuple[str, ...]) -> tuple[dict[str, object], str]:
    """Data that names a subject or memories, and how a person says it."""
    if (subject is None) == (not ids):
        raise Misuse("either --subject or --memory-id is needed, and not both")
    if subject is not None:
        return {"subject": subject}, f"of {subject}"
    return {"memory_ids": list(ids)}, f"of {', '.join(ids)}"
