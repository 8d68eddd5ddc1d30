"""An agent's state: versions, conflicts, expiry, bytes; by examples and against a dict."""

import json
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from usage.memory_view import MemoryView
from usage.writer import data

from memory.state_log import StateLog, outcome
from streams.core.errors import ApiError
from streams.core.time import DAY, SECOND, format_time
from streams.memory.bytes import used_bytes
from streams.memory.read import state, states
from streams.memory.rows import ROWS, DueRow, LeaseRow, StateRow, ValueRow, due_key
from streams.memory.state import AT_ONCE, KEPT


def read(log: StateLog, agent: str = "a1", key: str = "phase", tenant: str = "t1") -> Any:
    """Value and version, or None."""
    try:
        found = state(log.view, tenant, agent, key, log_time=log.log_time)
    except ApiError as error:
        return None if (error.status, error.code) == (404, "not_found") else error
    return json.loads(bytes(found["value"])), found["version"]


def test_versions_go_up_by_one() -> None:
    log = StateLog()
    assert [outcome(log.set(value))[2] for value in (1, 1, "b")] == [1, 2, 3]
    assert read(log) == ("b", 3)


def test_what_an_audit_record_says_and_what_it_never_says() -> None:
    log = StateLog()
    record = log.set({"secret": 1}, agent="é/1", key="k", ttl=60)
    assert (record.topic, record.type, record.subject) == ("tenant.audit.v1", "state.set", "é/1/k")
    assert b"secret" not in record.data
    assert data(record) == {
        "action": "state.set",
        "tenant": "t1",
        "at": "2026-03-02T12:00:00.000000Z",
        "actor": "/test",
        "target": {"kind": "state", "id": "é/1/k"},
        "outcome": "done",
        "error": None,
        "details": {
            "agent": "é/1",
            "key": "k",
            "version": 1,
            "bytes": 12,
            "expires_at": "2026-03-02T12:01:00.000000Z",
        },
    }
    gone = log.unset(agent="é/1", key="k")
    assert (gone.type, data(gone)["action"]) == ("state.deleted", "state.deleted")
    assert data(gone)["details"] == {"agent": "é/1", "key": "k", "version": 1}


@pytest.mark.parametrize(
    ("before", "if_version", "expected"),
    [
        ("nothing", None, ("done", None, 1)),
        ("nothing", 0, ("done", None, 1)),
        ("nothing", 1, ("rejected", "conflict", 0)),
        ("set", None, ("done", None, 2)),
        ("set", 1, ("done", None, 2)),
        ("set", 0, ("rejected", "conflict", 1)),
        ("set", 2, ("rejected", "conflict", 1)),
        ("deleted", None, ("done", None, 2)),
        ("deleted", 0, ("done", None, 2)),
        ("deleted", 1, ("rejected", "conflict", 0)),
        ("expired", None, ("done", None, 2)),
        ("expired", 0, ("done", None, 2)),
        ("expired", 1, ("rejected", "conflict", 0)),
    ],
)
@pytest.mark.parametrize("swept", [True, False])
def test_a_set_over_a_version(
    before: str, if_version: int | None, expected: Any, swept: bool
) -> None:
    log = StateLog()
    if before != "nothing":
        log.set("old", ttl=5 if before == "expired" else None)
    if before == "deleted":
        log.unset()
    log.wait(5, ticks=int(swept))
    assert outcome(log.set("new", if_version=if_version)) == expected
    if expected[0] == "done":
        assert read(log) == ("new", expected[2])
    else:
        assert read(log) == (("old", 1) if before == "set" else None)


@pytest.mark.parametrize(
    ("before", "if_version", "expected"),
    [
        ("nothing", None, ("rejected", "not_found", None)),
        ("set", None, ("done", None, 1)),
        ("set", 1, ("done", None, 1)),
        ("set", 2, ("rejected", "conflict", 1)),
        ("deleted", None, ("rejected", "not_found", None)),
        ("deleted", 1, ("rejected", "not_found", None)),
    ],
)
def test_a_delete(before: str, if_version: int | None, expected: Any) -> None:
    log = StateLog()
    if before != "nothing":
        log.set("old")
    if before == "deleted":
        log.unset()
    assert outcome(log.unset(if_version=if_version)) == expected
    assert (read(log) is None) is (before != "set" or expected[0] == "done")


