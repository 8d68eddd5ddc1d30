"""The one audit record of a command whose work took more than its own record of the log."""

from typing import Any

from msgspec import structs

from streams.core.fold import Effect, Entry, View
from streams.core.journal import Target, audit
from streams.memory.consolidation_rows import WorkRow


def finished(
    view: View,
    entry: Entry,
    outputs: list[Effect],
    tenant: str,
    row: WorkRow,
    *,
    action: str,
    target: Target,
    details: dict[str, Any],
) -> None:
    """Say that a command's work is done, under the command's source and id."""
    record = structs.replace(entry.record, tenant=tenant, source=row.source, id=row.id)
    command = structs.replace(entry, record=record)
    audit(view, command, outputs, action=action, target=target, details=details)
