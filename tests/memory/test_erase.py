"""What is erased is gone at once and for good; by examples."""

import json
from typing import Any

import pytest
from usage.memory_view import MemoryView
from usage.writer import ZERO, data, refolded

from memory.memory_log import MemoryLog
from memory.test_expiry import found
from streams.core.errors import ApiError
from streams.core.fold import Output
from streams.core.log import Content, JobRun, MemoryConsolidate, Message, StateSet, Vector
from streams.core.time import SECOND, format_time
from streams.jobs.read import runs
from streams.memory import recall
from streams.memory.bytes import used_bytes
from streams.memory.erase import AT_ONCE
from streams.memory.forget_rows import ROWS, ForgetRow, ReceiptRow, WorkRow
from streams.memory.memories import RECORDS
from streams.memory.read import states
from streams.memory.rows import MemoryRow

WHO: dict[str, Any] = {"subject": "customer-17"}


def told(outputs: list[Output]) -> list[tuple[str, int, int]]:
    """Outcome, erased and deferred of each audit record of an erasure."""
    return [
        (data(o)["outcome"], data(o)["details"]["erased"], data(o)["details"]["deferred"])
        for o in outputs
        if o.type == "memory.erased" and data(o)["error"] is None
    ]


def tombstones(outputs: list[Output]) -> set[str | None]:
    return {o.key for o in outputs if o.topic == RECORDS and o.data is None}


def stored(log: MemoryLog, text: bytes) -> bool:
    """Whether a text is in any row, but those that say what was asked for."""
    rows = log.view.encoded()
    return any(text in value for key, value in rows.items() if key[:2] not in (b"h/", b"i/"))


@pytest.mark.parametrize("how", ["ids", "subject", "all"])
def test_what_is_erased_is_gone_with_all_that_is_kept_of_it(how: str) -> None:
    log = MemoryLog()
    given = WHO | {"priority": "CRITICAL", "ttl_seconds": 100, "session": "s", "metadata": {"a": 1}}
    log.say("the secret", memory_id="m", given=given, vector=Vector("m", 0.1, b"VECTOR"))
    log.say("the other", memory_id="n", given={"subject": "customer-170"}, time=log.now + 5)
    names, subject = {
        "ids": (("m",), None),
        "subject": ((), "customer-17"),
        "all": ((), None),
    }[how]
    outputs = log.erase(*names, subject=subject)
    assert told(outputs) == [("done", 1, 0)]
    assert tombstones(outputs) == {"t1/m"}
    assert set(log.tiers()) == {"n"} == set(found(log))
    with pytest.raises(ApiError):
        recall.memory(log.view, "t1", "m", log_time=log.now)
    assert not stored(log, b"secret")
    assert not stored(log, b"VECTOR")
    kinds = {key[:2] for key in log.view.rows if b"customer-17" in key and b"170" not in key}
    assert kinds == set()
    assert used_bytes(log.view, "t1") == log.records()[0]["bytes"]
    assert not list(log.view.scan(WorkRow, WorkRow.kind))
    assert not list(log.view.scan(ForgetRow, ForgetRow.kind))


def test_a_late_copy_stays_erased_and_its_call_is_metered() -> None:
    log = MemoryLog()
    then = log.now
    log.say("x", memory_id="m", given=WHO)
    log.wait(10)
    log.erase(subject="customer-17")
    log.wait(10)
    content = Content("x", 2, (), None, None, None, (), "customer-17", None, None, ("subject",))
    late = Message("", "", "", "", ZERO, content)
    outputs = log.append(late, time=then + 10 * SECOND)
    [said] = [o for o in outputs if o.type == "memory.erased"]
    assert (data(said)["outcome"], data(said)["error"]) == ("rejected", "erased")
    assert log.view.get(MemoryRow, b"m/t1\x00m") is None
    assert any(o.type == "usage.unpriced" for o in log.outputs)
    # What happened after the command may be remembered, but not under the id of what is gone: who
    # corrects that may say anything about it, and need not name its subject.
    later = then + 10 * SECOND + 1
    log.say("y", memory_id="n", given=WHO, time=later)
    log.say("y", memory_id="m", given=WHO, time=later)
    log.say("y", memory_id="m", time=later)
    assert set(log.tiers()) == {"n"}
    log.erase("n")
    log.wait(10)
    log.say("z", memory_id="n")
    assert log.records() == []


def test_members_of_what_is_erased_stay_erased_too() -> None:
    log = MemoryLog()
    for number in range(3):
        log.say(f"badge {number} opened", memory_id=f"m{number}", given=WHO)
    log.append(MemoryConsolidate(None))
    [one] = log.records()
    assert sorted(one["sources"]) == ["m0", "m1", "m2"]
    assert told(log.erase(subject="customer-17")) == [("done", 4, 0)]
    log.wait(1, ticks=3)
    for memory_id in ("m1", one["id"]):
        log.say("late, and it names nobody", memory_id=memory_id, time=log.now - 5 * SECOND)
        log.say("later, and it names nobody", memory_id=memory_id)
    assert log.records() == [] == found(log)
    assert not stored(log, b"badge")