def test_a_value_is_gone_at_its_time_for_readers_and_after_a_tick_for_good() -> None:
    log = StateLog()
    log.set("x", ttl=10)
    log.now += 10 * SECOND - 1
    log.idle()
    assert read(log) == ("x", 1)
    log.log_time += 1
    assert read(log) is None
    assert used_bytes(log.view, "t1") == len("phase") + 3
    log.now += 1
    log.idle()
    assert used_bytes(log.view, "t1") == 0
    [(_, row)] = log.view.scan(StateRow, StateRow.kind)
    assert (row.size, row.deleted) == (0, True)
    assert not list(log.view.scan(ValueRow, ValueRow.kind))


def test_a_set_without_a_ttl_keeps_the_value() -> None:
    log = StateLog()
    log.set("x", ttl=10)
    log.set("y")
    log.wait(100, ticks=3)
    assert read(log) == ("y", 2)
    assert not list(log.view.scan(DueRow, DueRow.kind))


def test_what_is_left_of_a_key_goes_after_its_time() -> None:
    log = StateLog()
    for key, end in (("deleted", log.unset), ("expired", None)):
        log.set("x", key=key, ttl=1 if end is None else None)
        if end is not None:
            end(key=key)
    log.wait(KEPT // SECOND + 2, ticks=3)
    assert {key[:2] for key in log.view.rows} & {row.kind for row in ROWS} <= {LeaseRow.kind}
    assert outcome(log.set("new", key="deleted")) == ("done", None, 1)


@pytest.mark.parametrize(("since", "version"), [(KEPT - 1, 2), (KEPT, 1)])
@pytest.mark.parametrize("ticks", [0, 1])
def test_a_version_goes_on_for_thirty_days(since: int, version: int, ticks: int) -> None:
    log = StateLog()
    log.set("deleted", key="deleted")
    log.unset(key="deleted")
    log.set("expired", key="expired", ttl=1)
    log.now += since
    log.idle(ticks)
    assert outcome(log.set(1, key="deleted")) == ("done", None, version)
    log.now += SECOND
    log.idle(ticks)
    assert outcome(log.set(1, key="expired")) == ("done", None, version)


def test_a_tick_and_a_set_do_bounded_work() -> None:
    log = StateLog()
    log.idle()
    for number in range(3 * AT_ONCE):
        log.set(0, key=str(number), ttl=5)
    log.now += 60 * SECOND
    log.set(0, ttl=5)
    changes, left = [], []
    for _ in range(4):
        before = log.view.changes
        log.idle()
        changes.append(log.view.changes - before)
        left.append(sum(not row.deleted for _, row in log.view.scan(StateRow, StateRow.kind)))
    assert left == [2 * AT_ONCE - 1, AT_ONCE - 1, 1, 1]
    assert max(changes) <= 7 * AT_ONCE + 4


def test_keys_of_other_agents_and_tenants_are_others() -> None:
    log = StateLog()
    log.set(1, agent="a", key="b/c")
    log.set(2, agent="a/b", key="c")
    log.set(3, agent="a", key="b/c", tenant="t2")
    assert read(log, "a", "b/c") == (1, 1)
    assert read(log, "a/b", "c") == (2, 1)
    assert read(log, "a", "b/c", "t2") == (3, 1)
    assert read(log, "a", "b/c", "t3") is None
    assert (used_bytes(log.view, "t1"), used_bytes(log.view, "t2")) == (6, 4)


def test_after_a_long_silence_what_is_left_is_not_forgotten() -> None:
    """What remains of the first key is due before the last one is: it goes with it."""
    log = StateLog()
    log.set(1, key="first", ttl=1)
    log.set(1, key="last", ttl=40 * 86_400)
    log.wait(90 * 86_400, ticks=1)
    assert {key[:2] for key in log.view.rows} & {row.kind for row in ROWS} <= {LeaseRow.kind}


def test_sweeping_begins_where_it_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    log = StateLog()
    for number in range(5):
        log.set(0, key=str(number), ttl=5)
        log.wait(10)
    starts = []
    scan = log.view.scan

    def watched(kind: Any, prefix: bytes, **rest: Any) -> Any:
        if kind is DueRow:
            starts.append(rest["start"])
        return scan(kind, prefix, **rest)

    monkeypatch.setattr(log.view, "scan", watched)
    log.idle()
    assert starts == [due_key(log.now - 5 * SECOND, b"")]


AGENTS, KEYS, TENANTS = ("a", "a/b", "ü"), ("k", "k/1", "日"), ("t1", "t2")
names = {
    "tenant": st.sampled_from(TENANTS),
    "agent": st.sampled_from(AGENTS),
    "key": st.sampled_from(KEYS),
}


class Machine(RuleBasedStateMachine):
    """A dict of (value, expiry) and the last version of each key is all that it takes."""

    @initialize(stored=st.booleans())
    def begin(self, stored: bool) -> None:
        self.log = StateLog(MemoryView(stored=stored))
        self.log.idle()
        self.values: dict[tuple[str, str, str], tuple[Any, int, int | None]] = {}
        self.versions: dict[tuple[str, str, str], tuple[int, int | None]] = {}
        """Last version of a key, and until when it is known."""

    def _pass(self) -> None:
        """What the log's time takes away."""
        now = max(self.log.log_time, self.log.now)
        for name, (_, _, due) in list(self.values.items()):
            if due is not None and due <= now:
                del self.values[name]
        for name, (_, until) in list(self.versions.items()):
            if until is not None and until <= now:
                del self.versions[name]

    @rule(
        **names,
        value=st.sampled_from((None, 1.5, "text é", {"n": [1]})),
        if_version=st.none() | st.integers(0, 4),
        ttl=st.none() | st.sampled_from((1, 60, 86_400 * 20)),
    )
    def set(
        self,
        tenant: str,
        agent: str,
        key: str,
        value: Any,
        if_version: int | None,
        ttl: int | None,
    ) -> None:
        self._pass()
        name = tenant, agent, key
        there = self.values[name][1] if name in self.values else 0
        result = outcome(
            self.log.set(value, tenant=tenant, agent=agent, key=key, if_version=if_version, ttl=ttl)
        )
        if if_version not in (None, there):
            assert result == ("rejected", "conflict", there)
            return
        version = self.versions.get(name, (0, None))[0] + 1
        assert result == ("done", None, version)
        due = None if ttl is None else self.log.log_time + ttl * SECOND
        self.values[name] = value, version, due
        self.versions[name] = version, None if due is None else due + 30 * DAY

    @rule(**names, if_version=st.none() | st.integers(1, 4))
    def unset(self, tenant: str, agent: str, key: str, if_version: int | None) -> None:
        self._pass()
        name = tenant, agent, key
        result = outcome(self.log.unset(tenant=tenant, agent=agent, key=key, if_version=if_version))
        if name not in self.values:
            assert result == ("rejected", "not_found", None)
        elif if_version not in (None, self.values[name][1]):
            assert result == ("rejected", "conflict", self.values[name][1])
        else:
            assert result == ("done", None, self.values[name][1])
            self.versions[name] = self.values.pop(name)[1], self.log.log_time + 30 * DAY

    @rule(seconds=st.sampled_from((0, 1, 59, 60, 86_400, 86_400 * 21)), ticks=st.integers(0, 2))
    def wait(self, seconds: int, ticks: int) -> None:
        self.log.wait(seconds, ticks=ticks)

    @rule()
    def sweep(self) -> None:
        self.log.idle(3)
        self._pass()
        texts = {
            name: json.dumps(value, separators=(",", ":")).encode()
            for name, (value, _, _) in self.values.items()
        }
        for tenant in TENANTS:
            assert used_bytes(self.log.view, tenant) == sum(
                len(name[2].encode()) + len(text)
                for name, text in texts.items()
                if name[0] == tenant
            )
        places = [place for place, _ in self.log.view.scan(StateRow, StateRow.kind)]
        assert len(places) == len(self.versions)
        kept = [row.value for _, row in self.log.view.scan(ValueRow, ValueRow.kind)]
        assert sorted(kept) == sorted(texts.values())

    @invariant()
    def readers_see_what_is_there(self) -> None:
        log = self.log
        log.log_time = max(log.log_time, log.now)
        self._pass()
        for tenant in TENANTS:
            for agent in AGENTS:
                keys = []
                for key in KEYS:
                    there = self.values.get((tenant, agent, key))
                    expected = None if there is None else there[:2]
                    assert read(log, agent, key, tenant) == expected
                    if there is not None:
                        keys.append((key, there[1], there[2] and format_time(there[2])))
                items, end = states(
                    log.view, tenant, agent, limit=10, after=None, log_time=log.log_time
                )
                listed = [(item["key"], item["version"], item["expires_at"]) for item in items]
                assert listed == sorted(keys, key=lambda item: item[0].encode())
                assert end is None


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
