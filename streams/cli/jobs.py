"""`streams jobs`: a tenant's runs of data jobs."""

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

STATES = ("START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER")
KINDS = ("batch", "stream", "training", "other")


class Named(msgspec.Struct, frozen=True):
    """A job or dataset."""

    namespace: str
    name: str


class Run(msgspec.Struct, frozen=True):
    """A run, as far as the table shows it."""

    run_id: str
    job: Named
    state: str
    kind: str
    cluster: str | None
    started_at: str | None
    ended_at: str | None
    parent_run_id: str | None
    inputs: list[Named]
    outputs: list[Named]
    stale: bool


class Runs(msgspec.Struct, frozen=True):
    """Body of GET /v1/tenants/{t}/jobs."""

    items: list[Run]
    next: str | None
    as_of: str


@click.command()
@tenant_argument
@click.option("--state", type=click.Choice(STATES), help="Only runs in this state.")
@click.option("--kind", type=click.Choice(KINDS), help="Only runs of this kind.")
@click.option("--since", metavar="TIME", help="Only runs that began at or after it, RFC 3339.")
@click.option(
    "--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="At most so many."
)
@api_option
@data_option
@json_option
def jobs(
    tenant: str,
    state: str | None,
    kind: str | None,
    since: str | None,
    limit: int,
    api: str | None,
    folder: Path | None,
    as_json: bool,
) -> None:
    """Show the runs of TENANT's data jobs, newest first.

    \b
    Example:
      streams jobs t1
      streams jobs t1 --state FAIL --since 2026-11-22T00:00:00Z
    """
    with reader(api, folder) as client:
        body = client.get(
            *("v1", "tenants", tenant, "jobs"), state=state, kind=kind, since=since, limit=limit
        )
    if as_json:
        print_body(body)
    else:
        _print_table(tenant, msgspec.json.decode(body, type=Runs))


def _print_table(tenant: str, runs: Runs) -> None:
    from streams.cli.tables import new_table, show  # noqa: PLC0415 - --json needs no rich

    table = new_table(f"runs of {tenant}")
    for name in ("job", "run", "state", "kind", "cluster", "started", "ended", "parent"):
        table.add_column(name)
    for name in ("in", "out"):
        table.add_column(name, justify="right", no_wrap=True)
    for run in runs.items:
        table.add_row(
            f"{run.job.namespace}/{run.job.name}",
            run.run_id,
            f"{run.state} (stale)" if run.stale else run.state,
            run.kind,
            run.cluster or "-",
            _moment(run.started_at),
            _moment(run.ended_at),
            run.parent_run_id or "-",
            str(len(run.inputs)),
            str(len(run.outputs)),
        )
    more = "; there are more: raise --limit or narrow the list" if runs.next else ""
    show(table, f"as of {runs.as_of}{more}")


def _moment(time: str | None) -> str:
    return "-" if time is None else time.partition(".")[0]
