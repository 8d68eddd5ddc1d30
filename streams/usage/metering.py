"""Folds of what is metered: calls, what is embedded, each run once, and runs by state."""

import re

from streams.core.fold import Effect, Entry, View
from streams.core.log import Call, JobRun, Message
from streams.core.rows import tenant_key
from streams.usage.counters import Metered, count_call, count_embedding, count_run
from streams.usage.prices import own_cost
from streams.usage.reservations import reported as reported_usage
from streams.usage.rows import CONFIG_KEY, NO_CONFIG, NO_TENANT, ConfigRow, TenantRow
from streams.usage.runs import Ran, place, revise
from streams.usage.scope import Scope
from streams.usage.spending import spend
from streams.usage.unpriced import report_unpriced

MAX_JOB = 513
"""Characters of namespace/name: all of a job.run's, and an OpenLineage name may be longer."""
_CONTROL = re.compile(r"[\x00-\x1f]")


def fold_message(view: View, entry: Entry, body: Message) -> list[Effect]:
    """Count the call that a message carries, and that its content was embedded."""
    outputs: list[Effect] = []
    call = body.call
    if call is not None:
        scope = (call.provider, call.model, body.agent, body.cost_attribution, "", body.cluster)
        _meter(view, entry, call, scope, outputs)
    content, erased = body.content, body.erased
    if (content is not None and content.vector is not None) or (erased and erased.embedded):
        tenant, config = _settings(view, entry)
        scope = ("", "", body.agent, body.cost_attribution, "", body.cluster)
        count_embedding(view, entry, tenant, config, scope, outputs, with_call=call is not None)
    return outputs


def place_of_run(entry: Entry, body: JobRun) -> bytes:
    """Where a run is counted whose first event this is."""
    return place(entry.record.time, _scope_of_run(body))


def meter_run(
    view: View, entry: Entry, body: JobRun, counted: bytes, before: Ran | None, now: Ran
) -> list[Effect]:
    """Count the call that a run's event carries, and the run itself, once.

    Parameters
    ----------
    counted : bytes
        What `place_of_run` gave at its first event; empty where an earlier version counted it.
    before, now
        The run without this event, None if it is the first, and with it.
    """
    outputs: list[Effect] = []
    call, scope = body.call, _scope_of_run(body)
    if call is not None:
        _meter(view, entry, call, scope, outputs)
    if before is None:
        tenant, config = _settings(view, entry)
        count_run(view, entry, tenant, config, scope, outputs, with_call=call is not None)
    if counted:
        revise(view, entry, counted, before, now)
    return outputs


def _scope_of_run(body: JobRun) -> Scope:
    call = body.call
    provider, model = ("", "") if call is None else (call.provider, call.model)
    job = _CONTROL.sub("_", f"{body.namespace}/{body.name}"[:MAX_JOB])
    return (provider, model, "", body.cost_attribution or "", job, body.cluster or "")


def _meter(view: View, entry: Entry, call: Call, scope: Scope, outputs: list[Effect]) -> None:
    tenant, config = _settings(view, entry)
    reported, computed = call.reported, call.computed
    if tenant.prices and reported is None:
        own = own_cost(view, entry.record.tenant, call, entry.record.time)
        computed = computed if own is None else own
    metered = Metered(
        scope,
        call.input_tokens,
        call.output_tokens,
        call.cache_read_tokens,
        call.cache_creation_tokens,
        reported or 0,
        computed or 0 if reported is None else 0,
        1 if reported is None and computed is None else 0,
    )
    count_call(view, entry, tenant, config, metered, outputs)
    if metered.unpriced:
        report_unpriced(view, entry, call.provider, call.model, outputs)
    counted = None
    if call.reservation:
        cost = metered.reported + metered.computed
        counted = reported_usage(view, entry, call.reservation, scope, cost)
    spend(view, entry, tenant, config, metered, outputs, counted)


def _settings(view: View, entry: Entry) -> tuple[TenantRow, ConfigRow]:
    config = view.get(ConfigRow, CONFIG_KEY) or NO_CONFIG
    tenant = view.get(TenantRow, tenant_key(TenantRow, entry.record.tenant)) or NO_TENANT
    return tenant, config
