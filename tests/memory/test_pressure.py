"""A full tenant: what goes, what the reserve takes, what has no room, and what is refused."""

from collections import Counter
from typing import Any

import msgspec
import pytest
from msgspec import structs
from usage.writer import ZERO, an_entry, data

from memory.memory_log import MemoryLog
from streams.core.errors import ApiError
from streams.core.fold import Output
from streams.core.journal import AlertRow, AuditRow
from streams.core.log import CORRECTABLE, Content, Message, Origin, StateSet, Vector
from streams.core.sweep import SweepRow
from streams.memory import pressure
from streams.memory.bytes import bytes_of, used_bytes
from streams.memory.erase import AT_ONCE
from streams.memory.leases import held
from streams.memory.memories import RECORDS
from streams.memory.read import state
from streams.memory.recall import memory
from streams.memory.rows import (
    LEASE_KEY,
    CountRow,
    MemoryRow,
    PrunableRow,
    QuotaRow,
    TimelineRow,
    VectorRow,
    memory_key,
)
from streams.usage.read import refusal
from streams.usage.rows import RefusedRow

MB = 1 << 20
LARGE = "x" * (MB // 4)
"""Three of these fit in 1 MB, the fourth does not."""
LOW, MEDIUM, HIGH, CRITICAL = ({"priority": p} for p in ("LOW", "MEDIUM", "HIGH", "CRITICAL"))


def full(*written: tuple[str, dict[str, Any]], text: str = LARGE, mb: int = 1) -> MemoryLog:
    """A log of a tenant with a quota that wrote these memories, an hour apart."""
    log = MemoryLog()
    log.quota(mb)
    for memory_id, given in written:
        log.wait(3_600)
        log.say(text, memory_id=memory_id, given=given)
    log.wait(3_600)
    return log


def went(outputs: list[Output]) -> list[tuple[str, str]]:
    """Type and memory of each audit record, tombstone and alert, those about thresholds apart."""
    return [
        ("tombstone" if output.data is None else output.type, output.subject)
        for output in outputs
        if (output.topic != RECORDS or output.data is None)
        and output.type != "quota.threshold.crossed"
    ]


def pruned(*ids: str) -> list[tuple[str, str]]:
    return [(kind, each) for each in ids for kind in ("tombstone", "memory.pruned")]


def there(log: MemoryLog) -> set[str]:
    return set(log.tiers())


def hold_reserve(log: MemoryLog, reserve: int, total: int) -> None:
    lease = held(log.view, an_entry())
    log.view.put(LEASE_KEY, structs.replace(lease, reserve=reserve, reserve_total=total))


def test_the_least_valuable_goes_with_all_that_is_kept_of_it() -> None:
    log = full(("a", MEDIUM), ("b", {}), text="x")
    log.say(LARGE * 2, memory_id="old", given=LOW, vector=Vector("m", 0.1, b"v" * 8))
    log.say(LARGE, memory_id="keep", given=LOW | {"agent": "other"})
    before = used_bytes(log.view, "t1")
    removed = next(r for r in log.records() if r["id"] == "old")
    log.wait(3_600)
    outputs = log.say(LARGE, memory_id="new", given=LOW)
    assert went(outputs) == pruned("old")
    tombstone = outputs[0]
    assert (tombstone.topic, tombstone.key) == (RECORDS, "t1/old")
    assert data(outputs[1])["details"] == {
        "priority": "LOW",
        "bytes": removed["bytes"],
        "used_bytes": before - removed["bytes"],
        "quota_mb": 1,
        "reason": "write",
    }
    assert data(outputs[1])["actor"] == "/test"
    assert there(log) == {"a", "b", "keep", "new"}
    with pytest.raises(ApiError, match="no memory old"):
        memory(log.view, "t1", "old", log_time=log.now)
    assert not [key for key in log.view.rows if b"old" in key]
    assert log.view.get(CountRow, b"l/t1\x00") == CountRow(4, 0)
    assert sum(r["bytes"] for r in log.records()) == used_bytes(log.view, "t1")


def test_what_is_pruned_is_the_least_by_class_then_by_use_and_bytes_then_by_id() -> None:
    log = full(("h", HIGH), ("m", MEDIUM), ("l", LOW))
    assert went(log.say(LARGE, memory_id="n", given=HIGH)) == pruned("l")
    assert went(log.say(LARGE, memory_id="o", given=HIGH)) == pruned("m")
    assert went(log.say(LARGE, memory_id="p", given=HIGH)) == pruned("h")
    log = full(("a", MEDIUM), ("b", MEDIUM), ("c", MEDIUM))
    log.access(("a", 1))
    assert went(log.say(LARGE, memory_id="d")) == pruned("b")
    log = full(text=LARGE)
    for memory_id in "bca":
        log.say(LARGE, memory_id=memory_id)
    log.wait(1)
    assert went(log.say(LARGE, memory_id="d")) == pruned("a")
    log = MemoryLog()
    log.quota(1)
    log.say(LARGE + "yy", memory_id="larger")
    log.say(LARGE, memory_id="a")
    log.say(LARGE, memory_id="b")
    log.wait(1)
    assert went(log.say(LARGE, memory_id="d")) == pruned("larger")


def test_only_as_many_go_as_are_needed() -> None:
    log = full(*((f"m{n}", LOW) for n in range(9)), text="x" * (MB // 10))
    assert went(log.say("x" * (MB // 10), memory_id="n")) == pruned("m0")
    log.wait(1)
    assert went(log.say(LARGE, memory_id="o")) == pruned("m1", "m2")


def test_what_is_worth_less_than_all_is_refused_and_nothing_goes_for_it() -> None:
    log = full(("h", HIGH), ("m", MEDIUM), ("i", HIGH))
    before = log.view.encoded()
    outputs = log.say(LARGE, memory_id="n", given=LOW)
    assert went(outputs) == [("quota.rejected", "n")]
    found = data(outputs[0])
    assert (found["outcome"], found["error"]) == ("rejected", "quota_exceeded")
    assert found["target"] == {"kind": "memory", "id": "n"}
    assert "xxx" not in outputs[0].data.decode()  # type: ignore[union-attr]
    changed = {key[:2] for key, _ in log.view.encoded().items() - before.items()}
    assert changed == {row.kind for row in (AlertRow, AuditRow, QuotaRow, RefusedRow, SweepRow)}
    # One that would have to go is not enough, and what else there is is worth more.
    assert went(log.say(LARGE * 2, memory_id="n")) == [("quota.rejected", "n")]
    assert there(log) == {"h", "m", "i"}


def test_what_is_refused_lies_in_the_dlq_as_it_was_admitted() -> None:
    log = full(*((name, HIGH) for name in "abc"))
    given: dict[str, Any] = {
        "priority": "LOW",
        "agent": "x",
        "session": "s",
        "context_tags": ("é", "b"),
        "ttl_seconds": 10**6,
        "cost_attribution": "team",
        "cluster_state": {"cluster": "eu-1", "n": [1]},
        "pipeline_context": ("p",),
        "related_memories": ("a",),
        "subject": "who",
        "metadata": {"k": 2**70},
    }
    assert set(given) == set(CORRECTABLE)
    log.say(LARGE, memory_id="n", given=given)
    log.say(LARGE)
    first, second = log.refused
    listed = {
        key: list(value) if isinstance(value, tuple) else value for key, value in given.items()
    }
    assert (first.code, first.type, first.whole) == ("quota_exceeded", "agent.message", True)
    assert msgspec.json.decode(first.data) == {"content": LARGE, "memory_id": "n"} | listed
    assert msgspec.json.decode(second.data) == {"content": LARGE}
    content = Content(LARGE, 2, (), None, None, None, (), None, None, None, ())
    log.append(Message("", "", "", "", structs.replace(ZERO, computed=5), content))
    assert (log.refused[2].whole, log.refused[2].data) == (False, second.data)


def test_who_waits_for_what_was_refused_is_told() -> None:
    log = full(*((name, HIGH) for name in "abc"))
    log.say(LARGE, origin=Origin("agent.messages.v1", 0, 2, 77))
    assert refusal(log.view, "t1", "agent.messages.v1", 2, 77) == "quota_exceeded"
    assert refusal(log.view, "t2", "agent.messages.v1", 2, 77) is None


def test_critical_memories_are_never_pruned_and_always_stored() -> None:
    log = full(*((name, CRITICAL) for name in "abc"))
    for name in "de":
        log.wait(60)
        outputs = log.say(LARGE, memory_id=name, given=CRITICAL)
        assert ("quota.critical.overflow", "quota") in went(outputs) if name == "d" else True
    assert went(log.say(LARGE, memory_id="f", given=HIGH)) == [("quota.rejected", "f")]
    assert there(log) == set("abcde")
    row = bytes_of(log.view, "t1")
    assert row.over == row.used - MB
    assert Counter(kind for kind, _ in went(log.outputs))["quota.critical.overflow"] == 1


def test_an_overflow_is_told_once_an_hour() -> None:
    log = full(*((name, CRITICAL) for name in "abc"))
    outputs = log.say(LARGE, memory_id="d", given=CRITICAL)
    [alert] = [output for output in outputs if output.type == "quota.critical.overflow"]
    found = data(alert)
    assert found["period_start"] == "2026-03-02T16:00:00.000000Z"
    assert (found["severity"], found["quota_mb"], found["threshold_percent"]) == (
        "critical",
        1,
        None,
    )
    assert found["used_bytes"] == used_bytes(log.view, "t1")
    assert found["cause"]["source"] == "/test"
    log.wait(3_599, ticks=2)
    assert went(log.say(LARGE, memory_id="e", given=CRITICAL)) == []
    log.wait(1)
    [again] = [o for o in log.say("x", given=CRITICAL) if o.type == "quota.critical.overflow"]
    assert data(again)["alert_id"] != found["alert_id"]


def test_critical_and_high_are_let_into_the_reserve_by_class_and_fair_share() -> None:
    for tier, part in (("compliance", 2), ("critical", 4), ("standard", 8)):
        log = full(*((name, HIGH) for name in "abc"))
        log.quota(1, tier)
        hold_reserve(log, 100 * MB, part * MB)
        assert went(log.say(LARGE, memory_id="m")) == [("quota.rejected", "m")]
        # All that is worth less goes first; then a HIGH one may have half of the share.
        log.access(("a", 9), ("b", 9), ("c", 9))
        assert went(log.say(LARGE, memory_id="h0", given=HIGH))[-1:] != [("quota.rejected", "h0")]
        assert bytes_of(log.view, "t1").reserved == used_bytes(log.view, "t1") - MB
        assert went(log.say(LARGE, memory_id="h1", given=HIGH)) == pruned("h0")
        assert there(log) == {*"abc", "h1"}
        for name in ("c0", "c1", "c2", "c3"):
            log.say(LARGE * 4, memory_id=name, given=CRITICAL)
        row = bytes_of(log.view, "t1")
        assert there(log) == {"c0", "c1", "c2", "c3"}
        assert (row.reserved, row.over) == (MB, row.used - 2 * MB)
        assert held(log.view, an_entry()).reserve_used == MB


def test_the_reserve_serves_as_far_as_this_partition_has_some() -> None:
    log = full(*((name, CRITICAL) for name in "abc"))
    hold_reserve(log, 1000, 100 * MB)
    log.say(LARGE, memory_id="d", given=CRITICAL)
    assert bytes_of(log.view, "t1").reserved == 1000
    assert went(log.say(LARGE, memory_id="h", given=HIGH)) == [("quota.rejected", "h")]


def test_a_correction_that_grows_needs_room_and_does_not_go_for_itself() -> None:
    log = full(("a", LOW), ("b", HIGH), ("c", HIGH))
    assert went(log.say(LARGE * 2, memory_id="a")) == [("quota.rejected", "a")]
    [record] = [r for r in log.records() if r["id"] == "a"]
    assert (record["revision"], record["content"], record["priority"]) == (1, LARGE, "LOW")
    assert went(log.say(LARGE * 2, memory_id="b", given=HIGH)) == pruned("a")
    assert went(log.say("short", memory_id="c", given=LOW)) == []


def test_a_tenants_pressure_is_its_own() -> None:
    log = full(*((name, LOW) for name in "abc"))
    log.say(LARGE, memory_id="theirs", given=LOW, tenant="t2")
    log.say(LARGE, memory_id="d")
    assert there(log) == set("bcd")
    assert [record["id"] for record in log.records("t2")] == ["theirs"]


def test_tenants_without_a_quota_make_room_for_themselves_alone() -> None:
    log = MemoryLog()
    log.hold(MB)
    log.say(LARGE * 2, memory_id="theirs", given=LOW, tenant="t2")
    log.say(LARGE, memory_id="mine", given=LOW)
    log.wait(1)
    assert went(log.say(LARGE, memory_id="next", given=LOW)) == pruned("mine")
    assert went(log.say(LARGE * 2, memory_id="large", given=HIGH)) == [("quota.rejected", "large")]
    details = data(next(o for o in log.outputs if o.type == "memory.pruned"))["details"]
    assert (details["quota_mb"], details["reason"]) == (None, "write")
    lease = held(log.view, an_entry())
    assert lease.pool_used == used_bytes(log.view, "t1") + used_bytes(log.view, "t2") <= MB


def test_one_record_removes_a_bounded_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pressure, "AT_ONCE", 2)
    log = full(*((f"m{n}", LOW) for n in range(9)), text="x" * (MB // 10))
    log.limit(3)
    # Six have to go: ticks see to the rest, and the tenant has more than its room meanwhile.
    assert went(log.say("x" * (MB // 2 + MB // 10), memory_id="n")) == pruned("m0", "m1")
    assert bytes_of(log.view, "t1").over
    assert went(log.say("x" * (MB // 4), memory_id="o")) == [("quota.rejected", "o")]
    assert went(log.say("x", memory_id="o")) == pruned("m2")
    log.wait(1, ticks=1)
    assert not bytes_of(log.view, "t1").over
    assert {"n", "o"} < there(log)


def test_a_large_write_over_many_small_ones_changes_few_rows() -> None:
    log = MemoryLog()
    log.quota(1)
    number = 0
    while used_bytes(log.view, "t1") < MB - 1_000:
        log.say("x", memory_id=f"m{number}", given=LOW)
        number += 1
    log.wait(1)
    before = log.view.changes
    log.say("x" * 500_000, memory_id="large")
    assert log.view.changes - before < 1_000
    assert len(there(log)) == number - pressure.AT_ONCE + 1
    ticks = 0
    while bytes_of(log.view, "t1").over:
        before = log.view.changes
        log.wait(1, ticks=1)
        assert log.view.changes - before < 1_000
        ticks += 1
    assert 2 < ticks < 40
    kept = there(log)
    assert "large" in kept
    # No more than needed went.
    assert MB - used_bytes(log.view, "t1") < 1_000
    for kind in (MemoryRow, TimelineRow, PrunableRow):
        assert sum(1 for _ in log.view.scan(kind, kind.kind)) == len(kept)
    assert not list(log.view.scan(VectorRow, VectorRow.kind))


def test_state_makes_room_as_a_medium_memory_or_is_refused() -> None:
    log = full(("l", LOW), ("m", MEDIUM), ("h", HIGH))

    def put(key: str, size: int) -> list[Output]:
        log.wait(1)
        value = b'"%b"' % (b"y" * size)
        return log.append(StateSet("a1", key, value, None, 60))

    for number in range(4):
        assert went(put(f"k{number}", 60_000)) == [("state.set", f"a1/k{number}")]
    assert went(put("k4", 60_000)) == [*pruned("l"), ("state.set", "a1/k4")]
    for number in range(5, 9):
        put(f"k{number}", 60_000)
    assert there(log) == {"h"}
    assert went(put("k9", 60_000)) == [("state.set", "a1/k9")]
    while not log.refused:
        outputs = put(f"n{len(log.entries)}", 60_000)
    found = data(outputs[0])
    assert (found["outcome"], found["error"]) == ("rejected", "quota_exceeded")
    assert "full" in found["details"]["detail"]
    [letter] = log.refused
    refused = msgspec.json.decode(letter.data)
    assert (letter.type, letter.whole, refused.pop("value")) == ("state.set", True, "y" * 60_000)
    assert refused == {"agent": "a1", "key": found["details"]["key"], "ttl_seconds": 60}
    assert there(log) == {"h"}
    # What is no larger needs no room.
    assert went(put("k9", 60_000)) == [("state.set", "a1/k9")]
    with pytest.raises(ApiError, match="no state"):
        state(log.view, "t1", "a1", refused["key"], log_time=log.log_time)


def test_what_is_due_goes_as_such() -> None:
    """Its deadline came first, though no tick has come since."""
    log = MemoryLog()
    log.hold(1_500)
    log.say("x" * 300, memory_id="due", given={"ttl_seconds": 60})
    log.wait(60)
    outputs = log.say("y" * 900, memory_id="new", given={"priority": "HIGH"})
    assert [o.type for o in outputs if o.subject == "due" and o.data] == ["memory.expired"]
    assert set(log.tiers()) == {"new"}


def test_what_was_erased_stays_so_where_pressure_comes_first() -> None:
    """It had gone without its id, and came back under it."""
    log = MemoryLog()
    log.hold(60_000)
    for number in range(AT_ONCE + 1):
        log.say("x" * 300, memory_id=f"m{number:03}", given={"subject": "x"})
    log.erase(subject="x")
    last = f"m{AT_ONCE:03}"
    assert log.view.get(MemoryRow, memory_key("t1", last)) is not None
    log.say("y" * 59_000, memory_id="new", given={"priority": "CRITICAL"})
    assert log.view.get(MemoryRow, memory_key("t1", last)) is None
    log.wait(1)
    outputs = log.say("back", memory_id=last)
    assert [o.type for o in outputs] == ["memory.erased"]
