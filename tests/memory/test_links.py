"""Links by example: which memories say the same in other words, and what becomes of the links."""

import json
from typing import Any

import pytest
from usage.memory_view import MemoryView
from usage.writer import data, refolded

from memory.test_consolidation import EVERY, WINDOW, Log, stored
from streams.core.log import RetentionSet, Tick, Vector
from streams.memory.bytes import used_bytes
from streams.memory.consolidation_rows import FreshRow, LinkableRow, LinksRow, WorkRow
from streams.memory.documents import document, page
from streams.memory.hidden import hide
from streams.memory.index import TenantIndex
from streams.memory.linking import AT_ONCE
from streams.memory.links import LINKS
from streams.memory.ranking import Filters, search
from streams.memory.recall import memory
from streams.memory.rows import PrunableRow

ONE = "Partition 4 of topic clicks has no leader"
OTHER = "There is no leader for topic clicks, partition 4"
THIRD = "no leader is known of partition 4 of clicks"
NEAR, FAR = Vector("m", 1.0, bytes([100, 10])), Vector("m", 1.0, bytes([10, 100]))
OTHERS_MODEL = Vector("n", 1.0, bytes([100, 10]))


def say(log: Log, memory_id: str, text: str, vector: Vector | None = NEAR, **rest: Any) -> None:
    log.wait(1)
    log.say(text, memory_id=memory_id, vector=vector, **rest)


def two(**given: Any) -> Log:
    log = Log()
    say(log, "a", ONE, given=given)
    say(log, "b", OTHER)
    return log


def related(log: Log, *names: str) -> list[list[str]]:
    return [log.get(name)["related_memories"] for name in names]


def test_who_says_the_same_in_other_words_is_linked_and_keeps_its_words() -> None:
    log = two()
    before = [log.get(name) for name in "ab"]
    told = log.consolidate()
    assert related(log, "a", "b") == [["b"], ["a"]]
    for record in before:
        now = log.get(record["id"])
        changed = {"related_memories", "bytes"}
        assert {k: v for k, v in now.items() if k not in changed} == {
            k: v for k, v in record.items() if k not in changed
        }
        assert now["bytes"] == record["bytes"] + len('"a"')
    assert [o.subject for o in told if o.topic == "memory.records.v1"] == ["a", "b"]
    [done] = [data(o) for o in told if o.topic == "tenant.audit.v1"]
    assert done["details"]["linked"] == 1
    assert used_bytes(log.view, "t1") == stored(log)


def test_runs_by_log_time_link_and_running_again_changes_nothing() -> None:
    log = two()
    log.wait(1, ticks=1)
    log.wait(EVERY, ticks=1)
    assert related(log, "a", "b") == [["b"], ["a"]]
    log.wait(EVERY, ticks=2)
    assert not list(log.view.scan(WorkRow, WorkRow.kind))
    rows = dict(log.view.rows)
    log.wait(EVERY, ticks=2)
    log.consolidate()
    kinds = (b"m/", b"v/", LinksRow.kind, LinkableRow.kind, FreshRow.kind)
    assert {k: v for k, v in log.view.rows.items() if k[:2] in kinds} == {
        k: v for k, v in rows.items() if k[:2] in kinds
    }
    assert not list(log.view.scan(FreshRow, FreshRow.kind))


@pytest.mark.parametrize(
    ("text", "vector", "given"),
    [
        ("Partition 4 of topic clicks has a leader", NEAR, {}),
        ("There is no leader for topic clicks, partition 5", NEAR, {}),
        (OTHER, FAR, {}),
        (OTHER, None, {}),
        (OTHER, OTHERS_MODEL, {}),
        (OTHER, NEAR, {"context_tags": ("x",)}),
        (OTHER, NEAR, {"agent": "x"}),
        (OTHER, NEAR, {"subject": "x"}),
        (OTHER, NEAR, {"priority": "CRITICAL"}),
    ],
)
def test_who_does_not_is_not(text: str, vector: Vector | None, given: dict[str, Any]) -> None:
    log = Log()
    say(log, "a", ONE)
    say(log, "b", text, vector, given=given)
    log.consolidate()
    assert related(log, "a", "b") == [[], []]


def test_what_is_on_hold_is_left_alone() -> None:
    log = two()
    log.keep("a")
    log.consolidate()
    assert related(log, "a", "b") == [[], []]
    log.release("a")
    log.consolidate()
    assert related(log, "a", "b") == [["b"], ["a"]]


