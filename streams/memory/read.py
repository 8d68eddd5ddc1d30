"""What the API shows of agents' state (bodies as CONTRACT.md section 5)."""

from typing import Any

import msgspec

from streams.core.errors import ApiError
from streams.core.fold import Reader
from streams.core.time import format_time
from streams.memory.pages import page
from streams.memory.rows import StateRow, ValueRow, state_key, state_keys, value_key
from streams.memory.state import as_of

Page = tuple[list[dict[str, Any]], bytes | None]


def state(reader: Reader, tenant: str, agent: str, key: str, *, log_time: int) -> dict[str, Any]:
    """Value and version of one key of an agent.

    Raises
    ------
    ApiError
        404 where there is none.
    """
    place = state_key(tenant, agent, key)
    row = as_of(reader.get(StateRow, place), log_time)
    stored = reader.get(ValueRow, value_key(place))
    if row is None or row.deleted or stored is None:
        raise ApiError(404, "not_found", f"agent {agent} has no state under {key}")
    return {
        "value": msgspec.Raw(stored.value),
        "version": row.number,
        "updated_at": format_time(row.updated_at),
    }


def states(
    reader: Reader, tenant: str, agent: str, *, limit: int, after: bytes | None, log_time: int
) -> Page:
    """List an agent's keys in order, without the values: a page as `pages.page` says."""
    prefix = state_keys(tenant, agent)

    def show(place: bytes, stored: StateRow) -> dict[str, Any] | None:
        row = as_of(stored, log_time)
        if row is None or row.deleted:
            return None
        return _item(place.removeprefix(prefix).decode(), row)

    return page(reader, StateRow, prefix, show, limit=limit, after=after)


def _item(key: str, row: StateRow) -> dict[str, Any]:
    return {
        "key": key,
        "version": row.number,
        "updated_at": format_time(row.updated_at),
        "expires_at": None if row.due is None else format_time(row.due),
        "bytes": row.size - len(key.encode()),
    }
