"""What of erased memories is taken out of records, and what a replay of the rest comes to."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from usage.memory_view import MemoryView

from memory.memory_log import MemoryLog
from streams.core.fold import Entry
from streams.core.ids import derived_id
from streams.core.log import (
    Call,
    Content,
    Erased,
    ErasedFrom,
    ErasureReached,
    JobRun,
    Message,
    StateDelete,
    StateSet,
    Vector,
    encode,
)
from streams.core.rows import encode_row
from streams.jobs.rows import RunRow
from streams.memory.consolidation_rows import ConsolidatedRow
from streams.memory.forget_rows import ReceiptRow, hash_of
from streams.memory.memory_row import MemoryRow
from streams.memory.read import states
from streams.memory.receipts import open_receipts
from streams.memory.rows import (
    DueRow,
    StateRow,
    ValueRow,
    VectorRow,
    memory_key,
    tenants_key,
    vector_key,
)
from streams.memory.state_erasure import in_place, name_of
from streams.memory.traces import Traces, in_archive

WHO: dict[str, Any] = {"subject": "customer-17"}
CALL = Call("openai", "gpt-4o", 10, 5, 0, 0, None, 7, "")


def left(log: MemoryLog) -> list[Entry]:
    """The log's entries without what was erased."""
    without = in_archive(log.view)
    return [
        structs.replace(entry, record=without(entry.record, entry.timestamp))
        for entry in log.entries
    ]


def said(entries: list[Entry]) -> bytes:
    return b"".join(encode(entry.record) for entry in entries)


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
    erased = in_place(hash_of("customer-17"))
    nothing = Message("", "", "", "", None, None)
    assert bodies[:4] == [
        StateSet("a", "k", msgspec.json.encode(erased), None, None),
        nothing,
        nothing,
        StateSet("a", "other", b'"customer-170"', None, None),
    ]
    assert bodies[4] == JobRun("r", "ns", "job", "RUNNING", message=erased, context_tags=("x",))
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
    told = {key for key, value in old.items() if traces.row_since(key, value) is not None}
    assert told == {memory_key("t1", "m1"), vector_key("t1", "m1")}
    assert not any(traces.row_since(key, b"") for key in old)
    assert not any(Traces(log.view, "t2").row_since(key, value) for key, value in old.items())
    whole = next(row for _, row in log.view.scan(MemoryRow, MemoryRow.kind))
    fields = {name: getattr(whole, name) for name in whole.__struct_fields__}
    merged = encode_row(MemoryRow(**(fields | {"sources": ("m0", "m1")})))
    assert log.now == traces.row_since(memory_key("t1", "c"), merged)
    made = ConsolidatedRow("identical", b"", b"", ((1, 2, "m2"), (1, 2, "m1")), 1, 1, b"")
    assert log.now == traces.row_since(ConsolidatedRow.kind + b"t1\x00c", encode_row(made))
    assert None is traces.row_since(VectorRow.kind + b"t1\x00m2", b"\x01")


def told(log: MemoryLog, old: dict[bytes, bytes]) -> set[bytes]:
    """Kinds and keys of agents' state that are traces, of rows as they were."""
    traces = Traces(log.view, "t1")
    found = (key for key, value in old.items() if traces.row_since(key, value) is not None)
    return {key[:2] + b" " + name_of(tenants_key(key)).encode() for key in found}


def test_rows_of_state_are_told_by_whom_they_name() -> None:
    log = MemoryLog()
    log.append(StateSet("a", "names", b'{"who":"customer-17"}', None, None))
    log.append(StateSet("a", "other", b'"customer-170"', None, None))
    log.append(StateSet("a", "of customer-17", b"1", None, 60))
    log.append(StateSet("a", "held", b'"customer-17 and customer-18"', None, None))
    log.append(StateSet("a", "names", b'"customer-17"', None, None), tenant="t2")
    log.keep(subject="customer-18")
    old = log.view.encoded()
    assert told(log, old) == set()
    log.wait(1)
    log.erase(subject="customer-17")
    name = b" of customer-17"
    assert told(log, old) == {b"z/ names", b"k/" + name, b"z/" + name, b"x/" + name}
    assert told(log, dict.fromkeys(old, b"")) == set(), "of tombstones"
    assert told(log, log.view.encoded()) == set()
    log.erase()
    assert told(log, old) >= {b"k/ other", b"z/ other"}
    assert b"z/ held" not in told(log, old)


