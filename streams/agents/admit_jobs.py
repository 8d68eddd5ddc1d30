"""Admit on job.events: job.run, and OpenLineage events without CloudEvents marks."""

import re
from collections.abc import Mapping

from streams.agents.calls import priced_call
from streams.core import envelope, log, openlineage
from streams.core.errors import Refused
from streams.core.job_events import DatasetName, JobRun
from streams.core.log import Dataset, Origin, Record
from streams.core.tenant import agreed_tenant
from streams.ports import PriceBook

_FOREIGN = re.compile(r"[^A-Za-z0-9._-]")


def job_run(data: JobRun, time: int, book: PriceBook) -> log.JobRun:
    """Body of a job.run."""
    return log.JobRun(
        run_id=data.run_id,
        namespace=data.job.namespace,
        name=data.job.name,
        state=data.state,
        kind=data.kind,
        cluster=data.cluster,
        node=data.node,
        parent_run_id=data.parent_run_id,
        message=data.message,
        context_tags=None if data.context_tags is None else tuple(data.context_tags),
        cost_attribution=data.cost_attribution,
        call=priced_call(data, time, book),
        inputs=_datasets(data.inputs),
        outputs=_datasets(data.outputs),
    )


def _datasets(named: list[DatasetName] | None) -> tuple[Dataset, ...]:
    return tuple(Dataset(dataset.namespace, dataset.name) for dataset in named or ())


def admit_openlineage(
    event: openlineage.Event,
    headers: Mapping[str, bytes],
    origin: Origin,
    *,
    timestamp: int,
    received: int,
    namespace_tenants: Mapping[str, str],
) -> Record:
    """Make the record of an OpenLineage event.

    Raises
    ------
    Refused
        With the tenant once it is known.
    """
    tenant = openlineage_tenant(event, headers, namespace_tenants)
    text = event["eventTime"] if isinstance(event["eventTime"], str) else ""
    try:
        time = envelope.event_time(text, timestamp, received)
        body = openlineage.body(event)
        source, event_id = openlineage.identity(event)
    except Refused as refused:
        refused.tenant = tenant
        raise
    return Record(log.VERSION, tenant, origin, source, event_id, time, body)


def openlineage_tenant(
    event: openlineage.Event, headers: Mapping[str, bytes], namespace_tenants: Mapping[str, str]
) -> str:
    """Whose an OpenLineage event is: ce_tenant's, else its namespace's.

    Raises
    ------
    Refused
        There is none, or it can be no tenant.
    """
    named = envelope.header_tenant(headers)
    if not named:
        namespace = openlineage.namespace(event)
        if namespace is not None:
            named = (namespace_tenants.get(namespace) or _FOREIGN.sub("_", namespace)[:128],)
    return agreed_tenant(named, None, None)
