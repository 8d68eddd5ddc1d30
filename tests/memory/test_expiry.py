"""When memories are due, and what a tenant's rules make of it; by examples."""

import json
from typing import Any

import pytest
from usage.memory_view import MemoryView
from usage.writer import data, refolded

from memory.memory_log import MemoryLog
from memory.test_consolidation import Log, stored
from streams.core.errors import ApiError
from streams.core.log import RetentionSet, Vector
from streams.core.time import DAY, SECOND, format_time
from streams.memory import documents, recall
from streams.memory.bytes import used_bytes
from streams.memory.forget_rows import ROWS, DateRow, DeadlineRow, ForgetRow, WorkRow
from streams.memory.forgetting import DUE_AT_ONCE
from streams.memory.hidden import hide
from streams.memory.index import TenantIndex
from streams.memory.memories import RECORDS
from streams.memory.rows import MemoryRow, VectorRow, memory_key


def dates(log: MemoryLog) -> dict[str, tuple[int | None, str | None]]:
    return {r["id"]: (r["ttl_seconds"], r["gdpr_deletion_date"]) for r in log.records()}


def found(log: MemoryLog, tenant: str = "t1") -> list[str]:
    """What a search of all finds, by an index of the rows as they are."""
    page, _ = documents.page(log.view, tenant, b"", 1_000)
    index = TenantIndex.of(page)
    hide(index, log.view, tenant, log.now)
    return sorted(index.ids[slot] for slot in range(len(index.ids)) if index.alive[slot])


def test_what_is_due_is_seen_by_nobody_and_goes_with_the_next_tick() -> None:
    log = MemoryLog()
    given = {"ttl_seconds": 60, "priority": "CRITICAL"}
    log.say("short", memory_id="m1", given=given, vector=Vector("m", 0.1, b"v"))
    log.say("long", memory_id="m2", given={"ttl_seconds": 61})
    log.say("ever", memory_id="m3")
    log.wait(59, ticks=1)
    assert set(log.tiers()) == {"m1", "m2", "m3"} == set(found(log))
    log.wait(1)
    log.log_time = log.now
    assert set(log.tiers()) == {"m2", "m3"} == set(found(log))
    with pytest.raises(ApiError):
        recall.memory(log.view, "t1", "m1", log_time=log.now)
    assert log.access(("m1", 1)) == []
    at = len(log.outputs)
    log.wait(0, ticks=1)
    tombstone, said = log.outputs[at:]
    assert (tombstone.topic, tombstone.key, tombstone.data) == (RECORDS, "t1/m1", None)
    assert (said.type, said.subject, data(said)["outcome"]) == ("memory.expired", "m1", "done")
    assert data(said)["details"] == {
        "timestamp": "2026-03-02T12:00:00.000000Z",
        "ttl_seconds": 60,
        "gdpr_deletion_date": "2026-03-02T12:01:00.000000Z",
    }
    left = b"".join(key for key in log.view.rows if key[:2] not in (b"h/", b"n/"))
    assert b"m1" not in left
    assert log.view.get(VectorRow, memory_key("t1", "m1").replace(b"m/", b"v/")) is None
    assert used_bytes(log.view, "t1") == sum(r["bytes"] for r in log.records())


def test_many_go_with_many_ticks_the_earliest_first() -> None:
    log = MemoryLog()
    for number in range(2 * DUE_AT_ONCE + 5):
        log.say(memory_id=f"m{number:03}", given={"ttl_seconds": 1_000 - number})
    log.wait(1_000)
    log.log_time = log.now
    assert log.records() == []
    gone: list[str] = []
    for expected in (DUE_AT_ONCE, DUE_AT_ONCE, 5, 0):
        at, changes = len(log.outputs), log.view.changes
        log.wait(0, ticks=1)
        now = [o.subject for o in log.outputs[at:] if o.type == "memory.expired"]
        assert len(now) == expected
        assert log.view.changes - changes < 1_000
        gone += now
    assert gone == sorted(gone, reverse=True)
    assert list(log.view.scan(MemoryRow, MemoryRow.kind)) == []


def test_a_memory_said_again_when_it_is_due_begins_anew() -> None:
    log = MemoryLog()
    log.say("old", memory_id="m", given={"ttl_seconds": 60, "subject": "who"})
    log.wait(60)
    expired, tombstone, *_ = reversed(log.say("new", memory_id="m")[:2])
    assert (expired.type, tombstone.data) == ("memory.expired", None)
    [record] = log.records()
    assert (record["content"], record["revision"]) == ("new", 1)
    assert (record["ttl_seconds"], record["subject"]) == (None, None)
    assert record["timestamp"] == format_time(log.now)


