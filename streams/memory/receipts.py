"""The receipt of an erasure: what went from the state, and how far it has come everywhere else.

An erasure is done for readers with its command and in the rows some ticks later; copies lie in
logs, files and buckets. Workers look after those and tell the log how far they have come, so that
a receipt is a fact like any other. It is complete when every place was reached.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import structs

from streams.core.fold import Effect, Entry, Reader, View
from streams.core.log import ErasedFrom, ErasureReached
from streams.core.rows import tenant_key
from streams.core.time import format_time
from streams.memory.forget_rows import (
    Erasure,
    OpenReceiptRow,
    ReceiptRow,
    hash_of,
    open_key,
    receipt_key,
    receipt_of,
)
from streams.memory.pages import page
from streams.memory.rows import tenant_of

CHANGELOG = "changelog"
"""What receipts call it: its name is long."""


class Place(msgspec.Struct, frozen=True):
    """How far an erasure has come in one place."""

    place: str
    by: str | None
    """When what is left there will have gone; null: nobody knows."""
    done: str | None
    """Since when nothing is left there; null: something may be."""


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one memory.erase."""

    at: str
    source: str
    id: str
    reason: str
    memory_ids: list[str]
    subject: str | None
    """Null: it is of something else, or every place was reached and ``subject_hash`` has to do."""
    subject_hash: str | None
    """BLAKE2b of the subject, 16 bytes, hexadecimal."""
    all: bool
    erased: int
    state: int
    runs: int
    deferred: int
    rows_removed: str | None
    """When the last of its rows had gone from the state; null: some are left, or on hold."""
    places: list[Place]
    completed: str | None


def begin(view: View, tenant: str, erasure: Erasure) -> None:
    """Open the receipt of an erasure."""
    key = receipt_key(tenant, erasure.at, erasure.source, erasure.id)
    subject = erasure.subject
    view.put(
        key,
        ReceiptRow(
            erasure.source,
            erasure.id,
            erasure.reason,
            erasure.memory_ids,
            subject,
            b"" if subject is None else hash_of(subject),
            erasure.at,
            erasure.until,
        ),
    )
    view.put(open_key(key), OpenReceiptRow())


def note(view: View, entry: Entry, tenant: str, erasure: Erasure) -> None:
    """Note what of an erasure's rows has gone, all or all that is not on hold."""
    key = receipt_key(tenant, erasure.at, erasure.source, erasure.id)
    row = view.get(ReceiptRow, key)
    if row is None:
        return  # of a command that came before there were receipts
    now = structs.replace(
        row,
        erased=erasure.erased,
        state=erasure.state,
        runs=erasure.runs,
        deferred=erasure.deferred,
    )
    if now == row and row.passed_at is not None:
        return  # another hold has ended, and nothing of this went
    # What went just now is still everywhere else.
    rows_at = None if erasure.deferred else entry.log_time
    now = structs.replace(now, passed_at=entry.log_time, rows_at=rows_at, places=())
    view.put(key, now)


def fold_erasure_reached(view: View, entry: Entry, body: ErasureReached) -> list[Effect]:
    """Keep how far an erasure has come. What is told twice, or late, takes nothing back."""
    tenant = entry.record.tenant
    key = receipt_key(tenant, body.at, body.source, body.id)
    row = view.get(ReceiptRow, key)
    if row is None or row.completed_at is not None or row.passed_at != body.passed_at:
        return []
    before = {place.place: (place, at) for place, at in row.places}
    places = tuple(_further(each, before.get(each.place), entry) for each in body.places)
    now = structs.replace(row, places=places)
    if row.rows_at is not None and places and all(at is not None for _, at in places):
        now = structs.replace(now, completed_at=entry.log_time, subject=None)
        view.delete(open_key(key))
    view.put(key, now)
    return []


def _further(
    told: ErasedFrom, before: tuple[ErasedFrom, int | None] | None, entry: Entry
) -> tuple[ErasedFrom, int | None]:
    if before is not None and before[1] is not None:
        return before
    return told, entry.log_time if told.done else None


def told(row: ReceiptRow, place: str) -> ErasedFrom | None:
    """How far an erasure has come in a place, as was last told; None: nobody has said anything."""
    return next((each for each, _ in row.places if each.place == place), None)


def reached(row: ReceiptRow, place: str) -> ErasedFrom | None:
    """As `told`, where it is done; None: it is not."""
    found = (each for each, at in row.places if each.place == place and at is not None)
    return next(found, None)


def open_receipts(rows: Reader, tenant: str | None = None) -> Iterator[tuple[str, ReceiptRow]]:
    """Yield the receipts that are not complete, of one tenant or of all, each with its tenant."""
    kind = OpenReceiptRow.kind
    prefix = kind if tenant is None else tenant_key(OpenReceiptRow, tenant)
    for key, _ in rows.scan(OpenReceiptRow, prefix):
        row = rows.get(ReceiptRow, receipt_of(key))
        if row is not None:
            yield tenant_of(key), row


def receipts(
    reader: Reader, tenant: str, *, limit: int = 500, after: bytes | None = None, log_time: int = 0
) -> tuple[list[Receipt], bytes | None]:
    """List a tenant's receipts, the latest first.

    Returns
    -------
    items, next
        ``next`` is None at the end.
    """
    prefix = tenant_key(ReceiptRow, tenant)
    return page(reader, ReceiptRow, prefix, _shown, limit=limit, after=after, reverse=True)


def _shown(_: bytes, row: ReceiptRow) -> Receipt:
    return Receipt(
        at=format_time(row.at),
        source=row.source,
        id=row.id,
        reason=row.reason,
        memory_ids=list(row.memory_ids),
        subject=row.subject,
        subject_hash=row.subject_hash.hex() or None,
        all=not row.memory_ids and not row.subject_hash,
        erased=row.erased,
        state=row.state,
        runs=row.runs,
        deferred=row.deferred,
        rows_removed=_time(row.rows_at),
        places=[Place(each.place, _time(each.by), _time(at)) for each, at in row.places],
        completed=_time(row.completed_at),
    )


def _time(at: int | None) -> Any:
    return None if at is None else format_time(at)
