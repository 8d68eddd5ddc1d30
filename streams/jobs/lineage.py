"""Edges between runs or jobs and datasets, and facets: rows of their own, removed with the run."""

from collections.abc import Iterable
from itertools import islice

from streams.core.fold import Entry, View
from streams.core.log import Dataset
from streams.core.rows import sortable
from streams.jobs.merge import merged_facets
from streams.jobs.rows import (
    INPUT,
    JOB,
    OUTPUT,
    RUN,
    WORK_KEY,
    Edge,
    EdgeRow,
    FacetsRow,
    PendingRow,
    RunRow,
    UseRow,
    WorkRow,
    edge_prefix,
    facets_key,
    is_job,
    pack,
    run_key,
    use_prefix,
)

AT_ONCE = 250
"""Datasets that one record connects: two rows each, and a record may change a thousand."""


def add_facets(
    view: View, tenant: str, owner: bytes, code: bytes, facets: dict[str, bytes], time: int
) -> None:
    """Merge facets into those of a run, job or dataset."""
    key = facets_key(tenant, owner, code)
    row = view.get(FacetsRow, key)
    before = {} if row is None else row.facets
    found = merged_facets(before, facets, time)
    if found is not before:
        view.put(key, FacetsRow(found))


def connect(
    view: View,
    entry: Entry,
    owner: bytes,
    inputs: tuple[Dataset, ...],
    outputs: tuple[Dataset, ...],
) -> None:
    """Connect a run or job with its datasets; what is too much for one record waits for ticks."""
    tenant, time = entry.record.tenant, entry.record.time
    if not inputs and not outputs:
        return
    edges: list[Edge] = [
        (side, dataset.namespace, dataset.name, dataset.facets)
        for side, datasets in ((INPUT, inputs), (OUTPUT, outputs))
        for dataset in datasets
    ]
    _connect(view, tenant, owner, edges[:AT_ONCE], time)
    for first in range(AT_ONCE, len(edges), AT_ONCE):
        place = sortable(entry.log_time) + sortable(entry.offset) + sortable(first)
        waiting = PendingRow(tenant, owner, time, tuple(edges[first : first + AT_ONCE]))
        view.put(PendingRow.kind + place, waiting)
    if len(edges) > AT_ONCE:
        view.put(WORK_KEY, WorkRow(entry.log_time))


def connect_pending(view: View) -> bool:
    """Connect the oldest of what waits; False when nothing does."""
    found = next(view.scan(PendingRow, PendingRow.kind), None)
    if found is None:
        return False
    key, row = found
    view.delete(key)
    # A run may have been removed meanwhile.
    if is_job(row.owner) or view.get(RunRow, run_key(row.tenant, row.owner)) is not None:
        _connect(view, row.tenant, row.owner, row.edges, row.time)
    return True


def disconnect(view: View, tenant: str, owner: bytes, at_most: int) -> int:
    """Remove edges and facets of a run; how many rows, less than ``at_most`` when all are gone."""
    removed = 0
    for side in (INPUT, OUTPUT):
        prefix = edge_prefix(tenant, owner, side)
        keys = [key for key, _ in islice(view.scan(EdgeRow, prefix), (at_most - removed + 1) // 2)]
        for key in keys:
            dataset = key[len(prefix) :]
            view.delete(key)
            view.delete(use_prefix(tenant, dataset, side) + owner)
        removed += 2 * len(keys)
        if removed >= at_most:
            return removed
    for code in (RUN, JOB):
        view.delete(facets_key(tenant, owner, code))
    return removed


def _connect(view: View, tenant: str, owner: bytes, edges: Iterable[Edge], time: int) -> None:
    for side, namespace, name, facets in edges:
        dataset = pack((namespace, name))
        key = edge_prefix(tenant, owner, side) + dataset
        row = view.get(EdgeRow, key)
        if row is None:
            view.put(use_prefix(tenant, dataset, side) + owner, UseRow())
        before = {} if row is None else row.facets
        found = merged_facets(before, facets, time)
        if row is None or found is not before:
            view.put(key, EdgeRow(found))
