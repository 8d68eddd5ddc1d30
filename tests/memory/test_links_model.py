"""Links against a naive model that compares all with all, after every step."""

from fractions import Fraction
from itertools import combinations
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from usage.memory_view import MemoryView
from usage.writer import refolded

from memory.memory_log import MemoryLog
from memory.test_likeness import squared
from streams.core.log import MemoryConsolidate, MemorySplit, Vector
from streams.core.rows import Row
from streams.core.time import HOUR, SECOND
from streams.memory.bytes import used_bytes
from streams.memory.consolidation_rows import (
    ConsolidatedRow,
    FreshRow,
    LinkableRow,
    LinksRow,
    consolidated_key,
    id_of_linkable,
    linkable_prefix,
    links_key,
)
from streams.memory.grouping import bucket, texts_of
from streams.memory.likeness import LEAST
from streams.memory.links import LINKS
from streams.memory.members import as_shown
from streams.memory.record import measured
from streams.memory.rows import MemoryRow, VectorRow, id_of, memory_key, vector_key
from streams.templates.hard import may_link

IDS = tuple("abcdef")
TEXTS = (
    "partition 4 has no leader",
    "there is no leader of partition 4",
    "no leader stands for partition 4",
    "nobody leads: without a leader is 4",
    "partition 4 has a leader",
    "partition 7 has no leader",
)
VECTORS = ((100, 0), (100, 10), (100, 47), (100, 50), (0, 100))
MESSAGES = st.fixed_dictionaries(
    {
        "name": st.sampled_from(IDS),
        "text": st.sampled_from(TEXTS[:4] * 4 + TEXTS),
        "vector": st.sampled_from((*VECTORS[:3] * 4, *VECTORS, None)),
        "ago": st.sampled_from((0, 0, 0, 60, 20_000)),
        "given": st.fixed_dictionaries(
            {},
            optional={
                "priority": st.sampled_from(("LOW", *["MEDIUM"] * 4, "CRITICAL")),
                "context_tags": st.sampled_from((*[()] * 6, ("x",))),
                "related_memories": st.sampled_from(((), ("a", "z"))),
                "ttl_seconds": st.sampled_from((None, 2_000)),
            },
        ),
    }
)


