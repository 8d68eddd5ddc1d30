"""Fold of a message: its call counts in usage and in the budgets."""

from streams.core.fold import Entry, Output, View
from streams.core.log import Message
from streams.core.rows import tenant_key
from streams.usage.budgets import spend
from streams.usage.counters import Metered, count
from streams.usage.rows import CONFIG_KEY, NO_CONFIG, NO_TENANT, ConfigRow, TenantRow
from streams.usage.unpriced import report_unpriced


def fold_message(view: View, entry: Entry, body: Message) -> list[Output]:
    """Count the call that a message carries; one without a call counts nothing."""
    call = body.call
    outputs: list[Output] = []
    if call is None:
        return outputs
    reported, computed = call.reported, call.computed
    metered = Metered(
        (call.provider, call.model, body.agent, body.cost_attribution, "", body.cluster),
        call.input_tokens,
        call.output_tokens,
        call.cache_read_tokens,
        call.cache_creation_tokens,
        reported or 0,
        computed or 0 if reported is None else 0,
        1 if reported is None and computed is None else 0,
    )
    config = view.get(ConfigRow, CONFIG_KEY) or NO_CONFIG
    tenant = view.get(TenantRow, tenant_key(TenantRow, entry.record.tenant)) or NO_TENANT
    count(view, entry, tenant, config, metered, outputs)
    if metered.unpriced:
        report_unpriced(view, entry, call.provider, call.model, outputs)
    spend(view, entry, tenant, config, metered, outputs)
    return outputs
