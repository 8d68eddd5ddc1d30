"""What a message makes of memories: records, corrections, bytes, tiers; by examples."""

import json
from typing import Any

import pytest
from msgspec import structs
from usage.memory_view import MemoryView
from usage.writer import data

from memory.memory_log import MemoryLog, sent
from streams.core.ids import derived_id
from streams.core.log import DEFAULT_CONFIG, Imported, Vector
from streams.core.rows import tenant_key
from streams.core.time import DAY, HOUR
from streams.memory import limit, working
from streams.memory.bytes import used_bytes
from streams.memory.rows import (
    AgentRow,
    CountRow,
    MemoryRow,
    VectorRow,
    WorkingRow,
    memory_key,
    vector_key,
)
from streams.memory.use import used

FULL: dict[str, Any] = {
    "priority": "HIGH",
    "agent": "a1",
    "session": "s1",
    "context_tags": ("x", "y"),
    "ttl_seconds": 86_400,
    "cost_attribution": "p",
    "cluster_state": {"cluster": "eu-1", "n": [1, {"ü": 1.5}]},
    "pipeline_context": ("ingest",),
    "related_memories": ("m0",),
    "subject": "who",
    "metadata": {"big": 10**30, "f": 1e-7},
}
VECTOR = Vector("mini", 0.5, bytes(range(16)))


def size(record: dict[str, Any], vector: int = 0) -> int:
    """Bytes of a record as CONTRACT.md section 4 has it."""
    bare = {name: value for name, value in record.items() if name != "bytes"}
    return len(json.dumps(bare, separators=(",", ":"), ensure_ascii=False).encode()) + vector


def test_a_memory_brings_its_accesses_along() -> None:
    log = MemoryLog()
    at = log.now - 3 * DAY
    log.say("old", memory_id="old", imported=Imported(1 << 30, at))
    log.say("new", memory_id="new")
    log.say("later", memory_id="later", imported=Imported(4, log.now + DAY))
    log.say("never", memory_id="never", imported=Imported(0, None))
    shown = {r["id"]: (r["access_count"], r["last_accessed"]) for r in log.records()}
    now = "2026-03-02T12:00:00.000000Z"
    assert shown == {
        "old": (1 << 30, "2026-02-27T12:00:00.000000Z"),
        "new": (0, None),
        "later": (4, now),
        "never": (0, None),
    }
    rows = {r: log.view.get(MemoryRow, memory_key("t1", r)) for r in shown}
    # 2**30 accesses three half-lives ago, and one now.
    assert rows["old"].use == used(used(None, at, 1 << 30), log.now) > rows["later"].use
    assert rows["later"].use == used(None, log.now, 5) > rows["new"].use == rows["never"].use


def test_what_is_imported_again_counts_once() -> None:
    log = MemoryLog()
    log.say("x", memory_id="m", imported=Imported(7, log.now - DAY))
    log.access(("m", 2))
    log.say("x", memory_id="m", imported=Imported(7, log.now - DAY))
    [record] = log.records()
    assert (record["access_count"], record["revision"]) == (9, 2)
    assert record["last_accessed"] == "2026-03-02T12:00:00.000000Z"


def test_the_record_of_a_message_that_says_all() -> None:
    log = MemoryLog()
    [output] = log.say("é\n", memory_id="m1", vector=VECTOR, given=FULL)
    record = data(output)
    assert (output.topic, output.type) == ("memory.records.v1", "memory.record")
    assert (output.tenant, output.subject, output.key) == ("t1", "m1", "t1/m1")
    assert list(record.items()) == [
        ("id", "m1"),
        ("tenant", "t1"),
        ("agent", "a1"),
        ("session", "s1"),
        ("content", "é\n"),
        ("timestamp", "2026-03-02T12:00:00.000000Z"),
        ("priority", "HIGH"),
        ("context_tags", ["x", "y"]),
        ("tier", "working"),
        ("kind", "observed"),
        ("sources", []),
        ("related_memories", ["m0"]),
        ("access_count", 0),
        ("last_accessed", None),
        ("ttl_seconds", 86_400),
        ("gdpr_deletion_date", "2026-03-03T12:00:00.000000Z"),
        ("cost_attribution", "p"),
        ("cluster_state", {"cluster": "eu-1", "n": [1, {"ü": 1.5}]}),
        ("pipeline_context", ["ingest"]),
        ("subject", "who"),
        ("metadata", {"big": 10**30, "f": 1e-7}),
        ("revision", 1),
        ("consolidated_into", None),
        ("embedding_model", "mini"),
        ("bytes", record["bytes"]),
    ]
    # Python writes 1e-7 with a digit more.
    assert record["bytes"] == size(record, 16) - 1 == used_bytes(log.view, "t1")
    assert log.records() == [record]