def test_the_default_counts_for_old_ones_without_a_ttl_and_the_least_for_all() -> None:
    log = MemoryLog()
    log.say(memory_id="none")
    log.say(memory_id="own", given={"ttl_seconds": 10})
    [said] = log.append(RetentionSet(100, 30))
    assert (said.type, data(said)["details"]) == (
        "retention.set",
        {
            "default_ttl_seconds": 100,
            "min_ttl_seconds": 30,
            "previous": {"default_ttl_seconds": None, "min_ttl_seconds": None},
        },
    )
    # At once, before any tick; and its bytes are those of the record as it is shown.
    noon = log.now
    expected = {
        "none": (100, format_time(noon + 100 * SECOND)),
        "own": (30, format_time(noon + 30 * SECOND)),
    }
    assert dates(log) == expected
    at = len(log.outputs)
    log.wait(0, ticks=1)
    sent = {o.subject: json.loads(o.data or b"") for o in log.outputs[at:]}
    assert {name: record["ttl_seconds"] for name, record in sent.items()} == {
        "none": 100,
        "own": 30,
    }
    assert used_bytes(log.view, "t1") == sum(r["bytes"] for r in log.records())
    log.say(memory_id="new")
    assert dates(log)["new"][0] == 100
    assert not list(log.view.scan(WorkRow, WorkRow.kind))
    log.wait(30, ticks=1)
    assert set(dates(log)) == {"none", "new"}
    # Without the rules the rest stays.
    log.append(RetentionSet(None, None))
    log.wait(DAY // SECOND, ticks=2)
    assert dates(log) == {"none": (None, None), "new": (None, None)}
    assert not [row for kind in (DeadlineRow, DateRow) for row in log.view.scan(kind, kind.kind)]
    assert used_bytes(log.view, "t1") == sum(r["bytes"] for r in log.records())


def test_rules_change_before_all_are_filed_anew() -> None:
    log = MemoryLog()
    log.say(memory_id="a", given={"ttl_seconds": 500})
    log.say(memory_id="b")
    log.append(RetentionSet(20, None))
    log.append(RetentionSet(1_000, 600))
    log.wait(30, ticks=1)
    assert {name: ttl for name, (ttl, _) in dates(log).items()} == {"a": 600, "b": 1_000}
    # The other way: what was filed late is due early, and is seen by nobody at once.
    log.append(RetentionSet(30, None))
    assert set(dates(log)) == {"a"}
    log.wait(0, ticks=2)
    assert [key for key, _ in log.view.scan(MemoryRow, b"m/")] == [memory_key("t1", "a")]


def test_a_default_is_due_on_arrival_too() -> None:
    log = MemoryLog()
    log.append(RetentionSet(60, None))
    [said] = log.say(memory_id="m", time=log.now - 60 * SECOND)
    assert (said.type, data(said)["details"]["ttl_seconds"]) == ("memory.expired", 60)
    log.append(RetentionSet(None, None))
    log.say(memory_id="m", time=log.now - 60 * SECOND)
    assert set(dates(log)) == {"m"}


def test_rules_are_a_tenants_own() -> None:
    log = MemoryLog()
    log.say(memory_id="m", tenant="t2")
    log.append(RetentionSet(1, None))
    log.wait(5, ticks=3)
    assert [r["ttl_seconds"] for r in log.records("t2")] == [None]


def test_the_same_rules_again_are_no_work() -> None:
    log = MemoryLog()
    log.append(RetentionSet(5, None))
    log.wait(0, ticks=2)
    log.append(RetentionSet(5, None))
    assert not list(log.view.scan(WorkRow, WorkRow.kind))


def test_a_pass_over_many_memories_is_bounded_and_folds_to_the_same() -> None:
    log = MemoryLog(MemoryView())
    for number in range(130):
        log.say(memory_id=f"m{number}")
    log.append(RetentionSet(10**6, None))
    ticks = 0
    while list(log.view.scan(WorkRow, WorkRow.kind)):
        changes = log.view.changes
        log.wait(0, ticks=1)
        assert log.view.changes - changes < 1_000
        ticks += 1
    assert 3 <= ticks <= 5
    assert len(list(log.view.scan(DeadlineRow, DeadlineRow.kind))) == 130
    assert used_bytes(log.view, "t1") == sum(r["bytes"] for r in log.records())
    again = MemoryView()
    assert refolded(again, log.entries) == log.outputs
    assert again.encoded() == log.view.encoded()


def test_what_was_stored_before_deadlines_were_is_filed() -> None:
    log = MemoryLog()
    log.say(memory_id="m", given={"ttl_seconds": 60})
    kinds = tuple(kind.kind for kind in ROWS)
    for key in [key for key in log.view.rows if key.startswith(kinds)]:
        log.view.delete(key)
    log.wait(60)
    log.log_time = log.now
    assert log.records() == []
    log.wait(0, ticks=2)
    assert list(log.view.scan(MemoryRow, MemoryRow.kind)) == []
    assert [row.dating for _, row in log.view.scan(ForgetRow, ForgetRow.kind)] == [None]


@pytest.mark.parametrize("how", ["ttl", "ids", "subject"])
def test_of_many_that_go_with_one_record_it_is_made_anew_once(how: str) -> None:
    log = Log()
    given: dict[str, Any] = {"subject": "who"} | ({"ttl_seconds": 60} if how == "ttl" else {})
    for number in range(100):
        log.say("same", memory_id=f"m{number:03}", given=given)
    log.wait(1)
    for number in range(2):
        log.say("same", memory_id=f"stays{number}", given={"subject": "who"})
    log.consolidate()
    log.wait(2, ticks=3)
    [one] = log.made()
    assert len(one["sources"]) == 102
    if how == "subject":
        log.erase(subject="who", time=log.now - 3 * SECOND)
    elif how == "ids":
        log.erase(*(f"m{number:03}" for number in range(100)))
    log.wait(60)
    left = {"ttl": 102, "ids": 52, "subject": 52}[how]
    at_once = {"ttl": DUE_AT_ONCE, "ids": 50, "subject": 50}[how]
    while left > 2:
        changes, at = log.view.changes, len(log.outputs)
        log.wait(0, ticks=1)
        told = [data(o) for o in log.outputs[at:] if o.type == "memory.consolidated"]
        left = max(2, left - at_once)
        assert [len(each["members"]) for each in told if "members" in each] == [left]
        assert log.view.changes - changes < 1_000
    assert [row.consolidated for _, row in log.view.scan(MemoryRow, MemoryRow.kind)].count(
        True
    ) == 1
    assert stored(log) == used_bytes(log.view, "t1")
