"""From a record of an input topic to a record of the tenant's log, or a refusal with its code.

No clock and no I/O: the shell passes the receipt time and the price book in. The order in which a
record is checked is listed at the top of streams/core/envelope.py.
"""

from collections.abc import Mapping, Sequence

import msgspec

from streams.agents.admit_jobs import admit_openlineage, job_run
from streams.agents.calls import priced_call
from streams.core import envelope, events, log, openlineage
from streams.core.errors import Refused
from streams.core.forget_events import (
    HoldRelease,
    HoldSet,
    MemoryErase,
    RetentionSet,
)
from streams.core.inputs import COMMAND_TYPES
from streams.core.job_events import JobRun
from streams.core.log import Body, ControlBody, Origin, Record
from streams.core.memory_events import MemoryConsolidate, MemorySplit
from streams.core.meter_events import PriceSet, UsageAdjust
from streams.core.reservation_events import (
    BudgetReserve,
    BudgetSettle,
    reservation_id,
)
from streams.core.state_events import StateDelete, StateSet
from streams.core.state_value import compact
from streams.core.tenant import agreed_tenant
from streams.ports import PriceBook
from streams.topology import AGENT_MESSAGES, CONTEXT_REQUESTS, JOB_EVENTS, TENANT_COMMANDS

ACCEPTED: Mapping[str, Mapping[str, type[events.Data]]] = {
    JOB_EVENTS: {"job.run": JobRun},
    AGENT_MESSAGES: {"agent.message": events.AgentMessage},
    CONTEXT_REQUESTS: {},
    TENANT_COMMANDS: COMMAND_TYPES,
}
"""Which ce_type each input topic serves, and its data."""

ERROR_HEADER = "__streams.errors."
MAX_MESSAGE = 500


class Incoming(msgspec.Struct, frozen=True, gc=False):
    """A record of an input topic as it was read."""

    topic: str
    """Short name."""
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
    timestamp: int
    """Kafka timestamp, microseconds."""
    received: int
    """Wall clock at receipt, microseconds."""
    origin: Origin


def admit(
    incoming: Incoming, book: PriceBook, namespace_tenants: Mapping[str, str] | None = None
) -> Record:
    """Decode, validate, normalise and price one input record.

    Parameters
    ----------
    incoming : Incoming
        The record.
    book : PriceBook
        Prices calls for which no cost was reported.
    namespace_tenants : mapping, optional
        Tenant of an OpenLineage job namespace.

    Raises
    ------
    Refused
        With the DLQ's code, and with the tenant where it is known.
    """
    try:
        return _admit(incoming, book, namespace_tenants or {})
    except Refused as refused:
        if refused.tenant is None and refused.code not in _NO_TENANT:
            refused.tenant = _known_tenant(incoming)
        raise


_NO_TENANT = ("tenant_missing", "tenant_mismatch", "bad_tenant")


def _admit(incoming: Incoming, book: PriceBook, namespace_tenants: Mapping[str, str]) -> Record:
    value = envelope.check_size(incoming.value)
    headers = envelope.read_headers(incoming.headers)
    event = envelope.open_envelope(headers, value)
    if event is None:
        found = openlineage.find(value) if incoming.topic == JOB_EVENTS else None
        if found is None:
            raise Refused("not_cloudevent", "no ce_specversion and no structured CloudEvent")
        return admit_openlineage(
            found,
            headers,
            incoming.origin,
            timestamp=incoming.timestamp,
            received=incoming.received,
            namespace_tenants=namespace_tenants,
        )
    kind = ACCEPTED[incoming.topic].get(event.type)
    if kind is None:
        in_data = _tenant_in(envelope.check_json(event.data))
    else:
        data = events.decode(kind, event.data)
        in_data = (
            _tenant_in(envelope.check_json(event.data))
            if isinstance(data, Refused)
            else data.tenant
        )
    tenant = agreed_tenant(event.tenants, _tenant_key(incoming), in_data)
    try:
        time = envelope.event_time(event.time, incoming.timestamp, incoming.received)
        if kind is None:
            raise Refused("unknown_type", f"{incoming.topic} does not serve this ce_type")
        if isinstance(data, Refused):
            raise data
        if isinstance(data, UsageAdjust):
            envelope.event_time(data.at, time, incoming.received)
    except Refused as refused:
        refused.tenant = tenant
        raise
    return Record(
        log.VERSION,
        tenant,
        incoming.origin,
        event.source,
        event.id,
        time,
        _body(data, time, book, tenant, event),
    )


def _tenant_key(incoming: Incoming) -> bytes | None:
    """The key where it names the tenant: everywhere but on job.events."""
    return None if incoming.topic == JOB_EVENTS else incoming.key


def _tenant_in(data: object) -> str | None:
    """``tenant`` of data that broke its schema or has none."""
    tenant = data.get("tenant") if isinstance(data, dict) else None
    return tenant if isinstance(tenant, str) else None


def _known_tenant(incoming: Incoming) -> str | None:
    """Whose a refused record is, if all that says so agrees."""
    try:
        headers = envelope.read_headers(incoming.headers)
        return agreed_tenant(envelope.header_tenant(headers), _tenant_key(incoming), None)
    except Refused:
        return None