def test_the_record_of_a_message_that_says_little() -> None:
    log = MemoryLog()
    [output] = log.say()
    record = data(output)
    assert record["id"] == derived_id("t1", "/test", "e0")
    nothing = {name for name, value in record.items() if value is None}
    assert nothing == {
        "agent",
        "session",
        "last_accessed",
        "ttl_seconds",
        "gdpr_deletion_date",
        "cost_attribution",
        "cluster_state",
        "pipeline_context",
        "subject",
        "metadata",
        "consolidated_into",
        "embedding_model",
    }
    assert record["priority"] == "MEDIUM"
    assert record["bytes"] == size(record) == used_bytes(log.view, "t1")


@pytest.mark.parametrize("field", FULL)
def test_a_correction_replaces_what_it_gives(field: str) -> None:
    log = MemoryLog()
    log.say("old", memory_id="m1", vector=VECTOR, given=FULL)
    log.wait(3_600)
    other: dict[str, Any] = {
        "priority": "LOW",
        "context_tags": (),
        "ttl_seconds": 2 * 86_400,
        "cluster_state": {"cluster": "us-1"},
        "pipeline_context": (),
        "related_memories": (),
        "metadata": {},
    }
    value = other.get(field, "another")
    before = log.records()[0]
    [output] = log.say("new", memory_id="m1", given={field: value})
    expected = before | {
        "content": "new",
        "revision": 2,
        "embedding_model": None,
        field: list(value) if isinstance(value, tuple) else value,
    }
    if field == "ttl_seconds":
        expected["gdpr_deletion_date"] = "2026-03-04T12:00:00.000000Z"
    expected["bytes"] = data(output)["bytes"]
    assert data(output) == expected == log.records()[0]
    assert used_bytes(log.view, "t1") == expected["bytes"]
    assert log.view.get(VectorRow, vector_key("t1", "m1")) is None


def test_a_correction_brings_its_vector() -> None:
    log = MemoryLog()
    log.say(memory_id="m1", vector=VECTOR)
    log.say(memory_id="m1", vector=structs.replace(VECTOR, model="other", data=b"12"))
    assert log.view.get(VectorRow, vector_key("t1", "m1")) == VectorRow("other", 0.5, b"12")
    [record] = log.records()
    assert record["embedding_model"] == "other"
    assert record["bytes"] == size(record, 2) == used_bytes(log.view, "t1")


def test_the_same_event_after_the_window_of_deduplication_makes_no_second_memory() -> None:
    log = MemoryLog()
    log.say(event="e", given={"agent": "a"})
    log.say(event="e", given={"agent": "a"})
    [record] = log.records()
    assert (record["id"], record["revision"]) == (derived_id("t1", "/test", "e"), 2)


@pytest.mark.parametrize("past", [0, 1])
def test_a_memory_that_is_due_when_it_comes_is_not_stored(past: int) -> None:
    log = MemoryLog()
    time = log.now - HOUR - past
    [audit] = log.say(memory_id="m1", given={"ttl_seconds": 3_600}, time=time)
    assert (audit.topic, audit.type, audit.subject) == ("tenant.audit.v1", "memory.expired", "m1")
    found = data(audit)
    assert found["target"] == {"kind": "memory", "id": "m1"}
    assert (found["outcome"], found["error"]) == ("done", None)
    assert found["details"]["ttl_seconds"] == 3_600
    assert "hello" not in audit.data.decode()
    assert not log.records()
    assert used_bytes(log.view, "t1") == 0
    [record] = log.say(memory_id="m1", given={"ttl_seconds": 3_600}, time=time + 1 + past)
    assert record.type == "memory.record"


def worked(*steps: tuple[str, dict[str, Any]], size: int = 2) -> MemoryLog:
    """A log of memories that were written one after the other, an hour apart."""
    log = MemoryLog()
    log.limit(size)
    for memory_id, given in steps:
        log.wait(3_600)
        log.say(memory_id=memory_id, given=given)
    return log


def test_the_least_valuable_leaves() -> None:
    low, high, critical = ({"priority": name} for name in ("LOW", "HIGH", "CRITICAL"))
    log = worked(("h", high), ("l", low), ("c", critical))
    assert sent(log.outputs[-2:]) == [("c", "working"), ("l", "long_term")]
    log.say(memory_id="m")
    assert sent(log.outputs[-1:]) == [("m", "long_term")]
    log.wait(3_600)
    log.say(memory_id="h2", given=high)
    assert sent(log.outputs[-2:]) == [("h2", "working"), ("h", "long_term")]
    assert log.tiers() == dict.fromkeys("lmh", "long_term") | {"h2": "working", "c": "working"}
    assert log.view.get(CountRow, tenant_key(CountRow, "t1")) == CountRow(2, 3)


