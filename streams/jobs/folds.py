"""Folds of what happens to runs, of declared jobs and datasets, and of the ticks that clean up."""

from itertools import islice

from streams.core.fold import Effect, Entry, View
from streams.core.log import Config, DatasetDeclared, JobDeclared, JobRun
from streams.core.time import DAY, HOUR, SECOND
from streams.jobs.lineage import add_facets, connect, connect_pending, disconnect
from streams.jobs.merge import begin, merged
from streams.jobs.rows import (
    CONFIG_KEY,
    DATASET,
    FINISHED,
    JOB,
    NO_CONFIG,
    OPEN,
    RUN,
    WORK_KEY,
    ChildRow,
    ExpiryRow,
    JobConfigRow,
    OrderRow,
    RunRow,
    WorkRow,
    child_key,
    expiry_key,
    order_key,
    pack,
    run_key,
)

ABANDONED = 30 * DAY
"""A run that never ends is removed so long after its last event: it would stay for ever."""
LOOK_EVERY = 60 * SECOND
AT_ONCE = 400
"""Rows that a tick removes, about."""
LOOK_AT = 80
"""Runs that a tick looks at."""


def fold_run(
    view: View, entry: Entry, body: JobRun, counted: bytes = b""
) -> tuple[RunRow | None, RunRow]:
    """Merge an event into its run.

    Parameters
    ----------
    counted : bytes
        What the run's row keeps if this is its first event.

    Returns
    -------
    before, now
        The run's row; None before its first event.
    """
    tenant, time = entry.record.tenant, entry.record.time
    owner = pack(body.run_id)
    key = run_key(tenant, owner)
    before = view.get(RunRow, key)
    if before is None:
        now = begin(body, time, entry.log_time, counted)
    else:
        now = merged(before, body, time, entry.log_time)
        if _places(tenant, before, owner) != _places(tenant, now, owner):
            _unplace(view, tenant, before, owner)
    view.put(key, now)
    if before is None or _places(tenant, before, owner) != _places(tenant, now, owner):
        _place(view, tenant, now, body.run_id, owner)
    add_facets(view, tenant, owner, RUN, body.run_facets, time)
    add_facets(view, tenant, owner, JOB, body.job_facets, time)
    if view.get(WorkRow, WORK_KEY) is None:
        view.put(WORK_KEY, WorkRow(entry.log_time + LOOK_EVERY))
    connect(view, entry, owner, body.inputs, body.outputs)
    return before, now


def fold_job(view: View, entry: Entry, body: JobDeclared) -> list[Effect]:
    """Keep a declared job's facets and edges."""
    tenant, time = entry.record.tenant, entry.record.time
    owner = pack((body.namespace, body.name))
    add_facets(view, tenant, owner, JOB, body.facets, time)
    connect(view, entry, owner, body.inputs, body.outputs)
    return []


def fold_dataset(view: View, entry: Entry, body: DatasetDeclared) -> list[Effect]:
    """Keep a declared dataset's facets."""
    dataset = body.dataset
    owner = pack((dataset.namespace, dataset.name))
    add_facets(view, entry.record.tenant, owner, DATASET, dataset.facets, entry.record.time)
    return []


def fold_config(view: View, entry: Entry, body: Config) -> list[Effect]:
    """Keep the settings that change results."""
    view.put(CONFIG_KEY, JobConfigRow(body.job_history_hours, body.job_stale_seconds))
    return []


def work(view: View, log_time: int) -> None:
    """Go on with what was too much for one record, and remove old runs: a tick's part of it."""
    row = view.get(WorkRow, WORK_KEY)
    if row is None or log_time < row.due:
        return
    more = connect_pending(view) or _remove_old(view, log_time)
    view.put(WORK_KEY, WorkRow(log_time if more else log_time + LOOK_EVERY))


def kept_since(config: JobConfigRow, log_time: int, *, finished: bool) -> int:
    """Log time at or below which a run's last event lies when the run is not kept any more."""
    return log_time - (config.history if finished else max(config.history, ABANDONED))


def _remove_old(view: View, log_time: int) -> bool:
    """Remove the oldest runs that are due; whether there may be more."""
    config = view.get(JobConfigRow, CONFIG_KEY) or NO_CONFIG
    left = AT_ONCE
    for code in (FINISHED, OPEN):
        since = kept_since(config, log_time, finished=code == FINISHED)
        oldest = list(islice(view.scan(ExpiryRow, ExpiryRow.kind + code), LOOK_AT))
        for _, row in oldest:
            if row.hour > since:
                break
            owner = pack(row.run_id)
            left -= disconnect(view, row.tenant, owner, left)
            if left <= 0:
                return True
            run = view.get(RunRow, run_key(row.tenant, owner))
            if run is not None:
                _unplace(view, row.tenant, run, owner)
                view.delete(run_key(row.tenant, owner))
            left -= 5
            if left <= 0:
                return True
        else:
            if len(oldest) == LOOK_AT:
                return True
    return False


def _places(tenant: str, row: RunRow, owner: bytes) -> tuple[bytes, ...]:
    """Keys under which a run can be found, besides its own."""
    code = OPEN if row.end is None else FINISHED
    places = (order_key(tenant, row.first, owner), expiry_key(tenant, code, _hour(row), owner))
    parent = row.fields.get("parent_run_id")
    if parent is None or not isinstance(parent[1], str):
        return places
    return (*places, child_key(tenant, parent[1], owner))


def _hour(row: RunRow) -> int:
    """End of the hour of a run's last event: its place changes at most once an hour."""
    return (row.seen // HOUR + 1) * HOUR


def _place(view: View, tenant: str, row: RunRow, run_id: str, owner: bytes) -> None:
    order, expiry, *parent = _places(tenant, row, owner)
    view.put(order, OrderRow(run_id))
    view.put(expiry, ExpiryRow(_hour(row), tenant, run_id))
    for key in parent:
        view.put(key, ChildRow(run_id))


def _unplace(view: View, tenant: str, row: RunRow, owner: bytes) -> None:
    for key in _places(tenant, row, owner):
        view.delete(key)
