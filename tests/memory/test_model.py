"""Memories against a naive model that keeps dicts and sorts all of them after every step."""

import json
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from usage.memory_view import MemoryView
from usage.writer import refolded

from memory.memory_log import PRIORITIES, MemoryLog
from streams.core.ids import derived_id
from streams.core.log import Vector
from streams.core.rows import tenant_key
from streams.core.time import SECOND, format_time
from streams.memory.bytes import used_bytes
from streams.memory.forget_rows import DeadlineRow
from streams.memory.memories import RECORDS
from streams.memory.prunable import least_first
from streams.memory.rows import (
    AgentRow,
    CountRow,
    MemoryRow,
    PrunableRow,
    TimelineRow,
    VectorRow,
    WorkingRow,
    id_of_worth,
    prunable_prefix,
    working_prefix,
)
from streams.memory.use import per_byte, used

TENANTS, IDS = ("t1", "t2"), ("a", "a:1", "B", "b-2", "c")
LIMIT = 3
NEVER = 10**9
"""What says the same stays apart here (test_whole.py merges it)."""
EMPTY: dict[str, Any] = {"priority": "MEDIUM", "context_tags": [], "related_memories": []}
given = st.fixed_dictionaries(
    {},
    optional={
        "agent": st.sampled_from(("", "x", "x", "y")),
        "priority": st.sampled_from(tuple(PRIORITIES)),
        "session": st.sampled_from(("", "s")),
        "context_tags": st.sampled_from(((), ("ü", "t"))),
        "ttl_seconds": st.sampled_from((1, 3_600, 10**9)),
        "cluster_state": st.sampled_from(({"cluster": "c"}, {"n": {"m": [None, True]}})),
        "pipeline_context": st.sampled_from(((), ("p",))),
        "subject": st.just("who"),
        "metadata": st.sampled_from(({}, {"k": 2**70, "z": "\n"})),
        "cost_attribution": st.just("team"),
    },
)


