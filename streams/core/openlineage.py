"""OpenLineage events as they are, of any 1-x and 2-x schema: what is needed of them, facets whole.

Which of the three an event is, the last part of its ``schemaURL`` says; where that names none, what
is in it: a run, a dataset, or a job. Formats are not enforced; an unknown eventType is OTHER.
"""

from collections.abc import Iterable
from hashlib import sha256
from typing import Any

import msgspec

from streams.core import envelope
from streams.core.errors import Refused
from streams.core.job_events import MAX_RUN_ID, LineageName, RunId
from streams.core.log import Dataset, DatasetDeclared, JobDeclared, JobRun

STATES = ("START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER")
_KINDS = {"BATCH": "batch", "STREAMING": "stream"}

Facets = dict[str, Any] | None


class _Dataset(msgspec.Struct, frozen=True):
    namespace: LineageName
    name: LineageName
    facets: Facets = None
    inputFacets: Facets = None  # noqa: N815 - OpenLineage's name
    outputFacets: Facets = None  # noqa: N815


class _Job(msgspec.Struct, frozen=True):
    namespace: LineageName
    name: LineageName
    facets: Facets = None


class _Run(msgspec.Struct, frozen=True):
    runId: RunId  # noqa: N815
    facets: Facets = None


class _RunEvent(msgspec.Struct, frozen=True):
    run: _Run
    job: _Job
    eventType: Any = None  # noqa: N815
    inputs: list[_Dataset] | None = None
    outputs: list[_Dataset] | None = None


class _JobEvent(msgspec.Struct, frozen=True):
    job: _Job
    inputs: list[_Dataset] | None = None
    outputs: list[_Dataset] | None = None


class _DatasetEvent(msgspec.Struct, frozen=True):
    dataset: _Dataset


Event = dict[str, Any]


def find(value: bytes) -> Event | None:
    """Read an OpenLineage event; None when the value is none."""
    try:
        envelope.check_utf8(value)
        found = envelope.check_json(value)
    except Refused:
        return None
    if isinstance(found, dict) and "eventTime" in found and "schemaURL" in found:
        return found
    return None


def namespace(event: Event) -> str | None:
    """Namespace of the job; a DatasetEvent has none: that of its dataset stands for it."""
    part = event.get("job") or event.get("dataset")
    found = part.get("namespace") if isinstance(part, dict) else None
    return found if isinstance(found, str) and found else None


def identity(event: Event) -> tuple[str, str]:
    """Source and id: the producer, and the SHA-256 of the event's canonical JSON.

    Raises
    ------
    Refused
        ``schema``: there is no proper producer.
    """
    source = envelope.identifier("producer", event.get("producer"))
    return source, sha256(_canonical(event)).hexdigest()


def body(event: Event) -> JobRun | JobDeclared | DatasetDeclared:
    """Take an event apart.

    Raises
    ------
    Refused
        ``schema``: what it is about is not named.
    """
    try:
        kind = _kind(event)
        if kind is _RunEvent:
            return _of_run(msgspec.convert(event, _RunEvent))
        if kind is _DatasetEvent:
            found = msgspec.convert(event, _DatasetEvent)
            return DatasetDeclared(_dataset(found.dataset))
        declared = msgspec.convert(event, _JobEvent)
    except msgspec.ValidationError as error:
        raise Refused("schema", str(error)) from None
    job = declared.job
    inputs, outputs = _datasets(declared.inputs), _datasets(declared.outputs)
    return JobDeclared(job.namespace, job.name, _facets(job.facets), inputs, outputs)


def _kind(event: Event) -> type[msgspec.Struct]:
    url = event["schemaURL"]
    said = url.rpartition("/")[2] if isinstance(url, str) else ""
    if said == "RunEvent" or (said not in _NAMED and "run" in event):
        return _RunEvent
    if said == "DatasetEvent" or (said not in _NAMED and "dataset" in event):
        return _DatasetEvent
    return _JobEvent


_NAMED = ("RunEvent", "JobEvent", "DatasetEvent")


def _of_run(event: _RunEvent) -> JobRun:
    run, job = event.run, event.job
    return JobRun(
        run_id=run.runId,
        namespace=job.namespace,
        name=job.name,
        state=_state(event.eventType),
        kind=_job_kind(job.facets or {}),
        parent_run_id=_parent(run.facets or {}),
        inputs=_datasets(event.inputs),
        outputs=_datasets(event.outputs),
        run_facets=_facets(run.facets),
        job_facets=_facets(job.facets),
    )


def _state(said: object) -> str | None:
    """An event without a type only brings facets."""
    if said is None:
        return None
    state = said.upper() if isinstance(said, str) else ""
    return state if state in STATES else "OTHER"


def _job_kind(facets: dict[str, Any]) -> str | None:
    facet = facets.get("jobType")
    if not isinstance(facet, dict):
        return None
    return _KINDS.get(str(facet.get("processingType")).upper(), "other")


def _parent(facets: dict[str, Any]) -> str | None:
    """The parent's run id; ``parentRun`` is what the facet was called before 1.0."""
    for name in ("parent", "parentRun"):
        facet = facets.get(name)
        run = facet.get("run") if isinstance(facet, dict) else None
        found = run.get("runId") if isinstance(run, dict) else None
        if isinstance(found, str) and 1 <= len(found) <= MAX_RUN_ID:
            return found
    return None


def _datasets(found: Iterable[_Dataset] | None) -> tuple[Dataset, ...]:
    return tuple(_dataset(dataset) for dataset in found or ())


def _dataset(found: _Dataset) -> Dataset:
    facets = _facets(found.facets)
    for side, more in (("inputFacets", found.inputFacets), ("outputFacets", found.outputFacets)):
        facets |= {f"{side}/{name}": facet for name, facet in _facets(more).items()}
    return Dataset(found.namespace, found.name, facets)


def _facets(found: Facets) -> dict[str, bytes]:
    return {name: _canonical(found[name]) for name in sorted(found or {})} if found else {}


def _canonical(value: object) -> bytes:
    """Compact JSON with sorted keys: equal values have equal bytes."""
    try:
        return msgspec.json.encode(value, order="deterministic")
    except RecursionError:
        raise Refused("not_json", "the event is nested too deep") from None
