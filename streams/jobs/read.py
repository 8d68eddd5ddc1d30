"""What the API shows of runs (body as CONTRACT.md section 5)."""

from typing import Any

from streams.core.fold import Reader
from streams.core.rows import sortable, tenant_key
from streams.core.time import format_time
from streams.jobs.folds import kept_since
from streams.jobs.merge import started, state_of
from streams.jobs.rows import (
    CONFIG_KEY,
    INPUT,
    NO_CONFIG,
    OUTPUT,
    EdgeRow,
    JobConfigRow,
    OrderRow,
    RunRow,
    dataset_of,
    edge_prefix,
    pack,
    run_key,
)

MAX_LOOKED_AT = 10_000
"""Runs that a page may look at to find those that are asked for; its cursor goes on from there."""
MAX_SHOWN = 1_000
"""Datasets of one side that an item shows."""


def runs(
    reader: Reader,
    tenant: str,
    *,
    limit: int,
    before: bytes | None = None,
    state: str | None = None,
    kind: str | None = None,
    since: int | None = None,
    log_time: int,
) -> tuple[list[dict[str, Any]], bytes | None]:
    """List a tenant's runs, those whose first event is latest first.

    Parameters
    ----------
    limit : int
        At most so many.
    before : bytes, optional
        Where an earlier page ended: its second value.
    state, kind : str, optional
        Only such runs.
    since : int, optional
        Only runs whose first event is not before this time, microseconds.
    log_time : int
        Decides what is stale and what is not kept any more.

    Returns
    -------
    items, next
        ``next`` is None at the end.
    """
    config = reader.get(JobConfigRow, CONFIG_KEY) or NO_CONFIG
    prefix = tenant_key(OrderRow, tenant)
    oldest = prefix if since is None else prefix + sortable(since)
    items: list[dict[str, Any]] = []
    last = None
    looked_at = 0
    for key, place in reader.scan(OrderRow, prefix, reverse=True, start=before):
        if key < oldest:
            break
        if key == before:
            continue
        if len(items) == limit or looked_at == MAX_LOOKED_AT:
            return items, last
        last = key
        looked_at += 1
        row = reader.get(RunRow, run_key(tenant, pack(place.run_id)))
        if (
            row is not None
            and row.seen > kept_since(config, log_time, finished=row.end is not None)
            and (state is None or state_of(row) == state)
            and (kind is None or _field(row, "kind", "other") == kind)
        ):
            items.append(_item(reader, tenant, place.run_id, row, config, log_time))
    return items, None


def _item(
    reader: Reader, tenant: str, run_id: str, row: RunRow, config: JobConfigRow, log_time: int
) -> dict[str, Any]:
    start = started(row)
    namespace, name = _field(row, "job", ("", ""))
    return {
        "run_id": run_id,
        "job": {"namespace": namespace, "name": name},
        "state": state_of(row),
        "kind": _field(row, "kind", "other"),
        "cluster": _field(row, "cluster", None),
        "node": _field(row, "node", None),
        "started_at": None if start is None else format_time(start),
        "ended_at": None if row.end is None else format_time(row.end[0]),
        "parent_run_id": _field(row, "parent_run_id", None),
        "inputs": _datasets(reader, tenant, run_id, INPUT),
        "outputs": _datasets(reader, tenant, run_id, OUTPUT),
        "message": _field(row, "message", None) or None,
        "stale": row.end is None and log_time - row.seen > config.stale,
    }


def _field(row: RunRow, name: str, default: Any) -> Any:
    found = row.fields.get(name)
    return default if found is None else found[1]


def _datasets(reader: Reader, tenant: str, run_id: str, side: bytes) -> list[dict[str, str]]:
    prefix = edge_prefix(tenant, pack(run_id), side)
    found: list[tuple[str, str]] = []
    for key, _ in reader.scan(EdgeRow, prefix):
        if len(found) == MAX_SHOWN:
            break
        found.append(dataset_of(key, prefix))
    return [{"namespace": namespace, "name": name} for namespace, name in sorted(found)]
