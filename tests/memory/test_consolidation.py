"""Consolidation by example: what is merged, what is left alone, and what comes back."""

import json
from typing import Any

import pytest
from usage.memory_view import MemoryView
from usage.writer import data, refolded

from memory.memory_log import MemoryLog
from streams.core.errors import ApiError
from streams.core.fold import Output
from streams.core.log import DEFAULT_CONFIG, MemoryConsolidate, MemorySplit, Tick, Vector
from streams.core.rows import tenant_key
from streams.core.time import HOUR, SECOND
from streams.memory.bytes import used_bytes
from streams.memory.consolidation_rows import ConsolidatedRow, WorkRow
from streams.memory.documents import page
from streams.memory.index import TenantIndex
from streams.memory.prunable import least_first
from streams.memory.ranking import Filters, search
from streams.memory.recall import memory
from streams.memory.rows import MemoryRow, id_of_worth

WINDOW = DEFAULT_CONFIG.consolidate_window_hours * 3_600
EVERY = DEFAULT_CONFIG.consolidate_every_seconds


class Log(MemoryLog):
    """A log with commands about consolidation."""

    def consolidate(self, hours: int | None = None, **rest: Any) -> list[Output]:
        return self.append(MemoryConsolidate(hours), **rest)

    def split(self, memory_id: str, **rest: Any) -> list[Output]:
        return self.append(MemorySplit(memory_id), **rest)

    def get(self, memory_id: str, tenant: str = "t1") -> dict[str, Any]:
        found = memory(self.view, tenant, memory_id, log_time=self.now)
        record: dict[str, Any] = json.loads(bytes(found))
        return record

    def made(self, tenant: str = "t1") -> list[dict[str, Any]]:
        """Consolidated memories that are there."""
        return [each for each in self.records(tenant) if each["kind"] == "consolidated"]


def stored(log: Log, tenant: str = "t1") -> int:
    """Bytes that the rows say."""
    prefix = tenant.encode() + b"\0"
    rows = log.view.scan(MemoryRow, MemoryRow.kind + prefix)
    made = log.view.scan(ConsolidatedRow, ConsolidatedRow.kind + prefix)
    return sum(row.size for _, row in rows) + sum(row.held for _, row in made)


def word(number: int) -> str:
    """A word of its own for a number, which a template would take for a value."""
    return "".join("abcdefghij"[int(digit)] for digit in f"{number:06}")


def commands(log: Log, tenant: str) -> list[WorkRow]:
    """A tenant's runs that are not done."""
    return [row for _, row in log.view.scan(WorkRow, tenant_key(WorkRow, tenant)) if row.id]


def three(**given: Any) -> Log:
    log = Log()
    for name in "abc":
        log.wait(1)
        log.say("the gate is shut", memory_id=name, given=given)
    return log


def test_what_is_the_same_becomes_one() -> None:
    log = three(priority="HIGH", agent="x")
    before = [log.get(name) for name in "abc"]
    told = log.consolidate()
    [one] = log.records()
    assert one["kind"] == "consolidated"
    assert one["sources"] == ["a", "b", "c"]
    assert one["content"].startswith("the gate is shut (3 times, ")
    assert (one["priority"], one["agent"], one["tier"]) == ("HIGH", "x", "working")
    assert one["timestamp"] == before[2]["timestamp"]
    for record in before:
        assert log.get(record["id"]) == record | {
            "tier": "archived",
            "consolidated_into": one["id"],
            "bytes": record["bytes"] + len('"archived"') - len('"working"') + 36 + 2 - 4,
        }
    [said] = [data(output) for output in told if output.type == "memory.consolidated"][:1]
    assert said["members"] == ["a", "b", "c"]
    assert said["bytes_before"] == sum(record["bytes"] for record in before)
    assert said["bytes_after"] == used_bytes(log.view, "t1") == stored(log)
    gone = [output.subject for output in told if output.data is None]
    assert gone == ["a", "b", "c"]
    [done] = [data(o) for o in told if o.topic == "tenant.audit.v1" and o.subject == "t1"]
    assert done["details"]["members"] == 3


def test_a_split_gives_back_what_was_there() -> None:
    log = Log()
    log.limit(2)
    for number, name in enumerate("abc"):
        log.wait(1)
        vector = Vector("m", 0.5, bytes([number, 3, 200])) if number else None
        log.say("same", memory_id=name, vector=vector, given={"session": name})
    log.access(("a", 3))
    before, rows = log.records(), dict(log.view.rows)
    log.consolidate()
    [one] = log.records()
    assert (one["session"], one["access_count"], one["embedding_model"]) == (None, 3, "m")
    told = log.split(one["id"])
    assert log.records() == before
    assert next(data(o) for o in told if o.type == "memory.split")["members"] == ["a", "b", "c"]
    kinds = (b"m/", b"v/", b"o/", b"q/", b"g/", b"Z/", b"l/")
    now = log.view.rows
    assert {k: v for k, v in now.items() if k[:2] in kinds} == {
        k: v for k, v in rows.items() if k[:2] in kinds
    }
    log.consolidate()
    assert log.records() == before


