"""What readers see of consolidated memories before ticks have come to them; by examples."""

import json
from typing import Any

import pytest
from usage.writer import data

from memory.test_consolidation import Log, stored
from streams.core.errors import ApiError
from streams.core.log import RetentionSet, Vector
from streams.core.time import SECOND, format_time
from streams.memory.answer import answer
from streams.memory.bytes import used_bytes
from streams.memory.documents import document
from streams.memory.hidden import hide
from streams.memory.index import TenantIndex
from streams.memory.question import Question
from streams.memory.ranking import Filters
from streams.memory.rows import MemoryRow, id_of

NAMES = "abcdef"


def say(log: Log, ttls: dict[str, int], **given: Any) -> dict[str, Any]:
    """Merge six memories, each with a value of its own; the consolidated one."""
    for number, name in enumerate(NAMES):
        log.wait(1)
        own = {"session": name, "metadata": {"own": name}, "related_memories": (f"of-{name}",)}
        own |= {"ttl_seconds": ttls[name]} if name in ttls else {}
        vector = Vector("m", 0.1, bytes([number, 9, 100]))
        text = f"task 70{number}1 of /jobs/run-{number} ended"
        log.say(text, memory_id=name, given=own | given, vector=vector)
    log.access(("a", 3), ("b", 2))
    log.consolidate()
    [one] = log.made()
    assert one["sources"] == list(NAMES)
    return one


