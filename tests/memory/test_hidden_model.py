"""What readers see of merged memories against a model that merges nothing, ticks or no ticks.

Who is merged with whom the model takes from the rows; all else it knows of itself. Ticks do little
each, so that what is due or erased mostly lies where it was when readers come.
"""

import re
from typing import Any, NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from usage.memory_view import MemoryView
from usage.writer import refolded

from memory.test_consolidation import Log, stored
from memory.test_hidden import Searcher
from streams.core.errors import ApiError
from streams.core.log import MemoryConsolidate, RetentionSet
from streams.core.time import SECOND, format_time
from streams.memory import erase, forgetting
from streams.memory.bytes import used_bytes
from streams.memory.rows import MemoryRow, id_of, memory_key

FIRST, LATER, WHOLE = "abcdefgh", "ijkl", "the first that is merged"
SUBJECTS = {name: "x" if name in "abcdij" else None for name in FIRST + LATER}
names = st.sampled_from(tuple(SUBJECTS))
some = st.lists(names, min_size=1, max_size=4, unique=True)
with_whole = st.lists(names, max_size=2, unique=True).map(lambda found: [*found, WHOLE])
ttls = st.sampled_from((None, None, 9, 20, 1_000))
_NUMBER = re.compile(r"\d{5}")


class Said(NamedTuple):
    """A memory as the model knows it."""

    time: int
    ttl: int | None
    number: int


