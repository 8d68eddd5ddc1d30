"""`streams usage`: what a tenant used, by period."""

import sys
from pathlib import Path

import click
import msgspec

from streams.cli.client import (
    api_option,
    data_option,
    json_option,
    print_body,
    reader,
    tenant_argument,
)
from streams.cli.focus import write_focus
from streams.core.errors import Misuse

PERIODS = ("hour", "day", "week", "month")
GROUPS = ("provider", "model", "agent", "cost_attribution", "job", "cluster")


class Sums(msgspec.Struct, frozen=True):
    """The sums of a bucket that the table shows."""

    calls: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_creation_tokens: int
    cost_usd: str
    unpriced_calls: int
    late_events: int
    start: str = ""
    group: str | dict[str, str] | None = None


class Report(msgspec.Struct, frozen=True):
    """Body of GET /v1/tenants/{t}/usage, as far as the table shows it."""

    tenant: str
    timezone: str
    period: str
    buckets: list[Sums]
    total: Sums
    as_of: str


@click.command()
@tenant_argument
@click.option("--period", type=click.Choice(PERIODS), default="day", show_default=True)
@click.option("--group-by", type=click.Choice(GROUPS), help="One line for each value of this.")
@click.option("--from", "start", metavar="TIME", help="First moment, RFC 3339.")
@click.option("--to", "end", metavar="TIME", help="Moment at which to end, RFC 3339.")
@click.option(
    "--format",
    "form",
    type=click.Choice(("table", "focus")),
    default="table",
    show_default=True,
    help="focus: CSV with the columns of FOCUS 1.2, a line for each model unless --group-by.",
)
@api_option
@data_option
@json_option
def usage(
    tenant: str,
    period: str,
    group_by: str | None,
    start: str | None,
    end: str | None,
    form: str,
    api: str | None,
    folder: Path | None,
    as_json: bool,
) -> None:
    """Show what TENANT used: calls, tokens and cost by period.

    \b
    Example:
      streams usage t1
      streams usage t1 --period hour --group-by model --from 2026-11-01T00:00:00Z
      streams usage t1 --format focus > usage.csv
      streams usage t1 --data was
    """
    if form == "focus" and as_json:
        raise Misuse("--format focus is CSV: leave --json out")
    if form == "focus" and group_by is None:
        group_by = "model"
    with reader(api, folder) as client:
        body = client.get(
            *("v1", "tenants", tenant, "usage"),
            **{"period": period, "group_by": group_by, "from": start, "to": end},
        )
    if as_json:
        print_body(body)
    elif form == "focus":
        write_focus(body, sys.stdout)
    else:
        _print_table(msgspec.json.decode(body, type=Report), group_by)


def _print_table(report: Report, group_by: str | None) -> None:
    # --json needs no rich.
    from streams.cli.spend_chart import spend_chart  # noqa: PLC0415
    from streams.cli.tables import new_table, show  # noqa: PLC0415

    table = new_table(f"usage of {report.tenant} by {report.period} ({report.timezone})")
    table.add_column("from")
    if group_by:
        table.add_column(group_by)
    for name in ("calls", "input", "output", "cached", "unpriced", "late", "USD"):
        table.add_column(name, justify="right", no_wrap=True)
    for bucket in report.buckets:
        group = [group_name(bucket.group)] if group_by else []
        table.add_row(bucket.start.removesuffix(".000000Z"), *group, *_figures(bucket))
    table.add_section()
    table.add_row("total", *([""] if group_by else []), *_figures(report.total), style="bold")
    chart = spend_chart((bucket.start, bucket.cost_usd) for bucket in report.buckets)
    show(table, f"as of {report.as_of}", chart)


def group_name(group: str | dict[str, str] | None) -> str:
    """Value that a bucket is grouped by; a missing one is shown as a dash."""
    value = next(iter(group.values()), "") if isinstance(group, dict) else group
    return value or "-"


def _figures(sums: Sums) -> tuple[str, ...]:
    cached = sums.cache_read_tokens + sums.cache_creation_tokens
    counts = (sums.calls, sums.input_tokens, sums.output_tokens, cached)
    more = (sums.unpriced_calls, sums.late_events)
    return (*(f"{n:,}" for n in counts), *(f"{n:,}" if n else "" for n in more), usd(sums.cost_usd))


def usd(amount: str) -> str:
    """Amount with at least two digits, so that a column lines up where it matters.

    Examples
    --------
    >>> usd("40"), usd("0.0123"), usd("1234.5")
    ('40.00', '0.0123', '1,234.50')
    """
    whole, _, part = amount.partition(".")
    sign = "-" if whole == "-0" else ""
    return f"{sign}{int(whole):,}.{part.ljust(2, '0')}"