def test_the_older_leaves_and_of_the_same_moment_the_lower_id() -> None:
    log = worked(("b", {}), ("a", {}), ("c", {}))
    assert log.tiers()["b"] == "long_term"
    log = MemoryLog()
    log.limit(2)
    for memory_id in "bac":
        log.say(memory_id=memory_id)
    assert log.tiers() == {"a": "long_term", "b": "working", "c": "working"}


def test_use_keeps_a_memory_and_fades() -> None:
    log = worked(("a", {}), ("b", {}))
    log.access(("a", 2), ("none", 1))
    log.wait(3_600)
    log.say(memory_id="c")
    assert log.tiers() == {"a": "working", "b": "long_term", "c": "working"}
    log.wait(3 * DAY // 1_000_000)
    log.say(memory_id="d")
    log.say(memory_id="e")
    assert log.tiers()["a"] == "long_term"


def test_an_access_counts_and_moves_nothing() -> None:
    log = worked(("a", {}), ("b", {}), ("c", {}))
    before = {record["id"]: record for record in log.records()}
    log.wait(1)
    outputs = log.access(("a", 3), ("b", 1), time=log.now - 5)
    assert sent(outputs) == [("a", "long_term"), ("b", "working")]
    record = data(outputs[0])
    changed = {"access_count": 3, "last_accessed": "2026-03-02T15:00:00.999995Z"}
    assert record == before["a"] | changed | {"bytes": record["bytes"]}
    assert record["bytes"] == size(record)
    assert data(log.access(("a", 1), time=0)[0])["last_accessed"] == changed["last_accessed"]
    assert used_bytes(log.view, "t1") == sum(record["bytes"] for record in log.records())


def test_a_corrected_memory_comes_back() -> None:
    log = worked(("a", {}), ("b", {}), ("c", {}))
    log.wait(3_600)
    assert sent(log.say(memory_id="a")) == [("a", "working"), ("b", "long_term")]


def test_a_long_term_memory_keeps_its_uses() -> None:
    log = worked(("a", {}), ("b", {}), ("c", {}))
    log.access(("a", 5))
    log.say(memory_id="a")
    log.say(memory_id="d")
    log.say(memory_id="e")
    assert log.tiers()["a"] == "working"


def test_agents_and_tenants_have_working_memories_of_their_own() -> None:
    log = worked(("a", {"agent": "x"}), ("b", {"agent": "x"}), ("c", {"agent": "y"}), ("d", {}))
    assert set(log.tiers().values()) == {"working"}
    log.say(memory_id="a", tenant="t2", given={"agent": "x"})
    assert set(log.tiers().values()) == {"working"}
    log.wait(1)
    outputs = log.say(memory_id="c", given={"agent": "x"})
    assert sent(outputs) == [("c", "working"), ("a", "long_term")]
    assert {key[-1:] for key, _ in log.view.scan(AgentRow, AgentRow.kind)} == {b"x", b"\xa0"}


def test_a_lowered_limit_is_applied_by_ticks_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limit, "AT_ONCE", 3)
    monkeypatch.setattr(limit, "LOOKED_AT", 2)
    log = MemoryLog()
    log.wait(0, ticks=2)
    for tenant in ("t1", "t2"):
        for agent in "abcde":
            for number in range(4):
                log.say(
                    memory_id=f"{agent}{number}",
                    given={"agent": agent, "priority": "HIGH" if number == 0 else "LOW"},
                    tenant=tenant,
                )
    log.limit(1)
    found = []
    for _ in range(14):
        before = log.view.changes
        log.wait(1, ticks=1)
        found.append(sum(1 for _ in log.view.scan(WorkingRow, WorkingRow.kind)))
        # One more where the first run of consolidation is planned.
        assert log.view.changes - before <= 3 * 7 + 2
    assert found[:3] == [37, 34, 31]
    assert found[-1] == 10
    for tenant in ("t1", "t2"):
        assert {r["id"] for r in log.records(tenant, tier="working")} == {f"{a}0" for a in "abcde"}
    log.limit(5)
    changes = log.view.changes
    log.wait(1, ticks=3)
    assert log.view.changes == changes


def test_a_write_under_a_lowered_limit_moves_a_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working, "AT_ONCE", 3)
    log = MemoryLog()
    for number in range(9):
        log.say(memory_id=f"m{number}")
    log.limit(DEFAULT_CONFIG.working_limit)
    log.limit(2)
    assert len(sent(log.say(memory_id="n"))) == 3 + 1


def test_a_metered_message_reads_and_writes_nothing_of_memory() -> None:
    class Watching(MemoryView):
        def get(self, kind: Any, key: bytes) -> Any:
            assert kind.__module__ != MemoryRow.__module__
            return super().get(kind, key)

    log = MemoryLog(Watching(stored=True))
    assert log.call("1") == []