def test_what_stands_in_place_of_a_text_is_no_trace() -> None:
    log = MemoryLog()
    log.append(StateSet("a", "k", b'"customer-17"', None, None))
    log.wait(1)
    log.erase(subject="customer-17")
    old = dict(replayed(left(log)[:1]).view.encoded())
    assert any(key.startswith(ValueRow.kind) for key in old)
    assert told(log, old) == set()


def test_what_is_set_again_is_no_trace() -> None:
    log = MemoryLog()
    for value in (b'"customer-17"', b'"of customer-17"'):
        log.append(StateSet("a", "names", value, None, None))
    log.append(StateSet("a", "customer-17", b"1", None, None))
    old = log.view.encoded()
    log.wait(1)
    log.erase(subject="customer-17")
    log.wait(1)
    log.append(StateSet("a", "names", b'"customer-17 is back"', None, None))
    log.append(StateSet("a", "customer-17", b"2", None, None))
    assert told(log, log.view.encoded()) == set()
    assert told(log, old) == {b"z/ names", b"z/ customer-17"}
    log.append(StateSet("a", "names", b'"of customer-17"', None, None))
    assert told(log, old) == {b"z/ customer-17"}


def test_what_is_known_of_a_subject_alone_is_not_fenced_by_a_replay() -> None:
    """It went by itself before its subject was erased, and the id is used again."""
    log = MemoryLog()
    log.say("<old>", memory_id="m", given=WHO | {"ttl_seconds": 1})
    log.wait(5, ticks=1)
    log.erase(subject="customer-17")
    log.wait(1)
    log.say("<new>", memory_id="m")
    kept = left(log)
    assert b"<old>" not in said(kept)
    assert replayed(kept).records() == log.records()


def test_a_late_copy_goes_also_where_its_id_is_used_again() -> None:
    log = MemoryLog()
    then = log.now
    log.wait(1)
    log.erase(subject="customer-17")
    log.wait(1)
    log.say("<late>", memory_id="m", given=WHO, time=then)
    log.say("<new>", memory_id="m")
    kept = left(log)
    assert b"<late>" not in said(kept)
    assert replayed(kept).records() == log.records()


def test_a_correction_goes_that_does_not_name_its_subject() -> None:
    log = MemoryLog()
    log.say("<first>", memory_id="m", given=WHO | {"ttl_seconds": 5})
    log.say("<corrected>", memory_id="m")
    log.say("<other>", memory_id="n", given={"ttl_seconds": 5})
    log.wait(9, ticks=1)
    log.erase(subject="customer-17")
    assert [b"<first>" in said(left(log)), b"<corrected>" in said(left(log))] == [False, False]
    assert b"<other>" in said(left(log))


def test_a_memory_of_another_subject_by_now_keeps_its_history() -> None:
    log = MemoryLog()
    log.say("<first>", memory_id="m", given=WHO | {"agent": "a"})
    log.wait(1)
    log.say("<then>", memory_id="m", given={"subject": "customer-18"})
    log.erase(subject="customer-17")
    assert left(log) == log.entries


def test_an_event_that_comes_again_is_known_though_nothing_of_it_is_kept() -> None:
    log = MemoryLog()
    log.append(StateSet("a", "customer-17", b"1", None, None), event="once")
    log.wait(1)
    log.erase(subject="customer-17")
    first = left(log)[0].record
    assert (first.id, first.body) == ("once", Message("", "", "", "", None, None))
    assert usage(replayed(left(log))) == usage(log)


