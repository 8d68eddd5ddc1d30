"""Consolidation against a naive model that never merges anything: nobody's words are lost."""

import json
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from usage.memory_view import MemoryView
from usage.writer import refolded

from memory.memory_log import MemoryLog
from streams.core.errors import ApiError
from streams.core.log import MemoryConsolidate, MemorySplit, Vector
from streams.core.time import SECOND
from streams.memory.bytes import used_bytes
from streams.memory.consolidation_rows import AlikeRow, ConsolidatedRow
from streams.memory.recall import memory
from streams.memory.rows import MemoryRow, PrunableRow, TimelineRow, VectorRow

TENANTS, IDS = ("t1", "t2"), tuple("abcdefgh")
TEXTS = ("task 7 ended", "task 9 ended", "task 9 failed", "task 9 ended", "tab\there 0x7f 🎉", "")
OF_MERGE = ("tier", "consolidated_into", "bytes")
"""What being merged changes of a record."""


class Machine(RuleBasedStateMachine):
    """Records of all memories as they were when they were written last."""

    @initialize(stored=st.booleans())
    def begin(self, stored: bool) -> None:
        self.log = MemoryLog(MemoryView(stored=stored))
        self.log.limit(3)
        self.said: dict[tuple[str, str], dict[str, Any]] = {}

    def _get(self, tenant: str, name: str) -> dict[str, Any] | None:
        try:
            found = memory(self.log.view, tenant, name, log_time=self.log.now)
        except ApiError:
            return None
        record: dict[str, Any] = json.loads(bytes(found))
        return record

    def _made(self, tenant: str) -> list[dict[str, Any]]:
        return [each for each in self.log.records(tenant) if each["kind"] == "consolidated"]

    def _rows(self, tenant: str) -> dict[bytes, Any]:
        """All that is stored of a tenant's memories."""
        mark = tenant.encode() + b"\0"
        kinds = (MemoryRow, VectorRow, TimelineRow, PrunableRow, ConsolidatedRow, AlikeRow)
        prefixes = tuple(kind.kind + mark for kind in kinds)
        return {key: row for key, row in self.log.view.rows.items() if key.startswith(prefixes)}

    @rule(
        tenant=st.sampled_from(TENANTS),
        name=st.sampled_from(IDS),
        text=st.sampled_from(TEXTS[:-1]),
        priority=st.sampled_from(("LOW", "MEDIUM", "MEDIUM", "HIGH", "CRITICAL")),
        ttl=st.sampled_from((None, None, None, 1_000)),
        session=st.sampled_from(("", "s")),
        vector=st.booleans(),
        ago=st.sampled_from((0, 0, 60, 20_000)),
    )
    def say(
        self,
        tenant: str,
        name: str,
        text: str,
        priority: str,
        ttl: int | None,
        session: str,
        vector: bool,
        ago: int,
    ) -> None:
        log = self.log
        log.wait(1)
        self._forget_due()
        (other,) = {*TENANTS} - {tenant}
        others = self._rows(other)
        log.say(
            text,
            memory_id=name,
            tenant=tenant,
            time=log.now - ago * SECOND,
            vector=Vector("m", 0.5, bytes([len(text), 7, 250])) if vector else None,
            given={"priority": priority, "ttl_seconds": ttl, "session": session},
        )
        assert self._rows(other) == others
        record = self._get(tenant, name)
        if record is not None:
            assert (record["content"], record["priority"]) == (text, priority)
            assert record["tier"] != "archived"
            before = self.said.get((tenant, name))
            assert record["revision"] == (1 if before is None else before["revision"] + 1)
            self.said[tenant, name] = record
        else:
            # Its event time stays that of the first one: it may be due at once.
            assert ttl is not None
            self.said.pop((tenant, name), None)

    @rule(tenant=st.sampled_from(TENANTS), name=st.sampled_from(IDS))
    def access(self, tenant: str, name: str) -> None:
        self.log.wait(1)
        self.log.access((name, 2), tenant=tenant)
        record = self._get(tenant, name)
        if record is not None and record["tier"] != "archived":
            self.said[tenant, name] = record

    @rule(tenant=st.sampled_from(TENANTS), hours=st.sampled_from((None, 1, 100)))
    def consolidate(self, tenant: str, hours: int | None) -> None:
        log = self.log
        (other,) = {*TENANTS} - {tenant}
        log.wait(1)
        others = self._rows(other)
        log.append(MemoryConsolidate(hours), tenant=tenant)
        assert self._rows(other) == others
        rows = self._rows(tenant)
        log.append(MemoryConsolidate(hours), tenant=tenant)
        assert self._rows(tenant) == rows

    @rule(seconds=st.sampled_from((1, 500, 1_000)))
    def tick(self, seconds: int) -> None:
        self.log.wait(seconds, ticks=2)

    @rule(tenant=st.sampled_from(TENANTS), number=st.integers(0, 3))
    def split(self, tenant: str, number: int) -> None:
        made = self._made(tenant)
        if made:
            one = made[number % len(made)]
            self.log.append(MemorySplit(one["id"]), tenant=tenant)
            assert self._get(tenant, one["id"]) is None
            for name in one["sources"]:
                record = self._get(tenant, name)
                assert record is None or record["tier"] != "archived"

    @rule(tenant=st.sampled_from(TENANTS))
    def there_and_back(self, tenant: str) -> None:
        """What a merge changes, splits undo."""
        for one in self._made(tenant):
            self.log.append(MemorySplit(one["id"]), tenant=tenant)
        kept = (MemoryRow.kind, VectorRow.kind, TimelineRow.kind, PrunableRow.kind)
        before = {k: row for k, row in self._rows(tenant).items() if k[:2] in kept}
        self.log.append(MemoryConsolidate(100), tenant=tenant)
        for one in self._made(tenant):
            self.log.append(MemorySplit(one["id"]), tenant=tenant)
        assert {k: row for k, row in self._rows(tenant).items() if k[:2] in kept} == before

    def _forget_due(self) -> None:
        self.said = {
            key: record for key, record in self.said.items() if self._get(*key) is not None
        }

    @invariant()
    def nothing_is_lost(self) -> None:
        for (tenant, name), said in self.said.items():
            record = self._get(tenant, name)
            if record is None:
                # Due.
                assert said["ttl_seconds"] is not None
                continue
            for field in said.keys() - OF_MERGE:
                assert record[field] == said[field], field
            if record["tier"] == "archived":
                assert record["priority"] != "CRITICAL"
                into = self._get(tenant, record["consolidated_into"])
                assert into is not None
                assert name in into["sources"]

    @invariant()
    def all_is_counted_once(self) -> None:
        for tenant in TENANTS:
            mark = tenant.encode() + b"\0"
            rows = self.log.view.scan(MemoryRow, MemoryRow.kind + mark)
            made = self.log.view.scan(ConsolidatedRow, ConsolidatedRow.kind + mark)
            held = sum(row.held for _, row in made)
            assert used_bytes(self.log.view, tenant) == sum(row.size for _, row in rows) + held
            timeline = list(self.log.view.scan(TimelineRow, TimelineRow.kind + mark))
            assert len(timeline) == len(self._standing(tenant))

    def _standing(self, tenant: str) -> list[MemoryRow]:
        rows = self.log.view.scan(MemoryRow, MemoryRow.kind + tenant.encode() + b"\0")
        return [row for _, row in rows if row.consolidated_into is None]

    def teardown(self) -> None:
        """The same log comes to the same bytes, whatever is kept between its records."""
        again = MemoryView()
        assert refolded(again, self.log.entries) == self.log.outputs
        assert again.encoded() == self.log.view.encoded()


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)
