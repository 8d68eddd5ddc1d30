"""Memories and agents' state from before there was a log: a SQLite table, and agent_state.json.

Each row becomes the event that makes the memory again. Each schema version added columns
(CONTRACT.md section 7). Nothing is written to the files.
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec

from streams.core import events
from streams.core.errors import Failed, Misuse
from streams.core.schema import SCHEMAS
from streams.core.tenant import is_tenant
from streams.core.time import SECOND, format_time, from_datetime

SQLITE = b"SQLite format 3\x00"
NEEDED = ("id", "content", "timestamp")
_COLUMNS = (
    *NEEDED,
    *("tenant", "agent", "session", "priority", "context_tags", "access_count", "last_accessed"),
    *("related_memories", "cost_attribution", "ttl_seconds", "gdpr_deletion_date", "subject"),
    *("cluster_state", "pipeline_context", "metadata"),
)
"""What is read. An embedding is not: it does not say of which model it is, so admit makes one."""
_ADDED = {
    "2.1.0": {"cluster_state", "pipeline_context"},
    "2.0.0": {"ttl_seconds", "gdpr_deletion_date", "subject"},
    "1.1.0": {"cost_attribution"},
}
"""Columns that tell a version, the newest first."""
_NAMES = {number: name for name, number in events.PRIORITIES.items()}
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d{1,2})?")


class Given(NamedTuple):
    """An event that stands for a row; whether it is one that is taken, admit says."""

    row: str
    """What the row is called."""
    tenant: str
    type: str
    time: str | None
    data: bytes


class Bad(NamedTuple):
    """A row that is no event."""

    row: str
    why: str


class MemoryTable:
    """The table ``memories`` of a SQLite file.

    Parameters
    ----------
    tenant : str
        Of rows that don't say theirs.

    Raises
    ------
    Misuse
        The file has no such table, or the table lacks what makes a memory.
    """

    def __init__(self, path: Path, tenant: str) -> None:
        self._path = path
        self._tenant = tenant
        names = {name: name for name in self._select("PRAGMA table_info(memories)", 1)}
        self._columns = [name for name in _COLUMNS if name in names]
        missing = [name for name in NEEDED if name not in names]
        if not names:
            raise Misuse(f"{path} has no table `memories`")
        if missing:
            raise Misuse(f"the table `memories` of {path} has no column {', '.join(missing)}")
        self.schema = next((v for v, added in _ADDED.items() if added & names.keys()), SCHEMAS[0])

    def _select(self, query: str, column: int) -> list[str]:
        try:
            with closing(self._open()) as db:
                return [row[column].decode() for row in db.execute(query)]
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise Misuse(f"{self._path} is no SQLite file that can be read: {error}") from None

    def _open(self) -> sqlite3.Connection:
        log = self._path.with_name(f"{self._path.name}-wal")
        # Without changes that wait in a log nothing is made beside the file, not even to read it.
        how = "mode=ro" if log.exists() and log.stat().st_size else "immutable=1"
        db = sqlite3.connect(f"file:{quote(str(self._path))}?{how}", uri=True)
        # One text that is no UTF-8 must not end the reading of all others.
        db.text_factory = bytes
        return db

    def __iter__(self) -> Iterator[Given | Bad]:
        """Give all rows, the oldest first.

        Raises
        ------
        Failed
            The file is damaged.
        """
        columns = ", ".join(f'"{name}"' for name in self._columns)
        query = f"SELECT {columns} FROM memories ORDER BY timestamp, id"
        try:
            with closing(self._open()) as db:
                for values in db.execute(query):
                    yield self._given(dict(zip(self._columns, values, strict=True)))
        except sqlite3.Error as error:
            raise Failed(f"{self._path} can't be read to its end: {error}") from None

    def _given(self, values: dict[str, Any]) -> Given | Bad:
        name = _shown(values["id"])
        try:
            row = {key: _text(value) for key, value in values.items() if value not in (None, b"")}
            tenant = str(row.get("tenant", self._tenant))
            if not is_tenant(tenant):
                raise ValueError(f"{tenant!r} can't be a tenant")
            time = _time(row.get("timestamp"))
            data = msgspec.json.encode(_message(row, time))
            return Given(name, tenant, "agent.message", format_time(time), data)
        except (ValueError, OverflowError, msgspec.MsgspecError) as error:
            return Bad(name, str(error))


def agent_state(path: Path, tenant: str, agent: str) -> tuple[str, list[Given]]:
    """Read an agent_state.json.

    Returns
    -------
    schema, items
        Its schema version, and an event for each key.

    Raises
    ------
    Misuse
        It is none, or one of a later version.
    """
    try:
        found = msgspec.json.decode(path.read_bytes(), type=dict[str, msgspec.Raw])
        schema = msgspec.json.decode(found.pop("schema_version", b"null"), type=str)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Misuse(
            f"{path} is neither a SQLite file nor an agent_state.json with a schema_version"
        ) from None
    if schema not in SCHEMAS:
        raise Misuse(f"{path} has schema_version {schema!r}; these are known: {', '.join(SCHEMAS)}")
    encode = msgspec.json.encode
    return schema, [
        Given(
            *(_shown(key), tenant, "state.set", None),
            encode({"agent": agent, "key": key, "value": value}),
        )
        for key, value in found.items()
    ]


def _message(row: dict[str, Any], time: int) -> dict[str, Any]:
    """Data of the event that makes the memory of a row; what it has not is left out."""
    if "id" not in row:
        raise ValueError("it has no id")
    accesses: dict[str, Any] = {"access_count": _whole(row.get("access_count", 0), "access_count")}
    if "last_accessed" in row:
        accesses["last_accessed"] = format_time(_time(row["last_accessed"]))
    ttl = row.get("ttl_seconds")
    if ttl is None and "gdpr_deletion_date" in row:
        # Whole seconds, and not a day longer than it says.
        ttl = max(1, (_time(row["gdpr_deletion_date"]) - time) // SECOND)
    found = {
        "content": str(row.get("content", "")),
        "memory_id": str(row["id"]),
        "priority": _priority(row.get("priority")),
        "context_tags": _names(row.get("context_tags")),
        "related_memories": _names(row.get("related_memories")),
        "ttl_seconds": None if ttl is None else _whole(ttl, "ttl_seconds"),
        "cluster_state": _object(row.get("cluster_state")),
        "pipeline_context": _names(row.get("pipeline_context")),
        "metadata": _object(row.get("metadata")),
        "imported": accesses if any(accesses.values()) else None,
    } | {
        name: str(row[name])
        for name in ("agent", "session", "cost_attribution", "subject")
        if name in row
    }
    return {name: value for name, value in found.items() if value is not None}


def _text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


def _shown(value: Any) -> str:
    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    return text if text.isprintable() and len(text) <= 200 else ascii(text[:200])


def _whole(value: Any, name: str) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name} is no whole number") from None


def _priority(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, str) and value.upper() in events.PRIORITIES:
        return value.upper()
    name = _NAMES.get(_whole(value, "priority"))
    if name is None:
        raise ValueError("priority is not 1 to 4")
    return name


def _names(value: Any) -> list[str] | None:
    """Read a list: as JSON, or of names with commas between."""
    if value is None:
        return None
    found = _json(value)
    if isinstance(found, list):
        return [str(each) for each in found]
    if isinstance(found, str):
        return [each for part in found.split(",") if (each := part.strip())]
    return [str(found)]


def _object(value: Any) -> Any:
    """Read an object, or the name that stands for one."""
    return None if value is None else _json(value)


def _json(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        found = msgspec.json.decode(value)
    except msgspec.MsgspecError:
        return value
    return found if isinstance(found, (dict, list, str)) else value


def _time(value: Any) -> int:
    """Read a time: ISO 8601 (UTC where no zone is given), or seconds since 1970.

    Examples
    --------
    >>> _time("2026-01-01 00:00:00") == _time("2026-01-01T01:00:00+01:00") == _time(1767225600)
    True
    >>> _time("1767225600.000001") - _time("1767225600")
    1
    """
    if value is None:
        raise ValueError("there is no timestamp")
    text = str(value).strip()
    try:
        if _NUMBER.fullmatch(text):
            micros = int(Decimal(text) * SECOND)
            format_time(micros)
            return micros
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError, InvalidOperation):
        raise ValueError(f"{text[:50]!a} is no time") from None
    return from_datetime(moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC))
