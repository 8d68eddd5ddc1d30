"""A naive model of one tenant's memories: it never merges, looks at all of them, forgets at once.

It knows what was said, the rules, holds and fences; who was merged into what it hears from topics,
and holds against the rules.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from usage.writer import data

from streams.core.fold import Output
from streams.core.time import SECOND, format_time

TOKEN = re.compile(r"7\d{5}")
"""Values of texts: each is said once, so that it tells what was found."""


@dataclass(frozen=True)
class Said:
    """A memory as it was said last. Times are microseconds."""

    text: str
    priority: str
    time: int
    ttl: int | None
    subject: str | None
    session: str
    vector: bool
    revision: int = 1
    accesses: int = 0
    accessed: int | None = None


@dataclass
class Naive:
    """What is there of one tenant's memories."""

    said: dict[str, Said] = field(default_factory=dict)
    made: dict[str, list[str]] = field(default_factory=dict)
    """Members of each consolidated memory."""
    was: dict[str, list[str]] = field(default_factory=dict)
    """Members that each had when it was merged last."""
    corrected: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Text and priority of consolidated memories that were corrected."""
    apart: set[str] = field(default_factory=set)
    """What was split, and is left alone until it is corrected."""
    default: int | None = None
    least: int | None = None
    holds: set[str] = field(default_factory=set)
    erased: set[str] = field(default_factory=set)
    """Ids, for good."""
    until: dict[str, int] = field(default_factory=dict)
    """By subject, and of all."""

    def ttl(self, said: Said) -> int | None:
        ttl = self.default if said.ttl is None else said.ttl
        return None if ttl is None else max(ttl, self.least or 0)

    def due(self, said: Said, now: int) -> bool:
        ttl = self.ttl(said)
        return ttl is not None and said.time + ttl * SECOND <= now

    def fenced(self, name: str, subject: str | None, time: int) -> bool:
        until = max(self.until.get(subject or "", -1), self.until.get("all", -1))
        return name in self.erased or time <= until

    def whole(self, name: str) -> str | None:
        return next((one for one, members in self.made.items() if name in members), None)

    def held(self, name: str) -> bool:
        """A memory by its id, its subject, or what it is a part of; a whole by any member too."""
        if name in self.made:
            members = self.made[name]
            subjects = {self.said[each].subject for each in members if each in self.said}
            return bool(self.holds & {name, *members, *subjects})
        said = self.said.get(name)
        return bool(self.holds & {name, said and said.subject, self.whole(name)})

    def critical(self, name: str) -> bool:
        if name in self.made:
            return name in self.corrected and self.corrected[name][1] == "CRITICAL"
        return self.said[name].priority == "CRITICAL"

    def forget(self, now: int) -> None:
        """What is due or erased and not on hold is gone; what was erased never comes back."""
        for one, members in list(self.made.items()):
            times = [self.said[each] for each in members if each in self.said]
            newest = max((each.time for each in times), default=0)
            subject = times[-1].subject if times else None
            if not self.held(one) and self.fenced(one, subject, newest):
                self.drop(one)
                self.erased |= {one, *members}
        for name, said in list(self.said.items()):
            if self.held(name):
                continue
            if self.fenced(name, said.subject, said.time):
                self.erased.add(name)
                self.drop(name)
            elif self.due(said, now):
                self.drop(name)

    def drop(self, name: str) -> None:
        """A memory is no more; a whole goes with its members, and with one left is that again."""
        for each in self.made.pop(name, ()):
            self.said.pop(each, None)
        self.said.pop(name, None)
        self.leave(name)
        self.corrected = {one: said for one, said in self.corrected.items() if one in self.made}

    def leave(self, name: str) -> None:
        """Take a member out of what it is a part of."""
        one = self.whole(name)
        if one is None:
            return
        members = [each for each in self.made[one] if each != name]
        self.corrected.pop(one, None)
        self.made[one] = members
        if len(members) < 2:
            del self.made[one]

    def standing(self) -> set[str]:
        """What lists and searches show."""
        archived = {each for members in self.made.values() for each in members}
        return ({*self.said} - archived) | {*self.made}

    def tokens(self) -> set[str]:
        """Values that somebody may still find."""
        texts = [said.text for said in self.said.values()]
        texts += [text for text, _ in self.corrected.values()]
        return {token for text in texts for token in TOKEN.findall(text)}

    def shown(self, name: str) -> dict[str, Any]:
        """Fields of a memory that was said, as GET has them."""
        said = self.said[name]
        ttl, whole = self.ttl(said), self.whole(name)
        due = None if ttl is None else format_time(said.time + ttl * SECOND)
        return {
            "id": name,
            "content": said.text,
            "priority": said.priority,
            "timestamp": format_time(said.time),
            "ttl_seconds": ttl,
            "gdpr_deletion_date": due,
            "subject": said.subject,
            "session": said.session or None,
            "revision": said.revision,
            "access_count": said.accesses,
            "last_accessed": None if said.accessed is None else format_time(said.accessed),
            "embedding_model": "m" if said.vector else None,
            "consolidated_into": whole,
            "kind": "observed",
            "sources": [],
        }

    def say(self, name: str, said: Said, given: dict[str, Any], now: int) -> bool:
        """Take a message as it should be taken; whether it is stored."""
        before = self.said.get(name)
        subject = said.subject if before is None or "subject" in given else before.subject
        if self.fenced(name, subject, said.time):
            return False
        if before is not None and not self.held(name):
            until = max(self.until.get(subject or "", -1), self.until.get("all", -1))
            if before.time <= until:
                self.drop(name)
                before = None
        if before is None:
            if self.due(said, now):
                return False
            self.said[name] = said
        else:
            self.leave(name)
            kept = {each: getattr(before, each) for each in _GIVEN if _GIVEN[each] not in given}
            self.said[name] = replace(
                said,
                **kept,
                time=before.time,
                revision=before.revision + 1,
                accesses=before.accesses,
                accessed=before.accessed,
            )
        self.apart.discard(name)
        return True

    def access(self, name: str, count: int, now: int) -> None:
        said = self.said.get(name)
        if said is not None and self.whole(name) is None:
            at = max(now, said.accessed or 0)
            self.said[name] = replace(said, accesses=said.accesses + count, accessed=at)

    def hear(self, outputs: Sequence[Output]) -> None:
        """Follow what was merged and pruned, and hold it against the rules."""
        for output in outputs:
            if output.type == "memory.pruned":
                name = output.subject
                if name in self.said or name in self.made:
                    assert not self.critical(name)
                    assert not self.held(name)
                    self.drop(name)
                else:
                    # Ticks had not taken out yet what was gone of it.
                    for each in self.was.pop(name):
                        self.drop(each)
            if output.topic == "memory.consolidated.v1" and output.type == "memory.consolidated":
                told = data(output)
                self._merged(told["memory_id"], told["members"], told["template"])

    def _merged(self, one: str, members: list[str], template: str) -> None:
        new = [each for each in members if each not in self.was.get(one, ())]
        if not new:
            # Made anew of those that stay; some of these may go with the same record.
            assert {*self.made.get(one, ())} <= {*members}
            self.was[one] = members
            return
        assert one not in self.corrected
        assert one not in self.made or not self.held(one)
        for each in new:
            assert self.whole(each) is None
            assert not self.critical(each)
            assert not self.held(each)
            assert each not in self.apart
        assert {*members} == {*new, *self.made.get(one, ())}
        texts = {TOKEN.sub("*", self.said[each].text) for each in members}
        assert texts == {TOKEN.sub("*", template)}
        assert len({self.said[each].subject for each in members}) == 1
        self.made[one] = self.was[one] = members


_GIVEN = {"ttl": "ttl_seconds", "subject": "subject", "session": "session", "priority": "priority"}
"""Fields of what is said that a correction may leave out, and their names in messages."""
