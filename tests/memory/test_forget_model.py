"""Keeping and forgetting against a naive model that looks at every memory after every step."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from usage.memory_view import MemoryView
from usage.writer import refolded

from memory.memory_log import MemoryLog
from memory.test_expiry import found
from streams.core.log import RetentionSet
from streams.core.time import SECOND
from streams.memory.rows import MemoryRow

SUBJECTS = {"a": "x", "b": "x", "c": "y", "d": None}
names = st.sampled_from(tuple(SUBJECTS))
ttls = st.sampled_from((None, 5, 20, 10**6))


class Machine(RuleBasedStateMachine):
    """Event time and ttl of each memory; what is on hold, what was erased and until when."""

    @initialize(stored=st.booleans())
    def begin(self, stored: bool) -> None:
        self.log = MemoryLog(MemoryView(stored=stored))
        self.memories: dict[str, tuple[int, int | None]] = {}
        self.rules: tuple[int | None, int | None] = (None, None)
        self.holds: set[str] = set()
        self.erased: set[str] = set()
        self.until: dict[str, int] = {}

    def _held(self, name: str) -> bool:
        return name in self.holds or SUBJECTS[name] in self.holds

    def _due(self, time: int, ttl: int | None) -> bool:
        default, least = self.rules
        ttl = default if ttl is None else ttl
        return ttl is not None and time + max(ttl, least or 0) * SECOND <= self.log.now

    def _fenced(self, name: str, time: int) -> bool:
        until = max(self.until.get(SUBJECTS[name] or "", 0), self.until.get("all", 0))
        return name in self.erased or time <= until

    def _erase(self) -> None:
        """What was erased and is not on hold leaves its id behind, for good."""
        for name, (time, _) in self.memories.items():
            if not self._held(name) and self._fenced(name, time):
                self.erased.add(name)

    def _there(self) -> set[str]:
        return {
            name
            for name, (time, ttl) in self.memories.items()
            if self._held(name) or not (self._due(time, ttl) or self._fenced(name, time))
        }

    def _pass(self, seconds: int = 1) -> None:
        self._erase()
        self.log.wait(seconds, ticks=3)
        self.memories = {name: self.memories[name] for name in sorted(self._there())}

    @rule(name=names, ttl=ttls, ago=st.sampled_from((0, 0, 3, 30)))
    def say(self, name: str, ttl: int | None, ago: int) -> None:
        self._pass()
        time = self.log.now - ago * SECOND
        given = {"subject": SUBJECTS[name]} if SUBJECTS[name] else {}
        given |= {} if ttl is None else {"ttl_seconds": ttl}
        self.log.say(memory_id=name, given=given, time=time)
        if self._fenced(name, time):
            return
        before = self.memories.get(name)
        if before is not None:
            self.memories[name] = before[0], before[1] if ttl is None else ttl
        elif not self._due(time, ttl):
            self.memories[name] = time, ttl

    @rule(default=ttls, least=ttls)
    def retention(self, default: int | None, least: int | None) -> None:
        self._pass()
        self.log.append(RetentionSet(default, least))
        self.rules = default, least

    @rule(what=st.sampled_from((*SUBJECTS, "x", "y")), end=st.booleans())
    def hold(self, what: str, end: bool) -> None:
        self._pass()
        act = self.log.release if end else self.log.keep
        if what in SUBJECTS:
            act(what)
        else:
            act(subject=what)
        self.holds = self.holds - {what} if end else self.holds | {what}

    @rule(what=st.sampled_from((*SUBJECTS, "x", "y", "all")), ago=st.sampled_from((0, 2)))
    def erase(self, what: str, ago: int) -> None:
        self._pass()
        time = self.log.now - ago * SECOND
        if what in SUBJECTS:
            self.log.erase(what, time=time)
            self.erased.add(what)
        else:
            self.log.erase(subject=None if what == "all" else what, time=time)
            self.until[what] = max(time, self.until.get(what, 0))

    @rule(seconds=st.sampled_from((1, 6, 25)))
    def wait(self, seconds: int) -> None:
        self._pass(seconds)

    @invariant()
    def what_is_gone_is_seen_by_nobody(self) -> None:
        there = self._there()
        assert set(self.log.tiers()) == there
        assert set(found(self.log)) == there

    def teardown(self) -> None:
        """What is gone leaves no row; the same log comes to the same bytes."""
        self._pass()
        rows = self.log.view.scan(MemoryRow, MemoryRow.kind)
        assert {key.decode().partition("\0")[2] for key, _ in rows} == self._there()
        again = MemoryView()
        assert refolded(again, self.log.entries) == self.log.outputs
        assert again.encoded() == self.log.view.encoded()


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
