"""usage.adjust: a signed correction of cost, in the periods and budgets of the time it is for."""

from streams.core.fold import Effect, Entry, View
from streams.core.journal import Target, audit
from streams.core.log import UsageAdjust
from streams.core.money import format_usd
from streams.core.rows import tenant_key
from streams.core.time import format_time
from streams.usage.counters import add_extra
from streams.usage.opened import opened_periods
from streams.usage.rows import CONFIG_KEY, NO_CONFIG, NO_TENANT, ConfigRow, ExtraRow, TenantRow
from streams.usage.spending import adjust


def fold_usage_adjust(view: View, entry: Entry, body: UsageAdjust) -> list[Effect]:
    """Add the amount to the periods of its time, and to the budgets that it falls under.

    It is no call and is never late: closed periods are what it is for.
    """
    outputs: list[Effect] = []
    name = entry.record.tenant
    config = view.get(ConfigRow, CONFIG_KEY) or NO_CONFIG
    tenant = view.get(TenantRow, tenant_key(TenantRow, name)) or NO_TENANT
    scope = ("", body.model, "", body.cost_attribution, "", "")
    periods = opened_periods(view, name, tenant, body.at)
    add_extra(view, name, tenant, scope, periods, ExtraRow(adjusted=body.amount))
    at = format_time(body.at)
    audit(
        view,
        entry,
        outputs,
        action="usage.adjusted",
        target=Target("usage", at),
        details={
            "amount_usd": format_usd(body.amount),
            "at": at,
            "model": body.model or None,
            "cost_attribution": body.cost_attribution or None,
            "reason": body.reason,
        },
    )
    adjust(view, entry, tenant, config, scope, body.at, body.amount, outputs)
    return outputs