def test_a_corrected_memory_of_a_split_may_be_merged_again() -> None:
    log = three()
    log.consolidate()
    log.split(log.made()[0]["id"])
    for name in "ab":
        log.say("the gate is shut", memory_id=name)
    log.consolidate()
    [one] = log.made()
    assert one["sources"] == ["a", "b"]
    assert log.get("c")["tier"] == "working"


def test_runs_come_by_log_time() -> None:
    log = three()
    log.wait(1, ticks=1)
    log.wait(EVERY - 1, ticks=1)
    assert not log.made()
    log.wait(1, ticks=1)
    assert log.made()[0]["sources"] == ["a", "b", "c"]
    log.say("the gate is shut", memory_id="d")
    log.wait(EVERY, ticks=1)
    [one] = log.records()
    assert (one["sources"], one["revision"]) == (["a", "b", "c", "d"], 2)
    # Where nothing is new time changes no row: idle partitions need no new snapshot.
    log.wait(EVERY, ticks=1)
    assert not list(log.view.scan(WorkRow, WorkRow.kind))
    log.say("the gate is shut", memory_id="e")
    log.wait(1, ticks=1)
    log.wait(EVERY - 1, ticks=1)
    assert "e" not in log.made()[-1]["sources"]
    log.wait(1, ticks=1)
    assert log.made()[-1]["sources"] == ["a", "b", "c", "d", "e"]
    assert stored(log) == used_bytes(log.view, "t1")


def test_running_twice_changes_nothing_more() -> None:
    log = three()
    log.consolidate()
    rows = log.records()
    told = log.consolidate()
    assert log.records() == rows
    assert [output.topic for output in told] == ["tenant.audit.v1"]