def test_only_the_window_is_looked_at() -> None:
    log = Log()
    say(log, "a", ONE, time=log.now - WINDOW * 10**6)
    say(log, "b", OTHER)
    log.wait(1, ticks=1)
    log.wait(EVERY, ticks=1)
    log.consolidate()
    assert related(log, "a", "b") == [[], []]
    log.consolidate(hours=5)
    assert related(log, "a", "b") == [["b"], ["a"]]


def test_a_short_look_on_command_leaves_nothing_out_of_runs_by_log_time() -> None:
    log = Log()
    say(log, "a", ONE, time=log.now - 7_200 * 10**6)
    say(log, "b", OTHER, time=log.now - 7_000 * 10**6)
    log.consolidate(hours=1)
    log.wait(1, ticks=1)
    log.wait(EVERY, ticks=1)
    assert related(log, "a", "b") == [["b"], ["a"]]


def test_a_look_at_many_leaves_out_none_between_its_parts() -> None:
    log = Log()
    old = log.now - (WINDOW + 1_000) * 10**6
    for number in range(AT_ONCE + 1):
        # Each is alike to the one before it and the one after it, and to no other.
        alike = bytes(100 * (number <= each < number + 10) for each in range(AT_ONCE + 11))
        text = f"word{chr(97 + number // 26)}{chr(97 + number % 26)} has no value"
        vector = Vector("m", 1.0, alike)
        log.say(text, memory_id=f"m{number:03}", vector=vector, time=old + number)
    log.consolidate()
    assert not list(log.view.scan(LinksRow, LinksRow.kind))
    log.consolidate(hours=6)
    log.wait(1, ticks=5)
    names = [f"m{number:03}" for number in range(AT_ONCE + 1)]
    pairs = [log.get(name)["related_memories"] for name in names]
    assert pairs == [
        [*names[max(0, at - 1) : at], *names[at + 1 : at + 2]] for at in range(AT_ONCE + 1)
    ]


def test_what_was_given_stays_apart_from_what_was_found() -> None:
    log = two(related_memories=("x", "b"))
    log.consolidate()
    assert related(log, "a", "b") == [["x", "b"], ["a"]]
    say(log, "a", ONE, given={"related_memories": ("y",)})
    assert related(log, "a") == [["y", "b"]]
    log.erase("b")
    assert related(log, "a") == [["y"]]


def test_a_correction_keeps_the_links_that_hold() -> None:
    log = two()
    log.consolidate()
    say(log, "a", ONE, given={"metadata": {"k": 1}})
    assert related(log, "a", "b") == [["b"], ["a"]]
    say(log, "a", "Partition 4 of topic clicks has a leader")
    assert related(log, "a", "b") == [[], []]
    assert not list(log.view.scan(LinksRow, LinksRow.kind))
    say(log, "a", ONE)
    log.consolidate()
    assert related(log, "a", "b") == [["b"], ["a"]]
    for change in ({"priority": "CRITICAL"}, {"priority": "LOW", "agent": "x"}):
        say(log, "a", ONE, given=change)
        assert related(log, "a", "b") == [[], []]
    assert used_bytes(log.view, "t1") == stored(log)


@pytest.mark.parametrize("vector", [None, FAR, OTHERS_MODEL])
def test_a_correction_with_another_vector_is_linked_no_more(vector: Vector | None) -> None:
    log = two()
    log.consolidate()
    say(log, "a", ONE, vector)
    assert related(log, "a", "b") == [[], []]


def test_links_go_with_a_memory() -> None:
    for end in ("erase", "ttl", "pressure"):
        log = Log()
        given = {"priority": "LOW"} | ({"ttl_seconds": 60} if end == "ttl" else {})
        say(log, "a", ONE, given=given)
        say(log, "b", OTHER)
        log.consolidate()
        if end == "erase":
            log.erase("a")
        elif end == "ttl":
            log.wait(60, ticks=1)
        else:
            log.quota(1)
            log.say("x" * ((1 << 20) - log.get("b")["bytes"] - 700), memory_id="c")
        assert "a" not in log.tiers(), end
        assert related(log, "b") == [[]]
        assert not list(log.view.scan(LinksRow, LinksRow.kind))
        assert used_bytes(log.view, "t1") == stored(log)


