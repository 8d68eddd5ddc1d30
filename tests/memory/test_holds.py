"""What is on hold stays, and goes when it is released; by examples."""

import json
from typing import Any

import pytest
from usage.writer import data

from memory.memory_log import MemoryLog
from memory.test_consolidation import Log
from memory.test_expiry import found
from streams.core.fold import Output
from streams.core.log import RetentionSet
from streams.core.time import SECOND
from streams.memory import consolidation_rows
from streams.memory.forget_rows import DeadlineRow, ForgetRow, RulesRow, WorkRow
from streams.memory.hold_commands import AT_ONCE
from streams.memory.memories import RECORDS
from streams.memory.prunable import least_first
from streams.memory.rows import MemoryRow, id_of, id_of_worth

LARGE = "x" * 300_000


def prunable(log: MemoryLog) -> set[str]:
    return {id_of_worth(worth) for worth in least_first(log.view, "t1")}


def outcomes(outputs: list[Output]) -> list[tuple[str, str, str | None]]:
    return [(o.type, data(o)["outcome"], data(o)["error"]) for o in outputs if o.data]


@pytest.mark.parametrize("by_subject", [True, False])
def test_a_held_memory_outlives_its_ttl_and_goes_when_it_is_released(by_subject: bool) -> None:
    log = MemoryLog()
    about = {"subject": "who"} if by_subject else {}
    names = () if by_subject else ("m", "n")
    log.say(memory_id="m", given={"ttl_seconds": 60, "subject": "who"})
    log.say(memory_id="n", given={"ttl_seconds": 10**6, "subject": "who"})
    log.say(memory_id="other", given={"ttl_seconds": 60})
    [said] = log.keep(*names, **about)
    assert outcomes([said]) == [("hold.set", "done", None)]
    assert data(said)["target"]["kind"] == ("subject" if by_subject else "memories")
    log.wait(60, ticks=3)
    assert set(log.tiers()) == {"m", "n"} == set(found(log))
    # It is used and corrected as any other, and still there.
    log.access(("m", 1))
    log.say("corrected", memory_id="m")
    log.wait(5, ticks=3)
    assert {r["id"]: r["revision"] for r in log.records()} == {"m": 2, "n": 1}
    assert outcomes(log.release(*names, **about)) == [("hold.released", "done", None)]
    assert set(log.tiers()) == {"n"} == set(found(log))
    log.wait(0, ticks=2)
    assert len(list(log.view.scan(MemoryRow, b"m/"))) == 1
    assert len(list(log.view.scan(DeadlineRow, DeadlineRow.kind))) == 1
    assert not list(log.view.scan(WorkRow, WorkRow.kind))
    assert [row.holds for _, row in log.view.scan(RulesRow, RulesRow.kind)] == [0]


def test_pressure_passes_over_what_is_on_hold() -> None:
    log = MemoryLog()
    log.quota(1)
    low = {"priority": "LOW"}
    log.say(LARGE, memory_id="a", given=low | {"subject": "who"})
    log.say(LARGE, memory_id="b", given=low)
    log.say(LARGE, memory_id="c", given=low)
    log.keep(subject="who")
    log.keep("b")
    assert prunable(log) == {"c"}
    log.say(LARGE, memory_id="d")
    assert set(log.tiers()) == {"a", "b", "d"}
    log.wait(0, ticks=2)
    # Accessed or corrected, it still is none that may go.
    log.access(("a", 1), ("b", 1))
    assert prunable(log) == {"d"}
    log.say(LARGE, memory_id="e", given=low)
    assert len(log.refused) == 1
    log.release(subject="who")
    log.release("b")
    log.wait(0, ticks=2)
    assert prunable(log) == {"a", "b", "d"}
    log.say(LARGE, memory_id="e", given={"priority": "HIGH"})
    assert set(log.tiers()) == {"a", "d", "e"} or set(log.tiers()) == {"b", "d", "e"}


def test_holds_overlap_and_come_before_what_they_hold() -> None:
    log = MemoryLog()
    log.keep("m")
    log.keep(subject="who")
    log.say(memory_id="m", given={"ttl_seconds": 1, "subject": "who"})
    assert data(log.keep("m")[0])["details"] == {"memory_ids": ["m"], "new": 0}
    log.wait(1, ticks=2)
    log.release("m")
    log.wait(1, ticks=2)
    assert set(log.tiers()) == {"m"}
    assert outcomes(log.release("m")) == [("hold.released", "rejected", "not_found")]
    log.release(subject="who")
    log.wait(1, ticks=2)
    assert log.tiers() == {}