def test_what_is_older_than_the_window_stays() -> None:
    log = three()
    log.wait(WINDOW + 1)
    log.say("the gate is shut", memory_id="d", time=log.now - 60_000_000)
    log.say("the gate is shut", memory_id="e")
    log.consolidate()
    assert log.made()[0]["sources"] == ["d", "e"]
    log.consolidate(WINDOW // 3_600 + 1)
    assert log.made()[0]["sources"] == ["a", "b", "c", "d", "e"]


def test_a_late_member_finds_its_place() -> None:
    log = three()
    log.consolidate()
    log.say("the gate is shut", memory_id="z", time=log.now - HOUR)
    log.consolidate()
    assert log.made()[0]["sources"] == ["z", "a", "b", "c"]
    assert log.made()[0]["timestamp"] == log.get("c")["timestamp"]


@pytest.mark.parametrize(
    "given",
    [
        {"agent": "other"},
        {"context_tags": ("x",)},
        {"pipeline_context": ("p",)},
        {"cluster_state": {"cluster": "eu"}},
        {"cost_attribution": "team"},
        {"subject": "who"},
    ],
)
def test_another_context_stays_apart(given: dict[str, Any]) -> None:
    log = Log()
    log.say("same", memory_id="a")
    log.say("same", memory_id="b", given=given)
    log.say("same", memory_id="c", tenant="t2")
    log.consolidate()
    assert not log.made()
    assert not log.made("t2")


def test_a_group_with_a_critical_memory_is_left_alone() -> None:
    log = three()
    log.say("the gate is shut", memory_id="d", given={"priority": "CRITICAL"})
    log.consolidate()
    assert not log.made()
    log.say("the gate is shut", memory_id="d", given={"priority": "LOW"})
    log.consolidate()
    assert log.made()[0]["sources"] == ["a", "b", "c", "d"]


def test_a_group_with_a_held_memory_is_left_alone() -> None:
    log = three()
    log.keep("b")
    log.consolidate()
    assert not log.made()
    log.release("b")
    log.consolidate()
    assert log.made()[0]["sources"] == ["a", "b", "c"]


def test_a_correction_takes_a_member_out() -> None:
    log = three()
    log.consolidate()
    log.say("the gate is open", memory_id="b")
    [one] = log.made()
    assert one["sources"] == ["a", "c"]
    assert log.get("b")["revision"] == 2
    assert log.get("b")["content"] == "the gate is open"
    assert stored(log) == used_bytes(log.view, "t1")
    log.say("the gate is open", memory_id="a")
    assert not log.made()
    assert {name: log.get(name)["tier"] for name in "abc"} == dict.fromkeys("abc", "working")
    log.consolidate()
    assert log.made()[0]["sources"] == ["a", "b"]


def test_many_are_merged_and_split_by_ticks() -> None:
    log = Log()
    for number in range(400):
        log.say("same", memory_id=f"m{number:03}")
    before = log.records()
    told = log.consolidate()
    assert not [o for o in told if o.topic == "tenant.audit.v1" and o.subject == "t1"]
    log.wait(1, ticks=12)
    sizes = sorted(len(each["sources"]) for each in log.made())
    assert sizes == [100, 300]
    assert stored(log) == used_bytes(log.view, "t1")
    done = [data(o) for o in log.outputs if o.topic == "tenant.audit.v1" and o.subject == "t1"]
    assert [one["details"]["members"] for one in done] == [400]
    for one in log.made():
        log.split(one["id"])
    log.wait(1, ticks=6)
    assert log.records() == before
    assert not list(log.view.scan(ConsolidatedRow, ConsolidatedRow.kind))
    splits = [data(o) for o in log.outputs if o.type == "memory.split" and "members" in data(o)]
    assert sorted(len(one["members"]) for one in splits) == [100, 300]


def test_no_record_changes_too_many_rows() -> None:
    log = Log(MemoryView())
    for number in range(700):
        word = chr(97 + number // 52) * 3 + chr(97 + number // 2 % 26)
        log.say(f"same {word}", memory_id=f"m{number:03}", vector=Vector("m", 1.0, b"ab"))
    most, changes = 0, log.view.changes
    log.consolidate()
    for _ in range(30):
        log.append(Tick(), tenant="")
        most = max(most, log.view.changes - changes)
        changes = log.view.changes
    assert len(log.made()) == 350
    assert most <= 1_000


def test_archived_members_are_listed_where_asked_for() -> None:
    log = three()
    log.consolidate()
    assert [each["id"] for each in log.records(tier="archived")] == ["a", "b", "c"]
    assert log.records(tier="archived")[0]["content"] == "the gate is shut"


def test_what_is_left_behind_is_seen_by_nobody() -> None:
    log = three()
    log.consolidate()
    [one] = log.made()
    log.quota(0)
    log.append(Tick(), tenant="")
    assert used_bytes(log.view, "t1") == 0
    for name in (one["id"], "a"):
        with pytest.raises(ApiError):
            log.get(name)
    log.append(Tick(), tenant="")
    assert not list(log.view.scan(MemoryRow, MemoryRow.kind))
    assert not [row for _, row in log.view.scan(WorkRow, WorkRow.kind) if row.what == "left"]


def test_a_split_of_nothing_is_refused() -> None:
    log = three()
    [told] = log.split("a")
    assert data(told)["error"] == "not_found"


def test_the_same_log_comes_to_the_same_rows() -> None:
    log = three()
    log.wait(EVERY, ticks=2)
    log.wait(EVERY, ticks=2)
    log.split(log.made()[0]["id"])
    again = MemoryView()
    assert refolded(again, log.entries) == log.outputs
    assert again.encoded() == log.view.encoded()


def test_instances_of_a_template_become_one_with_all_their_values() -> None:
    log = Log()
    said = [f"Removing base file /var/log/{n}.swp took 1{n} ms" for n in range(5)]
    for number, text in enumerate(said):
        log.say(text, memory_id=f"m{number}")
    log.say("Removing base file /var/log/9.swp failed", memory_id="other")
    told = log.consolidate()
    one, other = sorted(log.records(), key=lambda each: each["kind"])
    assert other["id"] == "other"
    assert one["sources"] == [f"m{number}" for number in range(5)]
    found = next(data(o) for o in told if o.type == "memory.consolidated")
    assert found["rule"] == "template"
    assert len({tuple(values) for values in found["values"]}) == 5
    assert [log.get(f"m{number}")["content"] for number in range(5)] == said
    log.say("Removing base file /x took 7 ms", memory_id="late", time=log.now - HOUR)
    log.consolidate()
    log.split(one["id"])
    assert [log.get(f"m{number}")["content"] for number in range(5)] == said
    assert log.get("late")["content"] == "Removing base file /x took 7 ms"
    assert stored(log) == used_bytes(log.view, "t1")


def test_a_consolidated_memory_is_found_by_any_value_of_its_members() -> None:
    log = Log()
    for number in range(40):
        log.say(f"task {7_000 + number} of /jobs/run-{number} ended", memory_id=f"m{number}")
        log.say(f"The night was quiet, said {chr(97 + number % 26)}{number}", given={"agent": "x"})
    log.consolidate()
    log.wait(1, ticks=3)
    [one] = [each for each in log.made() if each["agent"] is None]
    assert "7021" not in one["content"]
    found, end = page(log.view, "t1", b"", 1_000)
    assert end is None
    index = TenantIndex.of(found)
    best = search(index, "what became of task 7021?", Filters(), 1, log.now)
    assert [each.id for each in best] == [one["id"]]
    assert "m21" not in index


def test_merges_of_one_look_know_who_has_left_working_memory_meanwhile() -> None:
    """The first of them lets a lowered limit take others out; the partition was red for good."""
    log = Log()
    for first in range(0, 290, 58):
        for number in range(first, first + 58):
            log.say(f"badge {number} opened", memory_id=f"m{number:03}")
        log.consolidate()
        log.wait(1, ticks=2)
    for number in range(290, 348):
        log.say(f"badge {number} opened", memory_id=f"m{number:03}")
    log.limit(5)
    log.consolidate()
    log.wait(1, ticks=5)
    assert sum(len(one["sources"]) for one in log.made()) > 290


def test_who_is_on_hold_stays_with_a_consolidated_memory_of_another_subject() -> None:
    log = Log()
    for number in range(3):
        given = {"subject": "A", "priority": "LOW"}
        log.say(f"badge {number} opened", memory_id=f"m{number}", given=given)
    log.consolidate()
    (one,) = log.made()
    log.keep(subject="A")
    log.say("corrected words", memory_id=one["id"], given={"subject": "B"})
    log.erase(subject="B")
    log.erase(one["id"])
    log.wait(1, ticks=3)
    assert [log.get(f"m{number}")["content"] for number in range(3)] == [
        f"badge {number} opened" for number in range(3)
    ]


def test_a_hold_that_ends_lets_go_of_a_consolidated_memory_of_another_subject() -> None:
    log = Log()
    for number in range(3):
        log.say(f"badge {number} opened", given={"subject": "A", "priority": "LOW"})
    log.consolidate()
    (one,) = log.made()
    log.keep(subject="A")
    log.say("corrected words", memory_id=one["id"], given={"subject": "B"})
    assert not list(least_first(log.view, "t1"))
    log.release(subject="A")
    log.wait(1, ticks=1)
    assert [id_of_worth(worth) for worth in least_first(log.view, "t1")] == [one["id"]]


@pytest.mark.parametrize("ahead", [0, HOUR])
def test_who_always_has_something_new_keeps_nobody_waiting(ahead: int) -> None:
    log = Log()
    for tenant in ("busy", "t1"):
        log.say("the gate is shut", tenant=tenant)
        log.say("the gate is shut", tenant=tenant)
    log.wait(EVERY, ticks=1)
    log.wait(EVERY, ticks=1)
    for tenant in ("busy", "t1"):
        log.say("the door is open", tenant=tenant)
        log.say("the door is open", tenant=tenant)
    if ahead:
        log.say("the door is open", tenant="busy", time=log.now + EVERY * SECOND + ahead)
    log.wait(EVERY - 1, ticks=1)
    for _ in range(8):
        # More than a tick can merge.
        for _ in range(70):
            log.say("the door is open", tenant="busy")
        log.wait(1, ticks=1)
    assert len(log.made("t1")) == 2


def test_links_that_are_never_done_do_not_keep_merges_waiting() -> None:
    log = Log()
    log.limit(1_000_000, consolidate_every_seconds=5)
    number = 0
    for second in range(14):
        for _ in range(60):
            number += 1
            vector = Vector("m", 0.5, bytes([number % 251, 3, 200]))
            log.say(f"{word(number)} is new", tenant="busy", vector=vector)
        if second == 8:
            log.say("the gate is shut")
            log.say("the gate is shut")
        log.wait(1, ticks=1)
    assert len(log.made()) == 1


def test_what_is_of_a_time_to_come_is_merged_when_that_has_come() -> None:
    log = Log()
    log.say("the gate is shut")
    log.say("the gate is shut", time=log.now + HOUR)
    for _ in range(6):
        log.wait(EVERY, ticks=1)
    assert len(log.made()) == 1
    log.wait(EVERY, ticks=1)
    assert not list(log.view.scan(WorkRow, WorkRow.kind))


def test_many_commands_of_one_tenant_keep_nobody_waiting() -> None:
    log = Log()
    for number in range(700):
        log.say(f"{word(number)} is new")
        log.say(f"{word(number)} is new", tenant="amany")
        log.say(f"{word(number)} is newer", tenant="amany")
    for _ in range(25):
        log.consolidate(tenant="amany")
    log.consolidate()
    [before] = commands(log, "t1")
    for _ in range(4):
        log.consolidate(tenant="amany")
        log.wait(1, ticks=1)
    assert commands(log, "t1") != [before]


def test_a_command_about_many_keeps_nobody_waiting() -> None:
    log = three()
    for number in range(2_400):
        log.say(f"{word(number)} is new", tenant="xmany")
    log.wait(1, ticks=1)
    log.wait(EVERY)
    log.consolidate(tenant="xmany")
    while commands(log, "xmany") and not log.made():
        log.wait(1, ticks=1)
    assert commands(log, "xmany")