def test_one_memory_on_hold_keeps_nothing_else() -> None:
    log = MemoryLog()
    log.say("<held>", memory_id="h", given=WHO)
    log.say("<gone>", memory_id="g", given=WHO)
    log.append(StateSet("a", "k", b'"customer-17"', None, None))
    log.keep("h")
    log.wait(1)
    log.erase(subject="customer-17")
    kept = said(left(log))
    assert [b"<held>" in kept, b"<gone>" in kept] == [True, False]
    assert b'"customer-17"' not in kept


def completed(log: MemoryLog) -> None:
    """Tell the log that its erasures have reached all there is."""
    for _, row in list(open_receipts(log.view)):
        place = ErasedFrom("archive", None, (), True)
        log.append(ErasureReached(row.at, row.source, row.id, (place,), row.passed_at))
    assert not list(open_receipts(log.view))


def texts(log: MemoryLog) -> dict[bytes, bytes]:
    """Rows of state, of runs, and receipts, which count them: not how many bytes a value took."""
    kinds = {row.kind for row in (StateRow, ValueRow, DueRow, RunRow, ReceiptRow)}
    return {key: row for key, row in log.view.encoded().items() if key[:2] in kinds}


RUN = JobRun("r", "ns", "job", "RUNNING", message="for customer-17", context_tags=("customer-17",))


@pytest.mark.parametrize("complete", [True, False])
def test_a_late_copy_of_a_runs_texts_does_not_come_back_with_a_replay(complete: bool) -> None:
    log = MemoryLog()
    then = log.now
    log.append(RUN)
    log.wait(1)
    log.erase(subject="customer-17")
    log.wait(1)
    cleaned = left(log)
    if complete:
        completed(log)
    log.append(RUN, time=then)
    # What is archived from there on is archived as it is, where nobody knows the name any more.
    kept = cleaned + left(log)[len(cleaned) :]
    assert b"customer-17" not in said(cleaned[:1])
    assert (b"for customer-17" in said(kept)) == complete
    assert replayed(kept).view.encoded() == log.view.encoded()


def test_each_erasure_takes_in_a_replay_what_it_took_when_it_came() -> None:
    log = MemoryLog()
    log.append(StateSet("a", "k", b'"of customer-18"', None, None))
    log.append(structs.replace(RUN, message="for customer-18"))
    log.wait(1)
    log.erase(subject="customer-17")
    log.wait(1)
    log.append(StateSet("a", "j", b'{"who":"customer-18"}', None, None))
    log.wait(1)
    log.erase(subject="customer-18")
    kept = left(log)
    assert b"for customer-18" not in said(kept)
    assert b'"customer-18"' not in said(kept)
    assert texts(replayed(kept)) == texts(log)


def test_what_was_taken_out_is_not_taken_out_again() -> None:
    log = MemoryLog()
    log.append(StateSet("a", "k", b'"customer-17"', None, None))
    log.append(RUN)
    log.wait(1)
    log.erase(subject="customer-17")
    log.wait(1)
    log.append(structs.replace(RUN, run_id="other"))
    log.wait(1)
    log.erase(subject="customer-17", reason="once more")
    kept = left(log)
    assert texts(replayed(kept)) == texts(log)
    log.wait(1)
    log.erase(reason="all of it")
    without = in_archive(log.view)
    runs = [entry for entry in kept if isinstance(entry.record.body, JobRun)]
    assert [without(each.record, each.timestamp) for each in runs] == [each.record for each in runs]
    for entry in left(log):
        assert without(entry.record, entry.timestamp) is entry.record


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
    there = {record["id"] for record in log.records()}
    for entry in log.entries:
        content = getattr(entry.record.body, "content", None)
        if content is not None:
            memory_id = content.memory_id or derived_id("t1", entry.record.source, entry.record.id)
            # Nothing else takes memories away here.
            assert (content.text.encode() in said(kept)) == (memory_id in there)