def test_a_member_on_hold_stays_when_the_others_go() -> None:
    log = MemoryLog()
    for number in range(4):
        log.say(f"badge {number} opened", memory_id=f"m{number}", given=WHO)
    log.append(MemoryConsolidate(None))
    log.keep("m2")
    assert told(log.erase(subject="customer-17"))[0][0] == "deferred"
    log.wait(1, ticks=3)
    assert [(r["id"], r["content"]) for r in log.records()] == [("m2", "badge 2 opened")]
    log.release("m2")
    log.wait(1, ticks=3)
    assert log.records() == []
    assert not stored(log, b"badge")


def test_all_is_a_fence_for_what_comes_late_alone() -> None:
    log = MemoryLog()
    log.say(memory_id="m")
    log.erase()
    log.say(memory_id="late", time=log.now)
    log.say(memory_id="new", time=log.now + 1)
    log.say(memory_id="others", tenant="t2", time=log.now - 9)
    assert set(log.tiers()) == {"new"}
    assert set(log.tiers("t2")) == {"others"}


def test_a_correction_that_names_an_erased_subject() -> None:
    log = MemoryLog()
    log.say("old", memory_id="m")
    log.wait(5)
    log.erase(subject="customer-17")
    # Late: from before the command.
    log.say("late", memory_id="m", given=WHO, time=log.now - SECOND)
    assert log.records()[0]["content"] == "old"
    # Later: it begins anew, for its own time is before the command's.
    log.wait(5)
    log.say("new", memory_id="m", given=WHO)
    [record] = log.records()
    assert (record["content"], record["revision"]) == ("new", 1)
    # A late one that does not name the subject is still about it.
    log.say("late", memory_id="m", time=log.now - 8 * SECOND)
    assert log.records()[0]["content"] == "new"


def test_many_go_with_ticks_but_nobody_sees_them_any_more() -> None:
    log = MemoryLog(MemoryView())
    for number in range(3 * AT_ONCE):
        log.say(f"n {number}", memory_id=f"m{number}", given=WHO if number % 2 else {})
    outputs = log.erase()
    assert told(outputs) == []
    assert len(tombstones(outputs)) == AT_ONCE
    assert log.records() == [] == found(log)
    assert log.access(("m99", 1)) == []
    with pytest.raises(ApiError):
        recall.memory(log.view, "t1", "m99", log_time=log.now)
    for _ in range(2):
        changes, at = log.view.changes, len(log.outputs)
        log.wait(1, ticks=1)
        assert log.view.changes - changes < 1_000
    log.wait(1, ticks=2)
    assert told(log.outputs[at:]) == [("done", 3 * AT_ONCE, 0)]
    assert not list(log.view.scan(MemoryRow, MemoryRow.kind))
    assert [key for key, _ in log.view.scan(ForgetRow, ForgetRow.kind)] == [b"8/\x00"]
    assert not list(log.view.scan(WorkRow, WorkRow.kind))
    again = MemoryView()
    assert refolded(again, log.entries) == log.outputs
    assert again.encoded() == log.view.encoded()


def test_what_is_corrected_before_its_row_has_gone_stays_erased() -> None:
    log = MemoryLog()
    for number in range(AT_ONCE + 5):
        log.say(memory_id=f"m{number:03}", given=WHO)
    log.wait(1)
    log.erase(subject="customer-17")
    last = f"m{AT_ONCE + 4:03}"
    log.wait(1)
    log.say("new", memory_id=last, given=WHO)
    assert log.records() == []
    log.wait(1, ticks=2)
    log.say("new", memory_id=last)
    assert log.records() == []


@pytest.mark.parametrize("how", ["ids", "subject", "all"])
def test_what_is_on_hold_waits_for_its_release(how: str) -> None:
    log = MemoryLog()
    log.say("held", memory_id="m", given=WHO)
    log.say("free", memory_id="n", given=WHO if how == "subject" else {})
    hold: dict[str, Any] = {"subject": None} if how == "subject" else WHO
    held_ids = ("m",) if how == "subject" else ()
    log.keep(*held_ids, **hold)
    names = ("m", "n") if how == "ids" else ()
    subject = "customer-17" if how == "subject" else None
    assert told(log.erase(*names, subject=subject, event="the command")) == [("deferred", 1, 1)]
    log.wait(1, ticks=2)
    assert set(log.tiers()) == {"m"} == set(found(log))
    log.release(*held_ids, **hold)
    assert log.records() == [] == found(log)
    at = len(log.outputs)
    log.wait(1, ticks=2)
    assert told(log.outputs[at:]) == [("done", 2, 0)]
    [said] = [data(o) for o in log.outputs[at:] if o.type == "memory.erased"]
    assert said["actor"] == "/test"
    assert not list(log.view.scan(MemoryRow, MemoryRow.kind))
    assert not list(log.view.scan(WorkRow, WorkRow.kind))