class Machine(RuleBasedStateMachine):
    """What is linked can be told from the rows of two memories alone."""

    @initialize(stored=st.booleans(), said=st.lists(MESSAGES, min_size=2, max_size=6))
    def begin(self, stored: bool, said: list[dict[str, Any]]) -> None:
        self.log = MemoryLog(MemoryView(stored=stored))
        self.held: set[str] = set()
        self.say(said)

    def _all(self, kind: type[Row]) -> list[bytes]:
        return [key for key, _ in self.log.view.scan(kind, kind.kind)]

    def _row(self, name: str) -> MemoryRow | None:
        return self.log.view.get(MemoryRow, memory_key("t1", name))

    def _linked(self, name: str) -> tuple[str, ...]:
        row = self.log.view.get(LinksRow, links_key("t1", name))
        return () if row is None else row.linked

    def _same(self, one: str, other: str) -> bool:
        """Whether two memories that stand may be linked, whoever is linked with them already."""
        rows, texts, vectors = [], [], []
        for name in (one, other):
            row = self._row(name)
            assert row is not None
            made = self.log.view.get(ConsolidatedRow, consolidated_key("t1", name))
            said = {row.text} if made is None else set(texts_of(made))
            vector = self.log.view.get(VectorRow, vector_key("t1", name))
            if vector is None or len(said) > 1 or row.priority == 4:
                return False
            if made is not None and row.text not in _lines(made, row):
                return False
            rows.append(row)
            texts.append(said.pop())
            vectors.append([*memoryview(vector.data).cast("b")])
        return (
            rows[0].context_tags == rows[1].context_tags
            and may_link(*texts)
            and bucket(texts[0]) != bucket(texts[1])
            and squared(*vectors) >= Fraction(*LEAST) ** 2
        )

    def _filed(self) -> list[str]:
        return [
            id_of_linkable(key, linkable_prefix("t1", key[5:21])) for key in self._all(LinkableRow)
        ]

    def _free(self, name: str) -> bool:
        """Whether a memory, with all that it was made of, is neither on hold nor due."""
        row = self._row(name)
        assert row is not None
        names = (name, *row.sources)
        rows = [self._row(each) for each in names]
        return not self.held & {*names} and not any(
            each is not None
            and not each.consolidated
            and each.ttl_seconds is not None
            and each.timestamp + each.ttl_seconds * SECOND <= self.log.now
            for each in rows
        )

    @rule(said=st.lists(MESSAGES, min_size=2, max_size=5))
    def say(self, said: list[dict[str, Any]]) -> None:
        for each in said:
            self.log.wait(1)
            vector = Vector("m", 1.0, bytes(each["vector"])) if each["vector"] else None
            self.log.say(
                each["text"],
                memory_id=each["name"],
                vector=vector,
                given=each["given"],
                time=self.log.now - each["ago"] * SECOND,
            )

    @precondition(lambda self: len(self._standing()) > 1)
    @rule(hours=st.sampled_from((None, None, 1, 100)))
    def consolidate(self, hours: int | None) -> None:
        log = self.log
        log.wait(1)
        log.append(MemoryConsolidate(hours))
        since = log.now - (hours or 4) * HOUR
        # What was said instead of a consolidated memory is not linked; names are always filed.
        looked_at = [each for each in self._standing() if each in {*self._filed(), *IDS}]
        for one, other in combinations(looked_at, 2):
            rows = self._row(one), self._row(other)
            if (
                all(row is not None and row.timestamp >= since for row in rows)
                and self._free(one)
                and self._free(other)
                and self._same(one, other)
                and max(len(self._linked(each)) for each in (one, other)) < LINKS
            ):
                assert other in self._linked(one)
        rows_now = dict(log.view.rows)
        log.append(MemoryConsolidate(hours))
        for kind in (MemoryRow, LinksRow, LinkableRow, FreshRow):
            assert [rows_now.get(key) for key in self._all(kind)] == [
                log.view.rows[key] for key in self._all(kind)
            ]

    @rule(seconds=st.sampled_from((1, 500, 1_000)))
    def tick(self, seconds: int) -> None:
        self.log.wait(seconds, ticks=2)

    @rule(name=st.sampled_from(IDS[:2]))
    def erase(self, name: str) -> None:
        """What was erased never comes again: others have to stay."""
        if self._row(name) is not None and name not in self.held:
            self.log.erase(name)

    @rule(name=st.sampled_from(IDS[:3]), end=st.booleans())
    def hold(self, name: str, end: bool) -> None:
        (self.log.release if end else self.log.keep)(name)
        self.held = self.held - {name} if end else self.held | {name}

    @rule(number=st.integers(0, 3), correct=st.booleans())
    def split(self, number: int, correct: bool) -> None:
        made = [each for each in self.log.records() if each["kind"] == "consolidated"]
        if made:
            name = made[number % len(made)]["id"]
            if correct:
                self.log.say("said instead", memory_id=name)
            else:
                self.log.append(MemorySplit(name))

    def _standing(self) -> list[str]:
        rows = self.log.view.scan(MemoryRow, MemoryRow.kind)
        return [id_of(key) for key, row in rows if row.consolidated_into is None]

    @invariant()
    def what_is_linked_says_the_same(self) -> None:
        standing = set(self._standing())
        for key in self._all(LinksRow):
            name = id_of(key)
            linked = self._linked(name)
            row = self._row(name)
            assert row is not None
            assert 0 < len(linked) <= LINKS
            for other in linked:
                assert name in self._linked(other)
                assert other in row.related_memories
                if {name, other} <= standing:
                    assert self._same(name, other)
        for name in standing:
            row = self._row(name)
            assert row is not None
            shown = as_shown(self.log.view, None, "t1", name, row)
            assert row.size == measured("t1", name, *shown)[1]
            if not self._linked(name):
                assert set(row.related_memories) <= {"a", "z"}

    @invariant()
    def what_may_be_linked_is_filed_once(self) -> None:
        filed = [id_of(key) for key in self._all(FreshRow)] + self._filed()
        assert len(filed) == len(set(filed))
        named = {name for name in self._standing() if name in IDS}
        rows = {name: self._row(name) for name in named}
        assert {name for name in filed if name in IDS} == {
            name for name, row in rows.items() if row and row.vector_bytes and row.priority < 4
        }

    @invariant()
    def all_is_counted(self) -> None:
        rows = self.log.view.scan(MemoryRow, MemoryRow.kind)
        made = self.log.view.scan(ConsolidatedRow, ConsolidatedRow.kind)
        held = sum(row.held for _, row in made)
        assert used_bytes(self.log.view, "t1") == sum(row.size for _, row in rows) + held

    def teardown(self) -> None:
        """The same log comes to the same bytes."""
        again = MemoryView()
        assert refolded(again, self.log.entries) == self.log.outputs
        assert again.encoded() == self.log.view.encoded()


def _lines(made: ConsolidatedRow, row: MemoryRow) -> set[str]:
    """What a consolidated memory says if nobody has corrected it."""
    return {row.text} if row.text != "said instead" else set()


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)
