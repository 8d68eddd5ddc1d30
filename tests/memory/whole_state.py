"""What a machine of everything has and how its steps go; what must hold after each of them."""

import json
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant
from usage.memory_view import MemoryView

from memory.whole_log import WholeLog
from memory.whole_naive import TOKEN, Naive
from streams.core.errors import ApiError
from streams.core.fold import Output
from streams.core.log import Tick
from streams.memory import documents, forget_rows
from streams.memory.bytes import used_bytes
from streams.memory.consolidation_rows import ConsolidatedRow
from streams.memory.hidden import hide
from streams.memory.index import TenantIndex
from streams.memory.memories import RECORDS
from streams.memory.ranking import Filters, search
from streams.memory.recall import memory
from streams.memory.rows import (
    AgentRow,
    CountRow,
    MemoryRow,
    PrunableRow,
    TimelineRow,
    VectorRow,
    WorkingRow,
)

TENANTS, IDS = ("t1", "t2"), tuple("abcdef")
FIRST = 700_001
LARGE, SMALL = 64 << 20, 3_500
KEPT = (MemoryRow, VectorRow, TimelineRow, WorkingRow, AgentRow, CountRow, PrunableRow)
KEPT_KINDS = tuple(kind.kind for kind in (*KEPT, ConsolidatedRow, *forget_rows.ROWS))
"""Rows that a merge and its undo leave as they were."""


class Whole(RuleBasedStateMachine):
    """A naive model for each tenant; what is merged and pruned it hears from the topics."""

    @initialize(
        stored=st.booleans(),
        pool=st.sampled_from((LARGE, LARGE, SMALL)),
        chunked=st.sampled_from((False, False, False, True)),
        scheduled=st.booleans(),
    )
    def begin(self, stored: bool, pool: int, chunked: bool, scheduled: bool) -> None:
        self.log = WholeLog(MemoryView(stored=stored))
        # Runs by log time are one for all: the first of all that is new says when they are.
        self.log.limit(3, **({} if scheduled else {"consolidate_every_seconds": 10**9}))
        self.log.hold(pool)
        self.apart, self.chunked = pool == LARGE and not scheduled, chunked
        self.naive = {tenant: Naive() for tenant in TENANTS}
        self.number = FIRST - 1
        self.settled = True

    # -- how steps go -------------------------------------------------------------------------

    def _forget(self) -> None:
        for naive in self.naive.values():
            naive.forget(self.log.now)

    def _heard(self, outputs: list[Output]) -> None:
        for tenant, naive in self.naive.items():
            naive.hear([output for output in outputs if output.tenant == tenant])

    def _pass(self, seconds: int = 1, ticks: int = 0) -> None:
        """Let time pass; with ticks enough all that is to be done is done."""
        self.log.wait(seconds)
        self.log.log_time = self.log.now
        self._forget()
        self.settled = False
        for _ in range(ticks):
            self._heard(self.log.append(Tick(), tenant=""))
        self.settled = ticks > 1

    def _named(self, tenant: str, name: str, number: int) -> str:
        """A memory, or now and then a consolidated one."""
        made = sorted(self.naive[tenant].made)
        return made[number % len(made)] if number > 3 and made else name

    # -- what holds after each ----------------------------------------------------------------

    def _get(self, tenant: str, name: str) -> dict[str, Any] | None:
        try:
            found = memory(self.log.view, tenant, name, log_time=self.log.log_time)
        except ApiError:
            return None
        record: dict[str, Any] = json.loads(bytes(found))
        return record

    def _rows(self, tenant: str) -> dict[bytes, bytes]:
        mark = tenant.encode() + b"\0"
        rows = self.log.view.encoded()
        return {k: row for k, row in rows.items() if mark in k and k[:2] in KEPT_KINDS}

    @invariant()
    def each_is_as_it_was_said(self) -> None:
        for tenant, naive in self.naive.items():
            standing = naive.standing()
            for name in (*IDS, *naive.erased):
                record = self._get(tenant, name)
                if name in naive.said:
                    assert record is not None
                    shown = naive.shown(name)
                    if self.settled:
                        assert (record["tier"] == "archived") == (name not in standing)
                    else:
                        # Ticks may not have given it back yet.
                        del shown["consolidated_into"]
                    assert {field: record[field] for field in shown} == shown
                elif name not in naive.made:
                    assert record is None
            if not self.settled:
                continue
            listed = {record["id"] for record in self.log.records(tenant)}
            archived = {record["id"] for record in self.log.records(tenant, tier="archived")}
            assert listed == standing
            assert archived == {*naive.said} - standing

    @invariant()
    def nothing_that_is_gone_is_found(self) -> None:
        log = self.log
        compacted = {o.key: o.data for o in log.outputs if o.topic == RECORDS}
        for tenant, naive in self.naive.items():
            page, _ = documents.page(log.view, tenant, b"", 1_000)
            index = TenantIndex.of(page)
            hide(index, log.view, tenant, log.log_time)
            query = " ".join(map(str, range(FIRST, self.number + 1)))
            found = search(index, query, Filters(), 100, log.now) if page else []
            records = log.records(tenant)
            shown = [*records, *log.records(tenant, tier="archived")]
            texts = [record["content"] for record in shown]
            if self.settled:
                texts += [document.content for document in page]
            assert {token for text in texts for token in TOKEN.findall(text)} == naive.tokens()
            if self.settled:
                assert {each.id for each in found} == naive.standing()
                sent = [
                    json.loads(value)
                    for key, value in compacted.items()
                    if value is not None and (key or "").startswith(tenant)
                ]
                assert sorted(sent, key=_id) == sorted(records, key=_id)

    @invariant()
    def bytes_are_counted_once(self) -> None:
        for tenant in TENANTS:
            mark = tenant.encode() + b"\0"
            rows = self.log.view.scan(MemoryRow, MemoryRow.kind + mark)
            made = self.log.view.scan(ConsolidatedRow, ConsolidatedRow.kind + mark)
            stored = sum(row.size for _, row in rows) + sum(row.held for _, row in made)
            assert used_bytes(self.log.view, tenant) == stored

    def teardown(self) -> None:
        """The same log comes to the same bytes, however it is folded."""
        if hasattr(self, "log"):
            self._pass(ticks=3)
            self.log.check_others(TENANTS if self.apart else ())
            if self.chunked:
                self.log.check_chunks()


def _id(record: dict[str, Any]) -> str:
    return str(record["id"])
