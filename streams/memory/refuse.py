"""What is refused because a tenant's memory is full: told on the audit, and kept in the DLQ."""

from typing import Any

import msgspec

from streams.core.fold import DeadLetter, Effect, Entry, View
from streams.core.journal import Target, audit
from streams.core.log import Content, Message, StateSet
from streams.memory.bytes import bytes_of, quota_of
from streams.memory.record import PRIORITIES

QUOTA_EXCEEDED = "quota_exceeded"
_FULL = "the tenant's memory is full, and nothing in it is worth less"
_json = msgspec.json.Encoder().encode


def refuse_memory(
    view: View, entry: Entry, outputs: list[Effect], memory_id: str, body: Message
) -> None:
    """Refuse what a message says. A call that it carries is metered all the same."""
    content, tenant = body.content, entry.record.tenant
    assert content is not None
    quota = quota_of(view, tenant)
    details = {
        "priority": PRIORITIES[content.priority - 1],
        "used_bytes": bytes_of(view, tenant).used,
        "quota_mb": None if quota is None else quota.quota_mb,
        "detail": _FULL,
    }
    audit(
        view,
        entry,
        outputs,
        action="quota.rejected",
        target=Target("memory", memory_id),
        details=details,
        error=QUOTA_EXCEEDED,
        command=False,
    )
    data = _json(_message(body, content))
    whole = body.call is None
    outputs.append(DeadLetter(QUOTA_EXCEEDED, _FULL, "agent.message", data, whole))


def refuse_state(entry: Entry, outputs: list[Effect], body: StateSet) -> str:
    """Refuse a state.set; its audit record says what is returned."""
    data: dict[str, Any] = {"agent": body.agent, "key": body.key, "value": msgspec.Raw(body.value)}
    optional = {"if_version": body.if_version, "ttl_seconds": body.ttl_seconds}
    data |= {name: value for name, value in optional.items() if value is not None}
    outputs.append(DeadLetter(QUOTA_EXCEEDED, _FULL, "state.set", _json(data), True))
    return _FULL


def _message(body: Message, content: Content) -> dict[str, Any]:
    """The data of the message, without its call."""
    fields: dict[str, Any] = {
        "priority": PRIORITIES[content.priority - 1],
        "agent": body.agent,
        "session": body.session,
        "context_tags": content.context_tags,
        "ttl_seconds": content.ttl_seconds,
        "cost_attribution": body.cost_attribution,
        "cluster_state": content.cluster_state,
        "pipeline_context": content.pipeline_context,
        "related_memories": content.related_memories,
        "subject": content.subject,
        "metadata": content.metadata,
    }
    data: dict[str, Any] = {"content": content.text}
    if content.memory_id is not None:
        data["memory_id"] = content.memory_id
    return data | {name: fields[name] for name in fields if name in content.given}
