"""Fold of tenant.set: the zone of the usage periods that are opened from now on."""

from typing import Any

from streams.core.fold import Effect, Entry, View
from streams.core.journal import Target, audit
from streams.core.log import TenantSet
from streams.core.rows import tenant_key
from streams.core.time import zone_names
from streams.usage.opened import fences
from streams.usage.rows import NO_TENANT, TenantRow, with_changes


def fold_tenant_set(view: View, entry: Entry, body: TenantSet) -> list[Effect]:
    """Set the zone; the latest opened periods are noted, so that new ones never overlap them."""
    outputs: list[Effect] = []
    name = entry.record.tenant
    key = tenant_key(TenantRow, name)
    tenant = view.get(TenantRow, key) or NO_TENANT
    error = None
    details: dict[str, Any] = {"timezone": body.timezone, "previous": tenant.timezone}
    if body.timezone not in zone_names():
        error = "unknown_timezone"
    elif body.timezone != tenant.timezone:
        changed = with_changes(tenant, timezone=body.timezone, fences=fences(view, name))
        view.put(key, changed)
    target = Target("tenant", name)
    audit(view, entry, outputs, action="tenant.set", target=target, details=details, error=error)
    return outputs
