"""Folds of the records that no tenant sends: configuration, refusals."""

import msgspec

from streams.core.fold import Effect, Entry, Reader, View
from streams.core.log import Config, Origin, Refusal
from streams.core.rows import sortable
from streams.core.sweep import drop_old
from streams.core.time import HOUR
from streams.usage.rows import CONFIG_KEY, ConfigRow, RefusedRow

KEPT = 24 * HOUR
_pack = msgspec.msgpack.Encoder().encode


def fold_config(view: View, entry: Entry, body: Config) -> list[Effect]:
    """Keep the settings that change results."""
    view.put(
        CONFIG_KEY,
        ConfigRow(body.dedupe_hours, body.grace_hours, body.default_budget, body.tzdata),
    )
    return []


def fold_refusal(view: View, entry: Entry, body: Refusal) -> list[Effect]:
    """Remember that admit refused an input record."""
    refused(view, entry, body.code)
    return []


def refused(view: View, entry: Entry, code: str) -> None:
    """Remember for a day that an input record was refused, and drop what is older."""
    record = entry.record
    if record.origin is None:
        return
    prefix = _prefix(record.origin.topic, record.origin.partition)
    since = entry.log_time - KEPT
    drop_old(view, RefusedRow, prefix, entry.log_time, lambda _, row: row.at < since)
    view.put(_key(record.origin), RefusedRow(code, record.tenant, entry.log_time))


def refusal(reader: Reader, tenant: str, topic: str, partition: int, offset: int) -> str | None:
    """DLQ code of an input record of this tenant, if it was refused within the last day.

    Parameters
    ----------
    reader : Reader
        Rows of the tenant's partition.
    tenant : str
        Another tenant's refusals are not told.
    topic, partition, offset
        The input record; ``topic`` is the full name. The newest incarnation is meant.
    """
    prefix = _prefix(topic, partition)
    last = next(reader.scan(RefusedRow, prefix, reverse=True), None)
    if last is None:
        return None
    incarnation = last[0][len(prefix) : len(prefix) + 8]
    row = reader.get(RefusedRow, prefix + incarnation + sortable(offset))
    return row.code if row is not None and row.tenant == tenant else None


def _prefix(topic: str, partition: int) -> bytes:
    return RefusedRow.kind + _pack((topic, partition))


def _key(origin: Origin) -> bytes:
    """Offsets rise with time in each origin partition: the oldest come first."""
    prefix = _prefix(origin.topic, origin.partition)
    return prefix + sortable(origin.incarnation) + sortable(origin.offset)
