"""The receipt of an erasure: opened by it, moved by what workers tell, complete at the end."""

from typing import Any

import msgspec

from memory.memory_log import MemoryLog
from streams.core.log import ErasedFrom, ErasureReached, StateSet
from streams.core.time import format_time
from streams.memory.forget_rows import ReceiptRow
from streams.memory.receipts import open_receipts, receipts

WHO: dict[str, Any] = {"subject": "customer-17"}


def shown(log: MemoryLog, tenant: str = "t1") -> list[dict[str, Any]]:
    found = msgspec.to_builtins(receipts(log.view, tenant)[0])
    assert isinstance(found, list)
    return found


def reach(log: MemoryLog, *places: ErasedFrom, at: int | None = None) -> None:
    ((_, row),) = open_receipts(log.view)
    body = ErasureReached(row.at if at is None else at, row.source, row.id, places, row.passed_at)
    log.append(body)


def test_a_receipt_says_what_went_from_the_state() -> None:
    log = MemoryLog()
    log.say("x", memory_id="m", given=WHO)
    log.append(StateSet("a", "k", b'"for customer-17"', None, None))
    log.erase(subject="customer-17", reason="request 4711")
    (receipt,) = shown(log)
    assert receipt["at"] == receipt["rows_removed"] == format_time(log.now)
    assert (receipt["reason"], receipt["subject"]) == ("request 4711", "customer-17")
    assert (receipt["erased"], receipt["state"], receipt["runs"]) == (1, 1, 0)
    assert (receipt["places"], receipt["completed"]) == ([], None)
    assert shown(log, "t2") == []


def test_rows_of_a_large_erasure_go_with_ticks_and_the_receipt_says_when() -> None:
    log = MemoryLog()
    for n in range(120):
        log.say("x", memory_id=f"m{n}", given=WHO)
    log.erase(subject="customer-17")
    assert shown(log)[0]["rows_removed"] is None
    log.wait(5, ticks=4)
    assert shown(log)[0]["rows_removed"] == format_time(log.now)
    assert shown(log)[0]["erased"] == 120


def test_what_is_on_hold_keeps_the_rows_open() -> None:
    log = MemoryLog()
    log.say("x", memory_id="m", given=WHO)
    log.keep("m")
    log.erase(subject="customer-17")
    assert (shown(log)[0]["rows_removed"], shown(log)[0]["deferred"]) == (None, 1)
    # All else is worked for at once, but it is not complete.
    reach(log, ErasedFrom("archive", None, (), True))
    assert (shown(log)[0]["completed"], len(shown(log)[0]["places"])) == (None, 1)
    log.wait(1)
    log.release("m")
    log.wait(1, ticks=3)
    assert shown(log)[0]["rows_removed"] is not None
    assert (shown(log)[0]["erased"], shown(log)[0]["deferred"]) == (1, 0)
    assert shown(log)[0]["places"] == [], "what went now is everywhere again"


def test_a_receipt_is_complete_when_every_place_was_reached() -> None:
    log = MemoryLog()
    log.erase(subject="customer-17")
    began = log.now
    log.wait(10)
    by = log.now + 1_000_000
    reach(log, ErasedFrom("archive", None, (), True), ErasedFrom("tenant.log.v1", by, (7,), False))
    assert shown(log)[0]["places"] == [
        {"place": "archive", "by": None, "done": format_time(log.now)},
        {"place": "tenant.log.v1", "by": format_time(by), "done": None},
    ]
    first = log.now
    log.wait(10)
    # Told late, or twice, by another worker: what was reached stays so.
    reach(log, ErasedFrom("archive", None, (), False), ErasedFrom("tenant.log.v1", by, (7,), True))
    (receipt,) = shown(log)
    assert [place["done"] for place in receipt["places"]] == [
        format_time(first),
        format_time(log.now),
    ]
    assert receipt["completed"] == format_time(log.now)
    # Nothing is left to look for: the name goes too.
    assert receipt["subject"] is None
    assert receipt["subject_hash"]
    assert not list(open_receipts(log.view))
    assert not any(b"customer-17" in value for value in rows(log))
    before = log.view.encoded()
    row = next(row for _, row in log.view.scan(ReceiptRow, ReceiptRow.kind))
    log.append(ErasureReached(began, row.source, row.id, (ErasedFrom("x", None, (), False),)))
    assert log.view.encoded() == before


def test_what_went_later_is_not_reached_by_what_was_found_before() -> None:
    log = MemoryLog()
    log.say("x", memory_id="m", given=WHO)
    log.keep("m")
    log.erase(subject="customer-17")
    ((_, before),) = open_receipts(log.view)
    log.wait(1)
    log.release("m")
    log.wait(1, ticks=3)
    done = (ErasedFrom("archive", None, (), True),)
    log.append(ErasureReached(before.at, before.source, before.id, done, before.passed_at))
    assert (shown(log)[0]["places"], shown(log)[0]["completed"]) == ([], None)


def test_nobody_hears_of_an_erasure_that_is_not_there() -> None:
    log = MemoryLog()
    log.say("x", memory_id="m")
    before = log.view.encoded()
    log.append(ErasureReached(1, "s", "i", (ErasedFrom("archive", None, (), True),)))
    assert log.view.encoded() == before


def rows(log: MemoryLog) -> list[bytes]:
    """All rows but the audit's, which say what was asked for."""
    return [value for key, value in log.view.encoded().items() if key[:2] not in (b"h/", b"i/")]