def _body(
    data: events.Data, time: int, book: PriceBook, tenant: str, event: envelope.Envelope
) -> Body | ControlBody:
    if isinstance(data, events.AgentMessage):
        return log.Message(
            agent=data.agent or "",
            session=data.session or "",
            cost_attribution=data.cost_attribution or "",
            cluster=data.cluster,
            call=priced_call(data, time, book),
            content=_content(data) if data.content else None,
        )
    if isinstance(data, JobRun):
        return job_run(data, time, book)
    if isinstance(data, events.BudgetSet):
        return log.BudgetSet(
            budget_id=data.budget_id,
            limit=data.limit,
            period=data.period,
            timezone=data.timezone,
            thresholds=tuple(sorted(set(data.thresholds))),
            forecast=data.forecast,
            scope={key: data.scope[key] for key in sorted(data.scope)},
        )
    if isinstance(data, events.BudgetDelete):
        return log.BudgetDelete(data.budget_id)
    if isinstance(data, BudgetReserve):
        name = reservation_id(data.id, tenant, event.source, event.id)
        return log.BudgetReserve(name, data.budget_id, data.amount, data.ttl_seconds)
    if isinstance(data, BudgetSettle):
        return log.BudgetSettle(data.reservation_id, data.amount)
    if isinstance(data, StateSet):
        value = compact(data.value)
        return log.StateSet(data.agent, data.key, value, data.if_version, data.ttl_seconds)
    if isinstance(data, StateDelete):
        return log.StateDelete(data.agent, data.key, data.if_version)
    if isinstance(data, events.QuotaSet):
        return log.QuotaSet(data.quota_mb, data.tier)
    if isinstance(data, PriceSet):
        return log.PriceSet(data.provider, data.model, *data.prices, data.since)
    if isinstance(data, UsageAdjust):
        labels = (data.model or "", data.cost_attribution or "")
        return log.UsageAdjust(data.amount, data.time, *labels, data.reason)
    if isinstance(data, HoldSet):
        return log.HoldSet(data.subject, tuple(data.memory_ids or ()))
    if isinstance(data, HoldRelease):
        return log.HoldRelease(data.subject, tuple(data.memory_ids or ()))
    if isinstance(data, MemoryErase):
        return log.MemoryErase(data.subject, tuple(data.memory_ids or ()), data.reason)
    if isinstance(data, RetentionSet):
        return log.RetentionSet(data.default_ttl_seconds, data.min_ttl_seconds)
    if isinstance(data, MemoryConsolidate):
        return log.MemoryConsolidate(data.window_hours)
    if isinstance(data, MemorySplit):
        return log.MemorySplit(data.memory_id)
    assert isinstance(data, events.TenantSet)
    return log.TenantSet(data.timezone)


def _content(data: events.AgentMessage) -> log.Content:
    state, pipeline = data.cluster_state, data.pipeline_context
    return log.Content(
        text=data.content or "",
        priority=events.PRIORITIES[data.priority or "MEDIUM"],
        context_tags=tuple(data.context_tags or ()),
        ttl_seconds=data.ttl_seconds,
        cluster_state={"cluster": state} if isinstance(state, str) else state,
        pipeline_context=(
            (pipeline,)
            if isinstance(pipeline, str)
            else None
            if pipeline is None
            else tuple(pipeline)
        ),
        related_memories=tuple(data.related_memories or ()),
        subject=data.subject,
        memory_id=data.memory_id,
        metadata=data.metadata,
        imported=(
            None
            if data.imported is None
            else log.Imported(data.imported.access_count, data.imported.accessed_at)
        ),
        given=tuple(name for name in log.CORRECTABLE if getattr(data, name) is not None),
    )


def marker(incoming: Incoming, refused: Refused) -> Record:
    """The log's record that says that an input of this tenant was refused.

    It carries no source and no id: a corrected event may come with the same ones.
    """
    assert refused.tenant is not None
    body = log.Refusal(refused.code)
    return Record(log.VERSION, refused.tenant, incoming.origin, "", "", incoming.received, body)


def dead_letter_headers(
    incoming: Incoming, refused: Refused, topic: str
) -> list[tuple[str, bytes]]:
    """The original headers and what was wrong; ``topic`` is the full name of the original topic.

    What an earlier refusal of the same record has left is replaced.
    """
    origin = incoming.origin
    errors = error_headers(refused.code, refused.message, topic, origin.partition, origin.offset)
    names = {name for name, _ in errors}
    return [header for header in incoming.headers if header[0] not in names] + errors


def error_headers(
    code: str, message: str, topic: str, partition: int, offset: int
) -> list[tuple[str, bytes]]:
    """What was wrong with a record of an input topic (full name), as a dead letter says it."""
    errors = {
        f"{ERROR_HEADER}exception": f"{Refused.__module__}.{Refused.__qualname__}",
        f"{ERROR_HEADER}message": message[:MAX_MESSAGE],
        f"{ERROR_HEADER}topic": topic,
        f"{ERROR_HEADER}partition": str(partition),
        f"{ERROR_HEADER}offset": str(offset),
        "error_code": code,
    }
    return [(name, text.encode()) for name, text in errors.items()]
