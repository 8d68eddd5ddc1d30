"""What of erased memories is taken out of records, and what a replay of the rest comes to."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from usage.memory_view import MemoryView

from memory.memory_log import MemoryLog
from streams.core.fold import Entry
from streams.core.ids import derived_id
from streams.core.log import (
    Call,
    Content,
    Erased,
    JobRun,
    Message,
    StateDelete,
    StateSet,
    Vector,
    encode,
)
from streams.core.rows import encode_row
from streams.memory.consolidation_rows import ConsolidatedRow
from streams.memory.memory_row import MemoryRow
from streams.memory.read import states
from streams.memory.rows import VectorRow, memory_key, vector_key
from streams.memory.state_erasure import ERASED
from streams.memory.traces import Traces, in_archive

WHO: dict[str, Any] = {"subject": "customer-17"}
CALL = Call("openai", "gpt-4o", 10, 5, 0, 0, None, 7, "")


def left(log: MemoryLog) -> list[Entry]:
    """The log's entries without what was erased."""
    without = in_archive(log.view)
    made = [(entry, without(entry.record, entry.timestamp)) for entry in log.entries]
    return [
        Entry(record, entry.partition, entry.offset, entry.timestamp, entry.log_time)
        for entry, record in made
        if record is not None
    ]


def replayed(entries: list[Entry]) -> MemoryLog:
    log = MemoryLog(MemoryView(stored=True))
    for entry in entries:
        log.now = entry.timestamp
        log.append(
            entry.record.body,
            tenant=entry.record.tenant,
            time=entry.record.time,
            event=entry.record.id,
            origin=entry.record.origin,
        )
    return log


def usage(log: MemoryLog) -> dict[bytes, bytes]:
    """Rows of what was counted: by letters of usage's kinds."""
    return {k: v for k, v in log.view.encoded().items() if k[:2] in (b"u/", b"U/", b"b/", b"p/")}


def test_content_goes_and_the_call_stays() -> None:
    log = MemoryLog()
    content = Content("the secret", 2, (), None, None, None, (), None, "m", None)
    message = Message("a", "s", "p", "c", CALL, content)
    log.append(message)
    log.erase("m")
    kept = left(log)
    body = kept[0].record.body
    assert isinstance(body, Message)
    assert (body.content, body.call, body.erased) == (None, CALL, Erased("m", False))
    again = replayed(kept)
    assert usage(again) == usage(log) != {}
    again.say("late", memory_id="m")
    assert "m" not in again.tiers()


@pytest.mark.parametrize("names", [("m",), ()])
def test_what_is_on_hold_or_of_others_stays_as_it_is(names: tuple[str, ...]) -> None:
    log = MemoryLog()
    log.say("mine", memory_id="m", given=WHO)
    log.say("of another", memory_id="n", given={"subject": "customer-170"})
    log.say("of another tenant", memory_id="m", given=WHO, tenant="t2")
    log.keep("m")
    log.erase(*names, subject=None if names else "customer-17")
    assert left(log) == log.entries
    log.release("m")
    log.wait(1, ticks=3)
    texts = [
        e.record.body.content.text
        for e in left(log)
        if isinstance(e.record.body, Message) and e.record.body.content
    ]
    assert texts == ["of another", "of another tenant"]


def test_state_and_runs_that_name_the_subject_say_it_no_more() -> None:
    log = MemoryLog()
    log.append(StateSet("a", "k", b'{"who":"customer-17"}', None, None))
    log.append(StateSet("a", "customer-17", b"1", None, None))
    log.append(StateDelete("a", "customer-17", None))
    log.append(StateSet("a", "other", b'"customer-170"', None, None))
    log.append(JobRun("r", "ns", "job", "RUNNING", message="for customer-17", context_tags=("x",)))
    log.wait(1)
    log.erase(subject="customer-17", reason="asked to")
    log.wait(1)
    log.append(StateSet("a", "later", b'"customer-17"', None, None))
    bodies = [entry.record.body for entry in left(log)]
    assert bodies[:2] == [
        StateSet("a", "k", ERASED, None, None),
        StateSet("a", "other", b'"customer-170"', None, None),
    ]
    assert bodies[2] == JobRun("r", "ns", "job", "RUNNING", context_tags=("x",))
    assert bodies[-1] == log.entries[-1].record.body
    again = replayed(left(log))
    now = states(again.view, "t1", "a", limit=10, after=None, log_time=log.now)
    assert now == states(log.view, "t1", "a", limit=10, after=None, log_time=log.now)