def test_a_correction_may_push_out_what_it_is_linked_with() -> None:
    log = Log()
    log.quota(1)
    say(log, "a", ONE)
    say(log, "b", OTHER, given={"priority": "LOW"})
    log.consolidate()
    say(log, "a", ONE, given={"metadata": {"k": "x" * ((1 << 20) - 700)}})
    assert list(log.tiers()) == ["a"]
    assert related(log, "a") == [[]]
    assert used_bytes(log.view, "t1") == stored(log)
    log.erase("a")
    assert used_bytes(log.view, "t1") == 0
    assert not [key for key in log.view.rows if key[:2] in (b"Z/", b"q/", b"o/", b"v/")]


def test_nothing_is_linked_without_room() -> None:
    log = two()
    log.quota(1)
    left = (1 << 20) - used_bytes(log.view, "t1")
    log.say("", memory_id="c")
    size = used_bytes(log.view, "t1") - ((1 << 20) - left)
    log.say("x" * (left - size - 5), memory_id="c")
    assert (1 << 20) - used_bytes(log.view, "t1") == 5
    log.consolidate()
    assert related(log, "a", "b") == [[], []]
    log.say("", memory_id="c")
    log.consolidate()
    assert related(log, "a", "b") == [["b"], ["a"]]


def test_a_fact_that_is_told_again_and_again_is_linked_as_one() -> None:
    log = two()
    log.consolidate()
    say(log, "a2", ONE)
    log.consolidate()
    [one] = log.made()
    assert one["sources"] == ["a", "a2"]
    assert one["related_memories"] == ["b"]
    # An archived member is there for whoever asks for it.
    assert related(log, "a", "b") == [["b"], ["a", one["id"]]]
    log.split(one["id"])
    assert related(log, "a", "b", "a2") == [["b"], ["a"], []]
    log.consolidate()
    assert related(log, "a", "b", "a2") == [["b"], ["a", "a2"], ["b"]]
    assert used_bytes(log.view, "t1") == stored(log)


def test_an_archived_member_loses_the_links_to_what_goes() -> None:
    log = two()
    log.consolidate()
    say(log, "a2", ONE)
    log.consolidate()
    log.erase("b")
    assert related(log, "a", log.made()[0]["id"]) == [[], []]
    say(log, "b2", OTHER)
    log.consolidate()
    log.erase("a")
    # The other member stands for itself again.
    assert related(log, "b2") == [[]]
    log.consolidate()
    assert related(log, "a2", "b2") == [["b2"], ["a2"]]
    assert used_bytes(log.view, "t1") == stored(log)


def test_what_says_many_things_is_not_linked() -> None:
    log = Log()
    for number, text in enumerate(("task alpha has no leader", "alpha is a task without a leader")):
        for again in range(2):
            say(log, f"m{number}{again}", text)
    log.consolidate()
    one, other = log.made()
    assert one["related_memories"] == [other["id"]]
    say(log, "a", ONE)
    say(log, "b", OTHER)
    log.consolidate()
    say(log, "a7", ONE.replace("4", "7"))
    log.consolidate()
    assert related(log, "b") == [["a"]]
    for name in (one["id"], other["id"]):
        assert not set(log.get(name)["related_memories"]) & {"a", "b", "a7"}


def test_a_consolidated_memory_that_comes_to_say_many_things_loses_its_links() -> None:
    log = two()
    say(log, "a2", ONE)
    log.consolidate()
    [one] = log.made()
    assert related(log, "b") == [[one["id"]]]
    say(log, "a7", ONE.replace("4", "7"))
    log.consolidate()
    assert log.made()[0]["revision"] == 2
    assert related(log, "b", one["id"]) == [[], []]
    assert used_bytes(log.view, "t1") == stored(log)


def test_a_consolidated_memory_that_points_another_way_without_a_member_loses_its_links() -> None:
    log = two()
    for name in ("a2", "a3"):
        say(log, name, ONE, Vector("m", 1.0, bytes([100, 80])))
    log.consolidate()
    [one] = log.made()
    assert related(log, "b", one["id"]) == [[one["id"]], ["b"]]
    log.erase("a")
    assert log.made()[0]["sources"] == ["a2", "a3"]
    assert related(log, "b", one["id"]) == [[], []]
    assert used_bytes(log.view, "t1") == stored(log)


def test_what_is_said_instead_of_a_consolidated_memory_is_linked_with_nobody() -> None:
    log = two()
    say(log, "a2", ONE)
    log.consolidate()
    [one] = log.made()
    say(log, one["id"], "something else")
    log.consolidate()
    assert related(log, "b", one["id"]) == [[], []]