class Machine(RuleBasedStateMachine):
    """A record as a dict, its use and the bytes of its vector; tiers follow from sorting."""

    @initialize(stored=st.booleans())
    def begin(self, stored: bool) -> None:
        self.log = MemoryLog(MemoryView(stored=stored))
        self.log.limit(LIMIT, consolidate_every_seconds=NEVER)
        self.limit = LIMIT
        self.memories: dict[tuple[str, str], dict[str, Any]] = {}
        self.use: dict[tuple[str, str], int] = {}
        self.vectors: dict[tuple[str, str], int] = {}
        self.expired = 0

    def _settle(self) -> None:
        """The least valuable of each agent's working memory leave, down to the limit."""
        groups: dict[tuple[str, Any], list[tuple[int, int, str]]] = {}
        for (tenant, name), record in self.memories.items():
            if record["tier"] == "working":
                worth = PRIORITIES[record["priority"]], self.use[tenant, name], name
                groups.setdefault((tenant, record["agent"]), []).append(worth)
        for (tenant, _), worths in groups.items():
            for *_, name in sorted(worths)[: max(0, len(worths) - self.limit)]:
                self.memories[tenant, name]["tier"] = "long_term"

    def _pass(self, seconds: int) -> None:
        """Log time passes; the tick removes what is due."""
        self.log.wait(seconds, ticks=1)
        for key, record in list(self.memories.items()):
            ttl = record.get("ttl_seconds")
            if ttl is not None and record["timestamp"] + ttl * SECOND <= self.log.log_time:
                del self.memories[key], self.use[key], self.vectors[key]

    @rule(
        tenant=st.sampled_from(TENANTS),
        memory_id=st.none() | st.sampled_from(IDS),
        text=st.sampled_from(("hello", "é\u2028", '"\\')),
        given=given,
        vector=st.sampled_from((0, 0, 8)),
        ago=st.sampled_from((0, 0, 1, 4_000)),
    )
    def say(
        self,
        tenant: str,
        memory_id: str | None,
        text: str,
        given: dict[str, Any],
        vector: int,
        ago: int,
    ) -> None:
        log = self.log
        self._pass(1)
        time = log.now - ago * SECOND
        name = memory_id or derived_id(tenant, "/test", f"e{len(log.entries)}")
        outputs = log.say(
            text,
            memory_id=memory_id,
            given=given,
            vector=Vector("m", 0.1, b"v" * vector) if vector else None,
            tenant=tenant,
            time=time,
        )
        ttl = given.get("ttl_seconds")
        before = self.memories.get((tenant, name))
        if before is None and ttl is not None and time + ttl * SECOND <= log.log_time:
            self.expired += 1
            assert [output.type for output in outputs] == ["memory.expired"]
            return
        record = before or EMPTY | {"timestamp": time, "revision": 0, "accesses": 0}
        record |= {
            field: list(value) if isinstance(value, tuple) else value
            for field, value in given.items()
        }
        record |= {
            "content": text,
            "tier": "working",
            "revision": record["revision"] + 1,
            "embedding_model": "m" if vector else None,
            "agent": record.get("agent") or None,
            "session": record.get("session") or None,
        }
        self.memories[tenant, name] = record
        self.use[tenant, name] = used(self.use.get((tenant, name)), log.log_time)
        self.vectors[tenant, name] = vector
        self._settle()
        # A correction keeps the event time: one that brings a ttl may be due at once.
        self._pass(0)

    @rule(
        tenant=st.sampled_from(TENANTS),
        counts=st.lists(
            st.tuples(st.sampled_from((*IDS, "nobody's")), st.integers(1, 3)), max_size=3
        ),
    )
    def access(self, tenant: str, counts: list[tuple[str, int]]) -> None:
        self._pass(1)
        outputs = self.log.access(*counts, tenant=tenant)
        known = [(name, count) for name, count in counts if (tenant, name) in self.memories]
        assert [output.subject for output in outputs] == [name for name, _ in known]
        for name, count in known:
            record = self.memories[tenant, name]
            record["accesses"] += count
            record["last_accessed"] = format_time(self.log.now)
            self.use[tenant, name] = used(self.use[tenant, name], self.log.log_time, count)

    @rule(seconds=st.sampled_from((1, 3_600, 90_000, 86_400 * 30)))
    def wait(self, seconds: int) -> None:
        self._pass(seconds)

    @rule(limit=st.integers(1, 4))
    def change_the_limit(self, limit: int) -> None:
        self.log.limit(limit, consolidate_every_seconds=NEVER)
        self.limit = limit
        self.log.wait(1, ticks=3)
        self._settle()
        self._pass(0)

    def _expected(self, tenant: str, name: str) -> dict[str, Any]:
        record = self.memories[tenant, name]
        ttl = record.get("ttl_seconds")
        due = None if ttl is None else format_time(record["timestamp"] + ttl * SECOND)
        made = {
            "id": name,
            "tenant": tenant,
            "agent": record["agent"],
            "session": record["session"],
            "content": record["content"],
            "timestamp": format_time(record["timestamp"]),
            "priority": record["priority"],
            "context_tags": record["context_tags"],
            "tier": record["tier"],
            "kind": "observed",
            "sources": [],
            "related_memories": record["related_memories"],
            "access_count": record["accesses"],
            "last_accessed": record.get("last_accessed"),
            "ttl_seconds": ttl,
            "gdpr_deletion_date": due,
            "cost_attribution": record.get("cost_attribution"),
            "cluster_state": record.get("cluster_state"),
            "pipeline_context": record.get("pipeline_context"),
            "subject": record.get("subject"),
            "metadata": record.get("metadata"),
            "revision": record["revision"],
            "consolidated_into": None,
            "embedding_model": record["embedding_model"],
        }
        text = json.dumps(made, separators=(",", ":"), ensure_ascii=False).encode()
        return made | {"bytes": len(text) + self.vectors[tenant, name]}

    @invariant()
    def all_is_there_and_as_it_should_be(self) -> None:
        # What the compacted topic holds.
        sent = {o.key: o.data for o in self.log.outputs if o.topic == RECORDS}
        latest = {key: json.loads(value) for key, value in sent.items() if value is not None}
        for tenant in TENANTS:
            expected = [self._expected(*key) for key in self.memories if key[0] == tenant]
            expected.sort(key=lambda record: record["id"])
            expected.sort(key=lambda record: record["timestamp"], reverse=True)
            assert self.log.records(tenant) == expected
            for record in expected:
                assert latest.pop(f"{tenant}/{record['id']}") == record
            assert used_bytes(self.log.view, tenant) == sum(r["bytes"] for r in expected)
            tiers = [record["tier"] for record in expected]
            counts = self.log.view.get(CountRow, tenant_key(CountRow, tenant)) or CountRow(0, 0)
            assert counts == CountRow(tiers.count("working"), tiers.count("long_term"))
        assert not latest

    @invariant()
    def the_least_valuable_are_known(self) -> None:
        for tenant in TENANTS:
            order = []
            for name in (name for owner, name in self.memories if owner == tenant):
                record = self._expected(tenant, name)
                size = record["bytes"] + 2 * (record["tier"] == "working")
                worth = per_byte(self.use[tenant, name], size)
                if record["priority"] != "CRITICAL":
                    order.append((PRIORITIES[record["priority"]], worth, name))
            found = list(least_first(self.log.view, tenant))
            assert [id_of_worth(worth) for worth in found] == [name for *_, name in sorted(order)]
            rows = self.log.view.scan(PrunableRow, prunable_prefix(tenant))
            assert len(list(rows)) == len(found)

    @invariant()
    def no_row_is_left_over(self) -> None:
        view = self.log.view
        working = [key for key, _ in view.scan(WorkingRow, WorkingRow.kind)]
        assert len(working) == sum(r["tier"] == "working" for r in self.memories.values())
        for agent, row in view.scan(AgentRow, AgentRow.kind):
            prefix = working_prefix(agent)
            own = [key[len(prefix) :] for key in working if key.startswith(prefix)]
            assert (row.count, row.least) == (len(own), own[0])
        assert sum(row.count for _, row in view.scan(AgentRow, AgentRow.kind)) == len(working)
        due = sum("ttl_seconds" in r for r in self.memories.values())
        assert sum(1 for _ in view.scan(DeadlineRow, DeadlineRow.kind)) == due
        for kind in (MemoryRow, TimelineRow):
            assert sum(1 for _ in view.scan(kind, kind.kind)) == len(self.memories)
        vectors = sum(size > 0 for size in self.vectors.values())
        assert sum(1 for _ in view.scan(VectorRow, VectorRow.kind)) == vectors

    def teardown(self) -> None:
        """The same log comes to the same bytes."""
        again = MemoryView()
        outputs = refolded(again, self.log.entries)
        assert outputs == self.log.outputs
        assert again.encoded() == self.log.view.encoded()


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