class Searcher:
    """An index that follows what is committed, and nothing else, from search to search."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.index = TenantIndex()
        self.rows: dict[bytes, Any] = {}

    def find(self, query: str) -> list[tuple[str, str, float]]:
        """Id, content and score of all that a search finds."""
        log, index = self.log, self.index
        rows = {key: row for key, row in log.view.rows.items() if key[:2] in (b"m/", b"v/")}
        changed = [
            id_of(key)
            for key in sorted(rows.keys() | self.rows.keys())
            if rows.get(key) != self.rows.get(key)
        ]
        self.rows = rows
        for memory_id in dict.fromkeys(changed):
            made = document(log.view, "t1", memory_id)
            if made is None:
                index.remove(memory_id)
            else:
                index.update(made)
        hide(index, log.view, "t1", log.now)
        question = Question(query=query, limit=100, explain=True)
        found = answer(
            index,
            log.view,
            "t1",
            question,
            Filters(),
            now=log.now,
            vector=Vector("m", 0.1, bytes([2, 9, 100])),
        )
        results = json.loads(bytes(found.body))["results"]
        return [(r["memory"]["id"], r["memory"]["content"], r["score"]) for r in results]


def seen(log: Log) -> None:
    """Let readers know what time it is."""
    log.log_time = log.now


def gone(log: Log, name: str) -> bool:
    try:
        log.get(name)
    except ApiError:
        return True
    return False


def as_after_ticks(log: Log, missing: str) -> dict[str, Any]:
    """Whoever reads sees of a consolidated memory what ticks will make of it; that."""
    seen(log)
    searcher = Searcher(log)
    [before] = log.made()
    [same] = log.records()
    assert same == before == log.get(before["id"])
    found = searcher.find("what about 7021, 7041, 7011?")
    for name in NAMES:
        assert gone(log, name) == (name in missing)
    archived = [each["id"] for each in log.records(tier="archived")]
    assert archived == [name for name in NAMES if name not in missing]
    log.wait(0, ticks=2)
    [after] = log.made()
    assert before | {"revision": 2} == after
    assert searcher.find("what about 7021, 7041, 7011?") == found
    assert Searcher(log).find("what about 7021, 7041, 7011?") == found
    assert stored(log) == used_bytes(log.view, "t1")
    return before


def test_what_is_due_is_in_no_consolidated_memory() -> None:
    log = Log()
    whole = say(log, {"b": 60, "f": 60})
    # All that it has of its members, it has of those that stay.
    log.wait(60)
    one = as_after_ticks(log, "bf")
    assert one["sources"] == ["a", "c", "d", "e"]
    assert one["content"].startswith("task {7001..7041} of /jobs/run-{0..4} ended (4 times, ")
    assert one["timestamp"] == format_time(log.now - 61 * SECOND) < whole["timestamp"]
    assert one["access_count"] == 3
    assert one["related_memories"] == ["of-a", "of-c", "of-d", "of-e"]


def test_a_default_is_obeyed_at_once_and_taken_back() -> None:
    log = Log()
    one = say(log, {"c": 10**6})
    searcher = Searcher(log)
    found = searcher.find("7021 7051")
    log.append(RetentionSet(3, None))
    seen(log)
    assert log.made()[0]["sources"] == ["c", "d", "e", "f"]
    assert searcher.find("7021 7051") != found
    log.append(RetentionSet(3, 10**6))
    assert log.made()[0] | {"gdpr_deletion_date": None, "bytes": one["bytes"]} == one
    assert searcher.find("7021 7051") == found
    log.append(RetentionSet(3, None))
    as_after_ticks(log, "ab")


def erase_later(log: Log, *names: str) -> None:
    """Erase memories with so many before them that ticks have to come to them."""
    for number in range(50):
        log.say(f"other {number}", memory_id=f"x{number}", given={"agent": f"x{number}"})
    log.erase(*(f"x{number}" for number in range(50)), *names)


def test_what_is_erased_by_id_is_in_no_consolidated_memory() -> None:
    log = Log()
    say(log, {})
    erase_later(log, "b", "c")
    assert as_after_ticks(log, "bc")["sources"] == ["a", "d", "e", "f"]


def test_with_a_consolidated_memory_its_members_are_erased_at_once() -> None:
    log = Log()
    one = say(log, {})
    searcher = Searcher(log)
    searcher.find("7021")
    erase_later(log, one["id"])
    assert log.records() == log.records(tier="archived") == []
    assert all(gone(log, name) for name in (one["id"], *NAMES))
    assert searcher.find("7021") == []
    # As if ticks had come to it: its members' ids are fenced for good.
    for _ in range(2):
        [said] = [o for o in log.say("once more", memory_id="b") if o.type == "memory.erased"]
        assert data(said)["error"] == "erased"
        log.wait(0, ticks=3)
    assert {each["agent"] for each in log.records()} <= {f"x{number}" for number in range(50)}
    assert not [key for key, _ in log.view.scan(MemoryRow, MemoryRow.kind) if id_of(key) in NAMES]


def test_what_is_due_before_ticks_erase_all_of_it_is_erased_too() -> None:
    log = Log()
    one = say(log, {"a": 60, "b": 60})
    log.wait(60)
    erase_later(log, one["id"])
    log.wait(0, ticks=3)
    for name in NAMES:
        [said] = log.say("once more", memory_id=name)
        assert (said.type, data(said)["error"]) == ("memory.erased", "erased")


@pytest.mark.parametrize("subject", ["who", None])
def test_a_subject_is_erased_from_the_middle_of_a_consolidated_memory(subject: str | None) -> None:
    log = Log()
    for number in range(60):
        given = {"subject": "who", "agent": f"x{number}"}
        log.say(f"other {number}", memory_id=f"A{number}", given=given)
    start = log.now
    say(log, {}, subject="who")
    log.erase(subject=subject, time=start + 2 * SECOND)
    assert as_after_ticks(log, "ab")["sources"] == ["c", "d", "e", "f"]


def test_what_is_on_hold_stays_in_it() -> None:
    log = Log()
    one = say(log, dict.fromkeys("abc", 60))
    log.keep("b")
    log.wait(60)
    as_after_ticks(log, "ac")
    log.release("b")
    seen(log)
    assert log.made()[0]["sources"] == ["d", "e", "f"]
    # By its own id, all of it is on hold.
    log = Log()
    one = say(log, dict.fromkeys("abc", 60))
    log.keep(one["id"])
    log.wait(60)
    seen(log)
    assert log.made() == [one]
    log.wait(0, ticks=2)
    assert log.made() == [one]


def test_a_hold_that_comes_before_the_tick_lets_it_be_found_again() -> None:
    log = Log()
    say(log, {"b": 60})
    log.say("short", memory_id="plain", given={"ttl_seconds": 50})
    searcher = Searcher(log)
    found = searcher.find("7011 short")
    log.wait(60)
    seen(log)
    assert len(searcher.find("7011 short")) == 1
    log.keep("b", "plain")
    assert [each[:2] for each in searcher.find("7011 short")] == [each[:2] for each in found]


def test_one_that_is_left_stands_for_itself_and_none_for_nothing() -> None:
    log = Log()
    one = say(log, {"a": 70} | dict.fromkeys("bcdef", 60))
    assert one["gdpr_deletion_date"] == log.get("a")["gdpr_deletion_date"]
    log.wait(60)
    seen(log)
    searcher = Searcher(log)
    [last] = log.made()
    assert last["sources"] == ["a"]
    assert last["content"] == "task 7001 of /jobs/run-0 ended (once, 2026-03-02T12:00:01Z)"
    assert searcher.find("7001")[0][:2] == (one["id"], last["content"])
    assert log.access((one["id"], 1))
    log.wait(5)
    seen(log)
    assert log.records() == []
    assert searcher.find("7001") == []
    assert log.access((one["id"], 1)) == []
    log.wait(0, ticks=1)
    assert not list(log.view.scan(MemoryRow, MemoryRow.kind))


def test_a_list_by_priority_asks_those_that_stay() -> None:
    log = Log()
    log.say("same", memory_id="a", given={"priority": "HIGH", "ttl_seconds": 60})
    log.say("same", memory_id="b")
    log.say("same", memory_id="c")
    log.consolidate()
    assert [len(log.records(priority=each)) for each in ("HIGH", "MEDIUM")] == [1, 0]
    log.wait(60)
    seen(log)
    assert [len(log.records(priority=each)) for each in ("HIGH", "MEDIUM")] == [0, 1]