def test_rows_of_any_time_are_told_by_their_keys_and_members() -> None:
    log = MemoryLog()
    vector = Vector("m", 0.1, b"VECTOR")
    for n in range(3):
        log.say(f"disk {n} is full", memory_id=f"m{n}", vector=vector)
    old = log.view.encoded()
    log.erase("m1")
    traces = Traces(log.view, "t1")
    told = {key for key, value in old.items() if traces.in_row(key, value)}
    assert told == {memory_key("t1", "m1"), vector_key("t1", "m1")}
    assert not any(traces.in_row(key, b"") for key in old)
    assert not any(Traces(log.view, "t2").in_row(key, value) for key, value in old.items())
    whole = next(row for _, row in log.view.scan(MemoryRow, MemoryRow.kind))
    fields = {name: getattr(whole, name) for name in whole.__struct_fields__}
    merged = encode_row(MemoryRow(**(fields | {"sources": ("m0", "m1")})))
    assert traces.in_row(memory_key("t1", "c"), merged)
    made = ConsolidatedRow("identical", b"", b"", ((1, 2, "m2"), (1, 2, "m1")), 1, 1, b"")
    assert traces.in_row(ConsolidatedRow.kind + b"t1\x00c", encode_row(made))
    assert not traces.in_row(VectorRow.kind + b"t1\x00m2", b"\x01")


def test_messages_as_they_were_sent_are_known_by_id_and_by_subject() -> None:
    log = MemoryLog()
    log.say("x", memory_id="m", given=WHO)
    log.wait(1)
    log.erase(subject="customer-17")
    traces = Traces(log.view, "t1")
    now = log.now
    assert traces.in_message({"content": "x", "memory_id": "m"}, "s", "e", now + 5)
    assert traces.in_message({"content": "x", "subject": "customer-17"}, "s", "e", now)
    assert not traces.in_message({"content": "x", "subject": "customer-17"}, "s", "e", now + 5)
    assert not traces.in_message({"subject": "customer-17"}, "s", "e", now)
    assert not traces.in_message({"content": "x", "subject": 7}, "s", "e", now)


SAYS = st.tuples(
    st.just("say"), st.sampled_from("mno"), st.sampled_from(["s1", "s2", None]), st.booleans()
)
STEPS = st.lists(
    st.one_of(
        SAYS,
        st.tuples(st.just("erase"), st.sampled_from(["m", "n"])),
        st.tuples(st.just("forget"), st.sampled_from(["s1", "s2"])),
        st.tuples(st.just("wait")),
    ),
    max_size=14,
)


@settings(max_examples=30, deadline=None)
@given(STEPS)
def test_a_replay_of_what_is_left_comes_to_the_same_memories(steps: list[Any]) -> None:
    log = MemoryLog()
    for number, (what, *about) in enumerate(steps):
        if what == "say":
            name, subject, named = about
            given = {"subject": subject} if subject else {}
            log.say(f"<{number}>", memory_id=name if named else None, given=given)
        elif what == "erase":
            log.erase(*about)
        elif what == "forget":
            log.erase(subject=about[0])
        else:
            log.wait(1, ticks=1)
    log.wait(1, ticks=2)
    kept = left(log)
    again = replayed(kept)
    assert again.records() == log.records()
    said = b"".join(encode(entry.record) for entry in kept)
    there = {record["id"] for record in log.records()}
    for entry in log.entries:
        content = getattr(entry.record.body, "content", None)
        if content is not None:
            memory_id = content.memory_id or derived_id("t1", entry.record.source, entry.record.id)
            # Nothing else takes memories away here.
            assert (content.text.encode() in said) == (memory_id in there)
