"""`streams erase`: memories go for good; receipts say how far it has come, a look proves it."""

from pathlib import Path
from typing import Any

import click
import msgspec

from streams.cli.budget import send_command
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
from streams.cli.hold import about, ids_option, subject_option
from streams.core.errors import Failed, Misuse

VERIFY_SECONDS = 660.0


class Place(msgspec.Struct, frozen=True):
    """How far an erasure has come in one place."""

    place: str
    by: str | None
    done: str | None


class Receipt(msgspec.Struct, frozen=True):
    """An item of GET /v1/tenants/{t}/erasures."""

    at: str
    reason: str
    memory_ids: list[str]
    subject: str | None
    subject_hash: str | None
    erased: int
    state: int
    runs: int
    deferred: int
    rows_removed: str | None
    places: list[Place]
    completed: str | None


class Receipts(msgspec.Struct, frozen=True):
    """Body of GET /v1/tenants/{t}/erasures."""

    items: list[Receipt]


class Look(msgspec.Struct, frozen=True):
    """An item of POST /v1/tenants/{t}/erasures/verify."""

    place: str
    looked: int
    found: int
    where: list[str]
    error: str | None


class Looks(msgspec.Struct, frozen=True):
    """Body of POST /v1/tenants/{t}/erasures/verify."""

    items: list[Look]


@click.command()
@tenant_argument
@subject_option
@ids_option
@click.option("--all", "everything", is_flag=True, help="All that the tenant has stored.")
@click.option("--reason", help="Why: the audit keeps it.")
@click.option("--receipts", "show", is_flag=True, help="Show how far erasures have come instead.")
@click.option("--verify", is_flag=True, help="Look for what was erased in every place instead.")
@click.option(
    "--text", "texts", multiple=True, help="With --verify: a text to look for too; repeatable."
)
@api_option
@data_option
@json_option
def erase(
    tenant: str,
    subject: str | None,
    ids: tuple[str, ...],
    everything: bool,
    reason: str | None,
    show: bool,
    verify: bool,
    texts: tuple[str, ...],
    api: str | None,
    folder: Path | None,
    as_json: bool,
) -> None:
    """Erase memories of TENANT, and wait until they are gone; late copies stay erased.

    With --receipts it shows, for each erasure, since when nothing is left in a place, or by when.
    With --verify it reads database files, snapshots, archive and topics for what was erased, and
    ends with 1 if something is left.

    \b
    Example:
      streams erase t1 --subject customer-17 --reason "request 4711"
      streams erase t1 --receipts
      streams erase t1 --verify --text "what nobody may read any more"
    """
    what = bool(subject is not None or ids or everything)
    if show + verify + what > 1:
        raise Misuse("say what to erase, or --receipts, or --verify")
    if texts and not verify:
        raise Misuse("--text goes with --verify")
    if folder is not None and not show:
        raise Misuse("--data goes with --receipts: all else asks the running system")
    if show:
        with reader(api, folder) as client:
            body = client.get("v1", "tenants", tenant, "erasures", limit=500)
        print_body(body) if as_json else _print_receipts(tenant, body)
    elif verify:
        _verify(tenant, texts, api, as_json)
    else:
        _erase(tenant, subject, ids, everything, reason, api, as_json)


def _erase(
    tenant: str,
    subject: str | None,
    ids: tuple[str, ...],
    everything: bool,
    reason: str | None,
    api: str | None,
    as_json: bool,
) -> None:
    if everything and (subject is not None or ids):
        raise Misuse("--all is of everything: neither --subject nor --memory-id goes with it")
    whose: tuple[dict[str, Any], str] = ({"all": True}, f"of all of {tenant}")
    data, what = whose if everything else about(subject, ids)
    if reason is None:
        raise Misuse("--reason says why: the audit keeps it")
    send_command(tenant, "memory.erase", {**data, "reason": reason}, what, api, as_json)


def _verify(tenant: str, texts: tuple[str, ...], api: str | None, as_json: bool) -> None:
    with Client(settings_for(api=api), timeout=VERIFY_SECONDS) as client:
        path = ("v1", "tenants", tenant, "erasures", "verify")
        body = client.post(*path, body={"texts": list(texts)})
    found = msgspec.json.decode(body, type=Looks).items
    if as_json:
        print_body(body)
    else:
        _print_looks(tenant, found)
    unread = [look for look in found if look.error]
    left = [look.place for look in found if look.found]
    if left:
        raise Failed(f"something is left in {', '.join(left)}; --receipts says until when")
    if unread:
        raise Failed(f"{unread[0].place} can't be read: {unread[0].error}")


def _print_looks(tenant: str, found: list[Look]) -> None:
    from streams.cli.tables import new_table, show  # noqa: PLC0415 - --json needs no rich

    table = new_table(f"what is left of what {tenant} has erased")
    table.add_column("place", no_wrap=True)
    for name in ("looked at", "found"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("where")
    for look in found:
        where = look.error or (look.where[0] if look.where else "")
        table.add_row(look.place, f"{look.looked:,}", f"{look.found:,}", where)
    show(table, None)


def _print_receipts(tenant: str, body: bytes) -> None:
    from streams.cli.tables import new_table, show  # noqa: PLC0415 - --json needs no rich

    items = msgspec.json.decode(body, type=Receipts).items
    if not items:
        click.echo(f"nothing was ever erased of {tenant}")
    for receipt in items:
        counts = f"{receipt.erased} memories, {receipt.state} keys of state, {receipt.runs} runs"
        click.echo(f"{_short(receipt.at)}  {_whom(receipt)}: {counts}  ({receipt.reason})")
        table = new_table()
        for name in ("place", "nothing left since", "the rest goes by"):
            table.add_column(name, no_wrap=True)
        table.add_row("rows", _short(receipt.rows_removed), _held(receipt))
        for place in receipt.places:
            by = "" if place.done else _short(place.by)
            table.add_row(place.place, _short(place.done), by)
        done = f"complete since {_short(receipt.completed)}" if receipt.completed else None
        show(table, done)


def _whom(receipt: Receipt) -> str:
    if receipt.memory_ids:
        return ", ".join(receipt.memory_ids[:3]) + (", ..." if len(receipt.memory_ids) > 3 else "")
    if receipt.subject_hash:
        return receipt.subject or f"subject {receipt.subject_hash[:8]}..."
    return "all"


def _held(receipt: Receipt) -> str:
    return f"{receipt.deferred} on hold" if receipt.deferred else ""


def _short(time: str | None) -> str:
    return "-" if time is None else time.removesuffix(".000000Z").partition(".")[0]
