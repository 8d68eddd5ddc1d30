"""All that can happen to memories, side by side, against a naive model; two tenants.

``WHOLE_EXAMPLES=500`` tries more than the quick tier has time for.
"""

import json
import os
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from memory.whole_naive import Said
from memory.whole_state import IDS, TENANTS, Whole
from streams.core.log import MemoryConsolidate, MemorySplit, RetentionSet, Vector
from streams.core.time import SECOND

EXAMPLES = int(os.environ.get("WHOLE_EXAMPLES", "4"))
"""Of the quick tier; by hand with hundreds."""
SUBJECTS = ("x", "y")
TEXTS = (
    "task {} ended",
    "task {} ended",
    "task {} ended",
    "task {} failed",
    "tab\there {} 🎉",
    "same",
)
tenants = st.sampled_from(TENANTS)
names = st.sampled_from(IDS)
numbers = st.integers(0, 5)
ttls = st.sampled_from((None, None, None, 60, 1_500))


class Machine(Whole):
    """Everything that may happen, each with a chance."""

    @rule(
        tenant=tenants,
        name=names,
        text=st.sampled_from(TEXTS),
        given=st.fixed_dictionaries(
            {},
            optional={
                "priority": st.sampled_from(("LOW", "MEDIUM", "HIGH", "CRITICAL")),
                "subject": st.sampled_from(SUBJECTS),
                "ttl_seconds": st.sampled_from((60, 1_500)),
                "session": st.just("s"),
            },
        ),
        vector=st.booleans(),
        ago=st.sampled_from((0, 0, 0, 30, 2_000, 20_000)),
    )
    def say(
        self, tenant: str, name: str, text: str, given: dict[str, Any], vector: bool, ago: int
    ) -> None:
        self._pass()
        self._say(tenant, name, text, given, vector, ago)

    @rule(
        tenant=tenants,
        alike=st.lists(names, min_size=2, max_size=4, unique=True),
        given=st.sampled_from(({}, {}, {"subject": "x"}, {"ttl_seconds": 1_500})),
        consolidated=st.booleans(),
    )
    def say_alike(
        self, tenant: str, alike: list[str], given: dict[str, Any], consolidated: bool
    ) -> None:
        self._pass()
        for name in alike:
            self.log.wait(1)
            self._say(tenant, name, TEXTS[0], given, name < "c", 0)
        if consolidated:
            self.consolidate(tenant, None)

    def _say(
        self, tenant: str, name: str, text: str, given: dict[str, Any], vector: bool, ago: int
    ) -> None:
        log, naive = self.log, self.naive[tenant]
        self._forget()
        self.number += 1
        said = Said(
            text.format(self.number),
            given.get("priority", "MEDIUM"),
            log.now - ago * SECOND,
            given.get("ttl_seconds"),
            given.get("subject"),
            given.get("session", ""),
            vector,
        )
        outputs = log.say(
            said.text,
            memory_id=name,
            tenant=tenant,
            time=said.time,
            vector=Vector("m", 0.5, bytes([self.number % 128, 7, 250])) if vector else None,
            given=given,
        )
        if log.refused_last():
            if naive.whole(name) is not None:
                naive.leave(name)
                naive.apart.add(name)
        else:
            naive.say(name, said, given, log.now)
        naive.hear(outputs)
        self._forget()

    @rule(tenant=tenants, number=numbers, priority=st.sampled_from(("MEDIUM", "CRITICAL")))
    def correct_a_consolidated_one(self, tenant: str, number: int, priority: str) -> None:
        self._pass(ticks=2)
        naive, made = self.naive[tenant], sorted(self.naive[tenant].made)
        if not made:
            return
        one = made[number % len(made)]
        self.number += 1
        text = f"all {self.number} of them"
        given = {"priority": priority}
        outputs = self.log.say(text, memory_id=one, tenant=tenant, given=given)
        if not self.log.refused_last():
            naive.corrected[one] = (text, priority)
        naive.hear(outputs)

    @rule(tenant=tenants, name=names, number=numbers)
    def access(self, tenant: str, name: str, number: int) -> None:
        self._pass()
        name = self._named(tenant, name, number)
        self.log.access((name, 2), tenant=tenant)
        self.naive[tenant].access(name, 2, self.log.now)

    @rule(seconds=st.sampled_from((1, 70, 1_000)), ticks=st.integers(1, 3))
    def tick(self, seconds: int, ticks: int) -> None:
        self._pass(seconds, ticks)

    @rule(tenant=tenants, hours=st.sampled_from((None, 1, 100)))
    def consolidate(self, tenant: str, hours: int | None) -> None:
        self._pass()
        self._heard(self.log.append(MemoryConsolidate(hours), tenant=tenant))
        rows = self._rows(tenant)
        self.log.append(MemoryConsolidate(hours), tenant=tenant)
        assert self._rows(tenant) == rows

    @rule(tenant=tenants, name=names, number=numbers)
    def split(self, tenant: str, name: str, number: int) -> None:
        self._pass(ticks=2)
        one = self._named(tenant, name, number + 3)
        self._split(tenant, one)

    def _split(self, tenant: str, one: str) -> bool:
        naive = self.naive[tenant]
        outputs = self.log.append(MemorySplit(one), tenant=tenant)
        [told] = [json.loads(o.data or b"") for o in outputs if o.topic == "tenant.audit.v1"]
        if told["outcome"] == "done":
            naive.apart.update(naive.made.pop(one))
            naive.corrected.pop(one, None)
        else:
            expected = "quota_exceeded" if one in naive.made else "not_found"
            assert told["error"] == expected
        return bool(told["outcome"] == "done")

    @rule(tenant=tenants)
    def there_and_back(self, tenant: str) -> None:
        """Splits undo to the byte what a merge did."""
        self._pass(ticks=2)
        naive, before = self.naive[tenant], self._rows(tenant)
        made = {*naive.made}
        outputs = self.log.append(MemoryConsolidate(100), tenant=tenant)
        naive.hear(outputs)
        extended = {o.subject for o in outputs if o.type == "memory.consolidated"} & made
        if extended:
            return
        new = sorted({*naive.made} - made)
        back = [self._split(tenant, one) for one in new]
        assert not all(back) or self._rows(tenant) == before

    @rule(
        tenant=tenants,
        name=names,
        number=numbers,
        what=st.sampled_from(("id", *SUBJECTS, "all")),
        ago=st.sampled_from((0, 0, 20)),
    )
    def erase(self, tenant: str, name: str, number: int, what: str, ago: int) -> None:
        self._pass(ticks=2)
        log, naive, time = self.log, self.naive[tenant], self.log.now - ago * SECOND
        if what == "id":
            name = self._named(tenant, name, number)
            naive.erased.add(name)
            outputs = log.erase(name, tenant=tenant, time=time)
        else:
            subject = None if what == "all" else what
            naive.until[what] = max(time, naive.until.get(what, 0))
            outputs = log.erase(subject=subject, tenant=tenant, time=time)
        self._forget()
        naive.hear(outputs)
        [told] = [json.loads(o.data or b"") for o in outputs if o.topic == "tenant.audit.v1"]
        left = [
            each
            for each, said in naive.said.items()
            if naive.fenced(each, said.subject, said.time)
            and (
                each == name
                if what == "id"
                else what in ("all", said.subject) and said.time <= time
            )
        ]
        left += [name] if what == "id" and name in naive.made else []
        assert told["outcome"] == ("deferred" if left else "done")

    @rule(
        tenant=tenants,
        name=names,
        number=numbers,
        subject=st.sampled_from((None, *SUBJECTS)),
        end=st.booleans(),
    )
    def hold(self, tenant: str, name: str, number: int, subject: str | None, end: bool) -> None:
        self._pass(ticks=2)
        log, naive = self.log, self.naive[tenant]
        name = self._named(tenant, name, number)
        act = log.release if end else log.keep
        if subject is None:
            act(name, tenant=tenant)
        else:
            act(subject=subject, tenant=tenant)
        held = {subject or name}
        naive.holds = naive.holds - held if end else naive.holds | held
        self._forget()
        self.settled = False

    @rule(tenant=tenants, default=ttls, least=ttls)
    def retention(self, tenant: str, default: int | None, least: int | None) -> None:
        self._pass(ticks=2)
        self.log.append(RetentionSet(default, least), tenant=tenant)
        self.naive[tenant].default, self.naive[tenant].least = default, least
        self._forget()
        self.settled = False

    @rule(tenant=tenants, mb=st.sampled_from((0, 1)))
    def quota(self, tenant: str, mb: int) -> None:
        self._pass()
        self._heard(self.log.quota(mb, tenant=tenant))

    @precondition(lambda self: len(self.log.entries) > 3)
    @rule(number=st.integers(1, 100), elsewhere=st.booleans())
    def once_more(self, number: int, elsewhere: bool) -> None:
        """What comes again is applied once."""
        self._pass()
        entries = self.log.entries
        again = entries[-1 - number % len(entries)]
        if again.offset not in self.log.without_room:
            self.log.once_more(again, elsewhere=elsewhere)


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=EXAMPLES, stateful_step_count=25, deadline=None)
