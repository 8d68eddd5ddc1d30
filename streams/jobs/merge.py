"""Merging what events say: each rule gives the same whatever the order, and repeating is no change.

A value, a facet: the latest by event time, ties by content bytes. A run's end: the first by event
time, and of two at once the graver; else its latest state, and of two at once the one further on.
"""

from streams.core.log import JobRun
from streams.jobs.rows import Facets, RunRow, Stamped, Value, pack

GOING = ("START", "OTHER", "RUNNING")
ENDS = ("FAIL", "ABORT", "COMPLETE")
MAX_FACETS = 1 << 20
"""Bytes of the facets of one thing, as many as an event may have; those beyond, by name, go."""


def begin(body: JobRun, time: int, log_time: int, counted: bytes = b"") -> RunRow:
    """Make the row of a run from its first event."""
    nothing = RunRow(time, log_time, None, None, None, None, {}, counted)
    return merged(nothing, body, time, log_time)


def merged(row: RunRow, body: JobRun, time: int, log_time: int) -> RunRow:
    """Merge one more event into a run."""
    begun, went_on, latest, end = row.begun, row.went_on, row.latest, row.end
    if body.state in ENDS:
        end = _least(end, (time, ENDS.index(body.state)))
    elif body.state is not None:
        state = (time, GOING.index(body.state))
        latest = state if latest is None else max(latest, state)
        if body.state == "START":
            begun = time if begun is None else min(begun, time)
        else:
            went_on = time if went_on is None else min(went_on, time)
    return RunRow(
        min(row.first, time),
        max(row.seen, log_time),
        begun,
        went_on,
        latest,
        end,
        _merged_fields(row.fields, _said(body), time),
        row.counted,
    )


def state_of(row: RunRow) -> str:
    """State of a run; one whose events never said any is OTHER."""
    if row.end is not None:
        return ENDS[row.end[1]]
    return "OTHER" if row.latest is None else GOING[row.latest[1]]


def started(row: RunRow) -> int | None:
    """When a run started: at its START, else at the first event that was no end."""
    return row.went_on if row.begun is None else row.begun


def ran(row: RunRow) -> int:
    """Microseconds from a run's start to its end; zero while either is not known."""
    start = started(row)
    return 0 if start is None or row.end is None else max(row.end[0] - start, 0)


def merged_facets(facets: Facets, more: dict[str, bytes], time: int) -> Facets:
    """Merge an event's facets; the same object when nothing is new."""
    newer = {
        name: (time, content)
        for name, content in more.items()
        if (old := facets.get(name)) is None or (time, content) > old
    }
    if not newer:
        return facets
    found = facets | newer
    kept: Facets = {}
    size = 0
    for name in sorted(found):
        size += len(name) + len(found[name][1])
        if size > MAX_FACETS:
            break
        kept[name] = found[name]
    return kept


def _least(one: tuple[int, int] | None, other: tuple[int, int]) -> tuple[int, int]:
    return other if one is None else min(one, other)


def _said(body: JobRun) -> dict[str, Value | None]:
    return {
        "cluster": body.cluster,
        "context_tags": body.context_tags,
        "cost_attribution": body.cost_attribution,
        "job": (body.namespace, body.name),
        "kind": body.kind,
        "message": body.message,
        "node": body.node,
        "parent_run_id": body.parent_run_id,
    }


def _merged_fields(
    fields: dict[str, Stamped], said: dict[str, Value | None], time: int
) -> dict[str, Stamped]:
    found = dict(fields)
    for name, value in said.items():
        old = found.get(name)
        if value is not None and (old is None or (time, pack(value)) > (old[0], pack(old[1]))):
            found[name] = (time, value)
    return {name: found[name] for name in sorted(found)}