def test_a_due_memory_is_kept_if_the_hold_comes_before_the_tick() -> None:
    log = MemoryLog()
    log.say(memory_id="m", given={"ttl_seconds": 1, "subject": "who"})
    log.now += 5 * SECOND
    log.keep(subject="who")
    log.wait(0, ticks=2)
    assert set(log.tiers()) == {"m"}


def test_many_memories_of_a_subject_are_settled_by_ticks() -> None:
    log = MemoryLog()
    log.wait(0, ticks=1)
    for number in range(2 * AT_ONCE + 1):
        log.say(memory_id=f"m{number}", given={"subject": "who"})
    log.keep(subject="who")
    assert prunable(log) == set()
    for _ in range(3):
        changes = log.view.changes
        log.wait(0, ticks=1)
        assert log.view.changes - changes < 1_000
    assert not list(log.view.scan(WorkRow, WorkRow.kind))
    assert [key for key, _ in log.view.scan(ForgetRow, ForgetRow.kind)] == [b"8/\x00"]
    log.release(subject="who")
    log.wait(0, ticks=3)
    assert len(prunable(log)) == 2 * AT_ONCE + 1


def test_a_hold_is_its_tenants_alone() -> None:
    log = MemoryLog()
    log.say(memory_id="m", given={"ttl_seconds": 1, "subject": "who"}, tenant="t2")
    log.keep(subject="who")
    log.keep("m")
    log.wait(1, ticks=1)
    assert log.records("t2") == []


def merged(**given: Any) -> tuple[Log, str]:
    """Three memories merged, and as what."""
    log = Log()
    for name in "abc":
        log.say("same", memory_id=name, given=given)
    log.consolidate()
    return log, log.made()[0]["id"]


def test_members_that_came_due_while_all_of_it_was_on_hold_go_when_it_is_released() -> None:
    log, whole = merged(ttl_seconds=60)
    log.keep(whole)
    log.wait(60, ticks=2)
    assert log.made()[0]["sources"] == ["a", "b", "c"]
    log.release(whole)
    assert log.records() == []
    log.wait(0, ticks=3)
    assert not list(log.view.scan(MemoryRow, MemoryRow.kind))
    work = log.view.scan(consolidation_rows.WorkRow, consolidation_rows.WorkRow.kind)
    assert "free" not in {row.what for _, row in work}


def test_pressure_passes_over_a_consolidated_memory_while_a_member_is_on_hold() -> None:
    log, whole = merged()
    log.keep("b", "c")
    log.access((whole, 1))
    assert prunable(log) == set()
    log.release("b")
    assert prunable(log) == set()
    log.release("c")
    assert prunable(log) == {whole}


def test_what_leaves_a_consolidated_memory_that_is_on_hold_is_on_hold_no_more() -> None:
    log, whole = merged()
    log.keep(whole)
    [said] = log.erase("a", "b")
    assert data(said)["outcome"] == "deferred"
    assert log.made()[0]["sources"] == ["a", "b", "c"]
    log.split(whole)
    assert set(log.tiers()) == {"c"} == set(found(log))
    log.wait(0, ticks=1)
    assert [id_of(key) for key, _ in log.view.scan(MemoryRow, MemoryRow.kind)] == ["c"]
    said = [o for o in log.outputs if o.type == "memory.erased"][-1]
    assert data(said)["outcome"] == "done"


def test_a_release_before_dating_keeps_no_record_from_going_out() -> None:
    """A fault run found it: the release filed the new deadline, and dating saw nothing to tell."""
    log = MemoryLog()
    log.say("x", memory_id="m", given={"subject": "A"})
    log.keep("m")
    log.append(RetentionSet(600, None))
    log.release("m")
    log.wait(1, ticks=3)
    sent = [json.loads(o.data) for o in log.outputs if o.topic == RECORDS and o.data]
    assert sent[-1]["ttl_seconds"] == log.records()[0]["ttl_seconds"] == 600
