"""Pressure against a naive model that sorts all memories of a tenant before every step."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from usage.memory_view import MemoryView
from usage.writer import an_entry, data, refolded

from memory.memory_log import PRIORITIES, MemoryLog
from streams.core.fold import Output
from streams.core.log import LeaseGiven, LeaseRecalled, StateSet, Tick
from streams.core.rows import Row, tenant_key
from streams.memory.bytes import bytes_of, pool_bytes, quota_of, room
from streams.memory.leases import held
from streams.memory.pressure import spare
from streams.memory.prunable import least_first
from streams.memory.rows import (
    BytesRow,
    MemoryRow,
    PressureRow,
    StateRow,
    id_of_worth,
    memory_key,
)
from streams.memory.use import per_byte, used

TENANTS, IDS = ("t1", "t2", "t3"), ("a", "b", "c", "d")
MB = 1 << 20
sizes = st.sampled_from((1, 300, 300, 900, 5_000, 400_000))


class Machine(RuleBasedStateMachine):
    """Priority and use of each memory; how large it is and where it lies are the rows' to say."""

    @initialize(stored=st.booleans(), pool=st.sampled_from((3_000, 10_000, MB)))
    def begin(self, stored: bool, pool: int) -> None:
        self.log = MemoryLog(MemoryView(stored=stored))
        self.log.limit(2)
        self.log.hold(pool)
        self.priority: dict[tuple[str, str], int] = {}
        self.use: dict[tuple[str, str], int] = {}

    # -- what the model knows --------------------------------------------------------------

    def _row(self, tenant: str, name: str) -> MemoryRow:
        row = self.log.view.get(MemoryRow, memory_key(tenant, name))
        assert row is not None
        return row

    def _worth(self, tenant: str, name: str, size: int, working: bool) -> tuple[int, int, str]:
        # Of one as large as if it were not in working memory.
        value = per_byte(self.use[tenant, name], size + 2 * working)
        return self.priority[tenant, name], value, name

    def _order(self, tenant: str) -> list[tuple[int, int, str]]:
        """What may be pruned, the least valuable first."""
        own = [name for owner, name in self.priority if owner == tenant]
        worths = [(n, self._row(tenant, n)) for n in own if self.priority[tenant, n] < 4]
        return sorted(self._worth(tenant, n, row.size, row.working) for n, row in worths)

    def _forget(self, tenant: str, outputs: list[Output]) -> list[str]:
        gone = [output.subject for output in outputs if output.type == "memory.pruned"]
        tombstones = [output.subject for output in outputs if output.data is None]
        assert gone == tombstones
        for name in gone:
            # CRITICAL never goes.
            assert self.priority.pop((tenant, name)) < 4
            del self.use[tenant, name]
        return gone

    def _others(self, tenant: str) -> dict[bytes, Any]:
        """All that is stored of other tenants' memories and state."""
        prefixes = [
            kind.kind + t.encode()
            for kind in (MemoryRow, StateRow, BytesRow)
            for t in TENANTS
            if t != tenant
        ]
        rows = self.log.view.rows
        return {key: row for key, row in rows.items() if key.startswith(tuple(prefixes))}

    def _need(self, tenant: str, growth: int) -> int:
        """Bytes that have to go for so much more."""
        view, row = self.log.view, bytes_of(self.log.view, tenant)
        quota = quota_of(view, tenant)
        lease = held(view, an_entry())
        own = row.used - row.reserved - row.over
        mine = own + max(0, lease.pool - lease.pool_used) if quota is None else quota.quota_mb * MB
        assert mine == room(view, an_entry(), tenant)
        return min(growth, row.used + growth - row.reserved - mine)

    def _expected(
        self, tenant: str, growth: int, worth: tuple[int, int, str], name: str
    ) -> list[str] | None:
        """What should go; None: it should be refused."""
        need = self._need(tenant, growth)
        going = []
        for each in self._order(tenant):
            if need > 0 and each[2] != name and (each < worth or worth[0] == 4):
                going.append(each[2])
                need -= self._row(tenant, each[2]).size
        if need > spare(self.log.view, an_entry(), tenant, worth[0]) and worth[0] < 4:
            return None if need > 0 else going
        return going

    # -- steps -----------------------------------------------------------------------------

    @rule(
        tenant=st.sampled_from(TENANTS),
        name=st.sampled_from(IDS),
        size=sizes,
        priority=st.sampled_from(tuple(PRIORITIES)),
        agent=st.sampled_from(("", "x")),
    )
    def say(self, tenant: str, name: str, size: int, priority: str, agent: str) -> None:
        log, key = self.log, (tenant, name)
        log.wait(1)
        given = {"priority": priority, "agent": agent}
        known = key in self.priority
        before = self._row(tenant, name) if known else None
        kept = self.priority.get(key), self.use.get(key)
        # As large as it is where there is room for all.
        alone = MemoryLog()
        [record] = alone.say("x" * size, memory_id=name, given=given, tenant=tenant)
        large = data(record)["bytes"]
        if before is not None:
            large += len(str(before.revision + 1)) - 1 + len(str(before.access_count)) - 1
            large += 0 if before.last_accessed is None else len('"2026-03-02T15:00:00.000000Z"') - 4
        old = 0 if before is None else before.size
        self.priority[key] = PRIORITIES[priority]
        self.use[key] = used(kept[1], log.now)
        worth = self._worth(tenant, name, large, working=True)
        if before is not None:
            self.priority[key], new_use = kept[0], self.use[key]  # type: ignore[assignment]
            self.use[key] = kept[1]  # type: ignore[assignment]
        else:
            del self.priority[key], self.use[key]
        expected = self._expected(tenant, large - old, worth, name)
        others = self._others(tenant)
        outputs = log.say("x" * size, memory_id=name, given=given, tenant=tenant)
        assert self._others(tenant) == others
        refused = [output for output in outputs if output.type == "quota.rejected"]
        assert bool(refused) == (expected is None) == bool(log.refused)
        log.refused.clear()
        assert self._forget(tenant, outputs) == (expected or [])
        if not refused:
            self.priority[key] = PRIORITIES[priority]
            self.use[key] = new_use if before is not None else used(None, log.now)

    @rule(tenant=st.sampled_from(TENANTS), size=sizes, key=st.sampled_from("kl"))
    def put(self, tenant: str, size: int, key: str) -> None:
        log = self.log
        log.wait(1)
        others = self._others(tenant)
        size = min(size, 60_000)
        stored = log.view.get(StateRow, tenant_key(StateRow, tenant, b"\xa1a" + key.encode()))
        old = 0 if stored is None else stored.size
        worth = (2, per_byte(used(None, log.now), size + 3), "")
        expected = self._expected(tenant, size + 3 - old, worth, "")
        outputs = log.append(StateSet("a", key, b'"%b"' % (b"y" * size), None, None), tenant=tenant)
        assert self._others(tenant) == others
        assert bool(log.refused) == (expected is None)
        log.refused.clear()
        assert self._forget(tenant, outputs) == (expected or [])

    @rule(tenant=st.sampled_from(TENANTS), name=st.sampled_from(IDS))
    def access(self, tenant: str, name: str) -> None:
        self.log.wait(1)
        others = self._others(tenant)
        self.log.access((name, 1), tenant=tenant)
        assert self._others(tenant) == others
        if (tenant, name) in self.use:
            self.use[tenant, name] = used(self.use[tenant, name], self.log.now)

    @rule(
        tenant=st.sampled_from(TENANTS[:2]),
        mb=st.integers(0, 2),
        tier=st.sampled_from(("standard", "critical", "compliance")),
    )
    def quota(self, tenant: str, mb: int, tier: str) -> None:
        others = self._others(tenant)
        self._forget(tenant, self.log.quota(mb, tier, tenant=tenant))
        assert self._others(tenant) == others

    @rule(pool=st.sampled_from((0, 0, 500, 5_000)), reserve=st.sampled_from((0, 2_000, MB)))
    def give(self, pool: int, reserve: int) -> None:
        epoch = held(self.log.view, an_entry()).epoch
        self.log.append(LeaseGiven(epoch, 0, pool, reserve, MB, 4 * MB), tenant="")

    @rule(must=st.sampled_from((100, 2_000, MB)))
    def recall(self, must: int) -> None:
        epoch = held(self.log.view, an_entry()).epoch
        self.log.append(LeaseRecalled(epoch, must, None, MB), tenant="")

    @rule()
    def tick(self) -> None:
        log = self.log
        before = {tenant: self._order(tenant) for tenant in TENANTS}
        size = {key: self._row(*key).size for key in self.priority}
        full = {t for t in TENANTS if bytes_of(log.view, t).over}
        lease = held(log.view, an_entry())
        called_back = lease.pool_used > lease.pool
        log.wait(1)
        at = len(log.outputs)
        log.append(Tick(), tenant="")
        for tenant in TENANTS:
            outputs = [output for output in log.outputs[at:] if output.tenant == tenant]
            gone = self._forget(tenant, outputs)
            assert gone == [name for *_, name in before[tenant][: len(gone)]]
            if gone:
                pooled = quota_of(log.view, tenant) is None
                assert tenant in full or (pooled and called_back)
                # The last one had to go. (In the pool others may have made room meanwhile.)
                last = size[tenant, gone[-1]]
                over = bytes_of(log.view, tenant).over
                assert pooled or over or self._need(tenant, last) > 0
        # Whoever still has bytes without room has nothing that may go for them.
        for tenant in TENANTS:
            assert not bytes_of(log.view, tenant).over or not self._order(tenant)

    # -- what holds after each -------------------------------------------------------------

    @invariant()
    def bytes_accounted_are_bytes_stored(self) -> None:
        view, lease = self.log.view, held(self.log.view, an_entry())

        def total(kind: type[Row], tenant: str) -> int:
            rows: list[Any] = [row for _, row in view.scan(kind, tenant_key(kind, tenant))]
            return sum(row.size for row in rows)

        for tenant in TENANTS:
            stored = total(MemoryRow, tenant) + total(StateRow, tenant)
            assert bytes_of(view, tenant).used == stored
            assert stored == sum(r["bytes"] for r in self.log.records(tenant)) + total(
                StateRow, tenant
            )
        sharing = [bytes_of(view, t) for t in TENANTS if quota_of(view, t) is None]
        assert lease.pool_used == sum(map(pool_bytes, sharing))
        assert lease.sharers == sum(row.used > 0 for row in sharing)
        assert lease.reserve_used == sum(bytes_of(view, t).reserved for t in TENANTS)
        assert lease.reserve_used <= lease.reserve

    @invariant()
    def memories_are_those_that_were_kept(self) -> None:
        for tenant in TENANTS:
            own = {name for owner, name in self.priority if owner == tenant}
            assert {record["id"] for record in self.log.records(tenant)} == own
            found = [id_of_worth(worth) for worth in least_first(self.log.view, tenant)]
            assert found == [name for *_, name in self._order(tenant)]

    def teardown(self) -> None:
        """The same log comes to the same bytes, and in the end nobody waits for a tick."""
        again = MemoryView()
        assert refolded(again, self.log.entries) == self.log.outputs
        assert again.encoded() == self.log.view.encoded()
        for _ in range(3):
            self.tick()
        assert not list(self.log.view.scan(PressureRow, PressureRow.kind))


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