def found(index: TenantIndex, limit: int) -> list[str]:
    return [each.id for each in search(index, "no leader of clicks", Filters(), limit, 0)]


def test_a_search_has_one_place_for_what_says_the_same() -> None:
    log = two()
    say(log, "c", "something else")
    index = TenantIndex.of(page(log.view, "t1", b"", 10)[0])
    before = found(index, 3)
    assert before[2] == "c"
    log.consolidate()
    for memory_id in "abc":
        now = document(log.view, "t1", memory_id)
        assert now is not None
        assert now.related == ()
        index.update(now)
    assert found(index, 3) == [before[0], "c", before[1]]
    assert found(index, 2) == [before[0], "c"]
    assert found(TenantIndex.of(page(log.view, "t1", b"", 10)[0]), 3) == found(index, 3)


def test_what_is_hidden_of_a_consolidated_memory_does_not_hide_its_links() -> None:
    log = two()
    for name in ("a2", "a3"):
        say(log, name, ONE, given={"ttl_seconds": 60} if name == "a3" else None)
    log.consolidate()
    [one] = log.made()
    log.wait(60)
    index = TenantIndex.of(page(log.view, "t1", b"", 10)[0])
    hide(index, log.view, "t1", log.now)
    assert index.withheld == {one["id"]: ("a3",)}
    assert index.linked.of(one["id"]) == ("b",)
    shown = memory(log.view, "t1", one["id"], log_time=log.now)
    assert json.loads(bytes(shown))["related_memories"] == ["b"]


def test_what_nobody_sees_any_more_is_not_linked() -> None:
    log = Log()
    say(log, "a", ONE, given={"ttl_seconds": 60})
    log.wait(60)
    log.say(OTHER, memory_id="b", vector=NEAR)
    log.consolidate()
    assert related(log, "b") == [[]]


def many(count: int) -> Log:
    """A log of texts without any value, each of another template, that may all be linked."""
    log = Log(MemoryView())
    for number in range(count):
        word = chr(97 + number // 26) + chr(97 + number % 26)
        text = f"there {'is ' * (number % 7 + 1)}word{word}"
        log.say(text, memory_id=f"m{number:03}", vector=NEAR)
    return log


def ticked(log: Log, count: int) -> int:
    """The most changes of rows that one of so many ticks, or the record before them, makes."""
    assert isinstance(log.view, MemoryView)
    most, changes = 0, 0
    for _ in range(count):
        changes = log.view.changes
        log.append(Tick(), tenant="")
        most = max(most, log.view.changes - changes)
    return most


def test_nobody_has_too_many_links() -> None:
    log = many(150)
    changes = log.view.changes
    log.consolidate()
    assert max(log.view.changes - changes, ticked(log, 20)) <= 1_000
    links = {key[5:].decode(): row.linked for key, row in log.view.scan(LinksRow, LinksRow.kind)}
    assert len(links) == 150
    assert max(len(each) for each in links.values()) == LINKS
    assert all(name in links[other] for name, each in links.items() for other in each)
    [done] = [data(o) for o in log.outputs if data(o).get("action") == "memory.consolidated"]
    assert done["details"]["linked"] == sum(len(each) for each in links.values()) // 2
    again = MemoryView()
    assert refolded(again, log.entries) == log.outputs
    assert again.encoded() == log.view.encoded()


@pytest.mark.parametrize("end", ["erase", "ttl", "quota", "write"])
def test_no_record_changes_too_many_rows_where_links_go(end: str) -> None:
    log = many(150)
    log.consolidate()
    ticked(log, 20)
    changes = log.view.changes
    if end == "erase":
        log.erase(*[f"m{number:03}" for number in range(0, 150, 2)])
    elif end == "ttl":
        log.append(RetentionSet(1, None))
        log.wait(10)
    elif end == "quota":
        log.quota(0)
    else:
        log.quota(1)
        log.say("x" * ((1 << 20) - 20_000), memory_id="x", given={"priority": "HIGH"})
        assert "x" in log.tiers()
    assert max(log.view.changes - changes, ticked(log, 60)) <= 1_000
    assert len(log.tiers()) < 100
    names = set(log.tiers())
    links = {key[5:].decode(): row.linked for key, row in log.view.scan(LinksRow, LinksRow.kind)}
    assert {*links} | {other for each in links.values() for other in each} <= names
    assert len(list(log.view.scan(PrunableRow, PrunableRow.kind))) == len(names)
    assert used_bytes(log.view, "t1") == stored(log)