class Machine(RuleBasedStateMachine):
    """Each memory has a number of its own, each time that it is said."""

    @initialize(
        at_once=st.sampled_from((1, 2, 50)),
        limit=st.sampled_from((2, 100)),
        first=st.lists(ttls, min_size=len(FIRST), max_size=len(FIRST)),
    )
    def begin(self, at_once: int, limit: int, first: list[int | None]) -> None:
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(erase, "AT_ONCE", at_once)
        self.patch.setattr(forgetting, "AT_ONCE", at_once)
        self.patch.setattr(forgetting, "DUE_AT_ONCE", at_once)
        self.log = Log(MemoryView())
        self.log.limit(limit)
        self.searcher = Searcher(self.log)
        self.memories: dict[str, Said] = {}
        self.wholes: dict[str, str] = {}
        self.rules: tuple[int | None, int | None] = (None, None)
        self.holds: set[str] = set()
        self.erased: set[str] = set()
        self.until: dict[str, int] = {}
        self.numbers = 10_000
        for name, ttl in zip(FIRST, first, strict=True):
            self.say(name, ttl, 0)
        self.consolidate()

    # -- the model ---------------------------------------------------------------------------

    def _row(self, name: str) -> MemoryRow | None:
        row = self.log.view.get(MemoryRow, memory_key("t1", name))
        # Without what it was merged into it is only what ticks have left to remove.
        left = row is not None and row.consolidated_into is not None
        return None if left and self._row(row.consolidated_into) is None else row

    def _members(self, whole: str) -> list[str]:
        return [name for name, each in self.wholes.items() if each == whole]

    def _held(self, name: str) -> bool:
        return not self.holds.isdisjoint({name, SUBJECTS[name], self.wholes.get(name)})

    def _due(self, said: Said) -> int | None:
        default, least = self.rules
        ttl = default if said.ttl is None else said.ttl
        return None if ttl is None else said.time + max(ttl, least or 0) * SECOND

    def _fenced(self, name: str, time: int) -> bool:
        until = max(self.until.get(SUBJECTS[name] or "", 0), self.until.get("all", 0))
        return name in self.erased or time <= until

    def _erased_with_others(self, name: str) -> bool:
        whole = self.wholes.get(name)
        return whole in self.erased and not any(map(self._held, self._members(whole or "")))

    def _goes(self, name: str) -> bool:
        said = self.memories[name]
        due = self._due(said)
        is_due = due is not None and due <= self.log.now
        fenced = self._fenced(name, said.time) or self._erased_with_others(name)
        return (is_due or fenced) and not self._held(name)

    def _there(self) -> set[str]:
        return {name for name in self.memories if not self._goes(name)}

    def _named(self, what: list[str]) -> list[str]:
        made = [each["id"] for each in self.log.made()]
        return [made[0] if each == WHOLE and made else each for each in what]

    def _look(self) -> None:
        """Forget what is gone from the rows too, and see who is merged with whom."""
        self.log.log_time = self.log.now
        for name, said in list(self.memories.items()):
            if self._row(name) is None:
                assert self._goes(name)
                if self._fenced(name, said.time) or self._erased_with_others(name):
                    self.erased.add(name)
                del self.memories[name]
        rows = {name: self._row(name) for name in sorted(self.memories)}
        self.wholes = {
            name: row.consolidated_into
            for name, row in rows.items()
            if row is not None and row.consolidated_into is not None
        }

    # -- what happens ------------------------------------------------------------------------

    @rule(name=names, ttl=ttls, ago=st.sampled_from((0, 0, 0, 3, 30)))
    def say(self, name: str, ttl: int | None, ago: int) -> None:
        log = self.log
        log.wait(1)
        self._look()
        self.numbers += 1
        given: dict[str, Any] = {"subject": SUBJECTS[name]} if SUBJECTS[name] else {}
        given |= {} if ttl is None else {"ttl_seconds": ttl}
        time = log.now - ago * SECOND
        before = self.memories.get(name)
        fenced = self._fenced(name, time)
        if before is not None and self._goes(name):
            if self._fenced(name, before.time) or self._erased_with_others(name):
                fenced = True
            before = None
        log.say(f"task {self.numbers} ended", memory_id=name, given=given, time=time)
        if fenced:
            self._look()
            return
        if before is not None:
            self.memories[name] = Said(
                before.time, before.ttl if ttl is None else ttl, self.numbers
            )
        else:
            new = Said(time, ttl, self.numbers)
            due = self._due(new)
            self.memories.pop(name, None)
            if due is None or due > log.now:
                self.memories[name] = new
        self._look()

    @rule()
    def consolidate(self) -> None:
        self.log.append(MemoryConsolidate(100))
        self._look()

    @rule(number=st.integers(0, 2))
    def split(self, number: int) -> None:
        made = self.log.made()
        if made:
            self.log.split(made[number % len(made)]["id"])
            self._look()

    @rule(default=ttls, least=ttls)
    def retention(self, default: int | None, least: int | None) -> None:
        self.log.append(RetentionSet(default, least))
        self.rules = default, least
        self._look()

    @rule(what=some | st.just(["x"]) | st.just([WHOLE]), end=st.booleans())
    def hold(self, what: list[str], end: bool) -> None:
        act = self.log.release if end else self.log.keep
        what = self._named(what)
        if what == ["x"]:
            act(subject="x")
        elif what:
            act(*what)
        self.holds = self.holds - {*what} if end else self.holds | {*what}
        self._look()

    @rule(
        what=some | with_whole | st.just(["x"]) | st.just(["all"]),
        ago=st.integers(0, 12),
    )
    def erase(self, what: list[str], ago: int) -> None:
        log, time = self.log, self.log.now - ago * SECOND
        if what in (["x"], ["all"]):
            self.until[what[0]] = max(time, self.until.get(what[0], 0))
            log.erase(subject="x" if what == ["x"] else None, time=time)
        else:
            what = self._named(what)
            self.erased |= {*what}
            log.erase(*what)
        self._look()

    @rule(seconds=st.sampled_from((1, 6, 25)), ticks=st.sampled_from((0, 1, 3)))
    def wait(self, seconds: int, ticks: int) -> None:
        self.log.wait(seconds, ticks=ticks)
        self._look()

    # -- what readers see --------------------------------------------------------------------

    @invariant()
    def readers_see_what_is_there_and_nothing_else(self) -> None:
        there, log = self._there(), self.log
        listed = log.records()
        archived = [record["id"] for record in log.records(tier="archived")]
        alone = [record["id"] for record in listed if record["kind"] == "observed"]
        assert sorted(alone + archived) == sorted(there)
        made = [record for record in listed if record["kind"] == "consolidated"]
        assert sorted(name for each in made for name in each["sources"]) == sorted(archived)
        for name in SUBJECTS:
            assert (name in there) == (self._get(name) is not None)
        for each in made:
            assert self._get(each["id"]) == each
            said = [self.memories[name] for name in each["sources"]]
            self._is_of(each, said)
        for record in listed:
            if record["kind"] == "observed":
                self._is_of(record, [self.memories[record["id"]]])

    def _is_of(self, record: dict[str, Any], said: list[Said]) -> None:
        shown = {int(number) for number in _NUMBER.findall(record["content"])}
        assert shown <= {each.number for each in said}
        assert record["timestamp"] == format_time(max(each.time for each in said))
        due = [self._due(each) for each in said]
        known = [each for each in due if each is not None]
        last = format_time(max(known)) if len(known) == len(due) else None
        assert record["gdpr_deletion_date"] == last

    @invariant()
    def searches_find_what_is_there_and_nothing_else(self) -> None:
        found = self.searcher.find("task")
        listed = {record["id"]: record["content"] for record in self.log.records()}
        assert {name: content for name, content, _ in found} == listed
        again = Searcher(self.log)
        assert again.find("task") == found
        there = {self.memories[name].number for name in self._there()}
        for index in (self.searcher.index, again.index):
            for number in range(10_001, self.numbers + 1):
                slots, _ = index.lexical.postings.get(str(number))
                assert bool(index.alive[slots].any()) == (number in there)

    def _get(self, name: str) -> dict[str, Any] | None:
        try:
            return self.log.get(name)
        except ApiError:
            return None

    @invariant()
    def all_is_counted(self) -> None:
        assert stored(self.log) == used_bytes(self.log.view, "t1")

    def teardown(self) -> None:
        """What is gone leaves no row; the same log comes to the same bytes."""
        try:
            self.log.wait(0, ticks=60)
            self._look()
            rows = self.log.view.scan(MemoryRow, MemoryRow.kind)
            names = {id_of(key) for key, row in rows if not row.consolidated}
            assert names == self._there() == set(self.memories)
            again = MemoryView()
            assert refolded(again, self.log.entries) == self.log.outputs
            assert again.encoded() == self.log.view.encoded()
        finally:
            self.patch.undo()


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=8, stateful_step_count=20, deadline=None)