def put(log: MemoryLog, key: str, value: Any, agent: str = "a1") -> None:
    log.append(StateSet(agent, key, json.dumps(value).encode(), None, None))


def keys(log: MemoryLog) -> list[str]:
    items, _ = states(log.view, "t1", "a1", limit=99, after=None, log_time=log.now)
    return [item["key"] for item in items]


def ran(log: MemoryLog, run_id: str, message: str, tags: tuple[str, ...] = ()) -> None:
    log.append(JobRun(run_id, "ns", "job", "RUNNING", message=message, context_tags=tags))


def messages(log: MemoryLog) -> dict[str, str | None]:
    items, _ = runs(log.view, "t1", limit=99, log_time=log.now)
    return {item["run_id"]: item["message"] for item in items}


def test_state_and_texts_of_runs_that_name_the_subject_go_too() -> None:
    log = MemoryLog()
    put(log, "profile/customer-17", 1)
    put(log, "profile/customer-170", 1)
    put(log, "last", {"seen": ["x", {"of customer-17": 1}]})
    put(log, "other", {"n": 17})
    ran(log, "r1", "orders of customer-17 loaded", ("nightly",))
    ran(log, "r2", "all loaded", ("customer-17",))
    ran(log, "r3", "all loaded", ("customer-171",))
    [said] = log.erase(subject="customer-17")
    details = data(said)["details"]
    assert (details["erased"], details["state"], details["runs"]) == (0, 2, 2)
    assert keys(log) == ["other", "profile/customer-170"]
    assert messages(log) == {"r1": None, "r2": "all loaded", "r3": "all loaded"}
    assert not any(b"customer-17" in k.replace(b"customer-170", b"") for k in log.view.rows)
    # The receipt needs it until every other place was reached.
    said = (b"h/", b"i/", ReceiptRow.kind)
    values = b"".join(v for k, v in log.view.encoded().items() if k[:2] not in said)
    assert b"customer-17" not in values.replace(b"customer-171", b"")
    # A late copy of what the run said brings nothing back; what it says later is its own.
    ran(log, "r1", "orders of customer-17 loaded", ("nightly",))
    assert messages(log)["r1"] is None
    log.wait(1)
    ran(log, "r1", "done")
    assert messages(log)["r1"] == "done"


def test_state_and_texts_that_name_who_is_on_hold_wait() -> None:
    log = MemoryLog()
    log.keep(subject="customer-18")
    put(log, "a", "customer-18 and others")
    put(log, "b", "others")
    ran(log, "r", "of customer-18")
    [said] = log.erase()
    assert (data(said)["outcome"], data(said)["details"]["deferred"]) == ("deferred", 2)
    assert keys(log) == ["a"]
    # What was set after the command is none of it.
    log.wait(1)
    put(log, "c", 1)
    log.release(subject="customer-18")
    log.wait(1, ticks=2)
    assert (keys(log), messages(log)) == (["c"], {"r": None})


def test_much_state_and_many_runs_go_with_ticks() -> None:
    log = MemoryLog()
    for number in range(150):
        put(log, f"k{number}", "customer-17")
        ran(log, f"r{number}", "customer-17")
    log.erase(subject="customer-17")
    for _ in range(8):
        changes = log.view.changes
        log.wait(1, ticks=1)
        assert log.view.changes - changes < 1_000
    assert (keys(log), set(messages(log).values())) == ([], {None})


def test_an_erasure_reaches_what_was_stored_before_subjects_were_looked_up() -> None:
    log = MemoryLog()
    log.say(memory_id="m", given=WHO)
    kinds = tuple(kind.kind for kind in ROWS)
    for key in [key for key in log.view.rows if key.startswith(kinds)]:
        log.view.delete(key)
    assert told(log.erase(subject="customer-17")) == [("done", 1, 0)]
    assert log.records() == []


def test_erasing_again_finds_nothing_and_keeps_the_later_fence() -> None:
    log = MemoryLog()
    log.say(memory_id="m", given=WHO)
    log.erase(subject="customer-17")
    assert told(log.erase(subject="customer-17", time=log.now - 9 * SECOND)) == [("done", 0, 0)]
    log.say(memory_id="n", given=WHO, time=log.now)
    assert log.records() == []
    assert format_time(log.now) == "2026-03-02T12:00:00.000000Z"
