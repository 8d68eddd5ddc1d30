"""The one audit record of a command whose work took more than its own record of the log."""

from typing import Any, Protocol

from msgspec import structs

from streams.core.fold import Effect, Entry, View
from streams.core.journal import Target, audit


class Command(Protocol):
    """Whatever names the command that it is done for."""

    @property
    def source(self) -> str: ...
    @property
    def id(self) -> str: ...


def finished(
    view: View,
    entry: Entry,
    outputs: list[Effect],
    tenant: str,
    command: Command,
    *,
    action: str,
    target: Target,
    details: dict[str, Any],
    outcome: str | None = None,
) -> None:
    """Say that a command's work is done, under the command's source and id.

    ``command`` is what is kept of it until then; ``outcome`` as of `audit`.
    """
    record = structs.replace(entry.record, tenant=tenant, source=command.source, id=command.id)
    audit(
        view,
        structs.replace(entry, record=record),
        outputs,
        action=action,
        target=target,
        details=details,
        outcome=outcome,
    )
