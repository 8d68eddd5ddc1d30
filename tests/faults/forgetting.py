"""Tenants that merge, hold and erase what they remember under faults, and what must come of it.

Two topics are folded in any order. So what is sent comes to the same in every order: a fence covers
event times, what is on hold is let go in the end, and an event and its correction have one time.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.faults.event import HOUR, Event

TENANTS = ("forgetful-1", "forgetful-2", "forgetful-4")
"""With four partitions all are in one: the others' archives have nothing that is erased."""
FIRST = 10_000_000
"""Each memory has a number of its own, by which it is found."""
_SAYS = (
    "robot {} moved {} boxes in {} s",
    "gate {} is shut, {} of {} wait",
    "task {} failed: {} {}",
)
_MONTH = 30 * 24 * 3600


@dataclass
class Said:
    """A memory that was sent."""

    content: str
    subject: str | None
    time: int
    revision: int = 1


@dataclass
class Forgotten:
    """What was sent of memories that may be erased, and what is left of it in any order."""

    said: dict[tuple[str, str], Said] = field(default_factory=dict)
    due: dict[tuple[str, str], Said] = field(default_factory=dict)
    """What is due when it comes: it is never stored."""
    ids: set[tuple[str, str]] = field(default_factory=set)
    until: dict[tuple[str, str | None], int] = field(default_factory=dict)
    ttl: dict[str, int] = field(default_factory=dict)
    commands: list[Event] = field(default_factory=list)

    def add(self, event: Event) -> None:
        """Take an event that comes for the first time."""
        tenant, data = event.tenant, event.data
        if event.type != "agent.message":
            self.commands.append(event)
        if event.type == "memory.erase":
            for each in data.get("memory_ids", ()):
                self.ids.add((tenant, each))
            if "memory_ids" not in data:
                key = tenant, data.get("subject")
                self.until[key] = max(event.time, self.until.get(key, 0))
        elif event.type == "retention.set":
            self.ttl[tenant] = data["default_ttl_seconds"]
        elif event.type == "agent.message":
            key = tenant, data["memory_id"]
            said = Said(data["content"], data.get("subject"), event.time)
            if data.get("ttl_seconds") == 3600:
                self.due[key] = said
            elif key in self.said:
                self.said[key].revision += 1
                self.said[key].content = data["content"]
            else:
                self.said[key] = said

    def erased(self, tenant: str, memory_id: str, said: Said) -> bool:
        """Whether a fence covers it."""
        until = max(self.until.get((tenant, each), 0) for each in (said.subject, None))
        return (tenant, memory_id) in self.ids or said.time <= until

    def left(self, tenant: str) -> dict[str, Said]:
        """What must be there in the end."""
        own = [(name, said) for (owner, name), said in self.said.items() if owner == tenant]
        return {name: said for name, said in own if not self.erased(tenant, name, said)}


class Forgetting:
    """Draws what these tenants send, a little beside all else."""

    def __init__(self, seed: int, base: int) -> None:
        self._draw = random.Random(f"forgetting {seed}")
        self._base = base
        self._count = 0
        self._sent: list[Event] = []
        self._holds: list[tuple[str, str]] = []

    def some(self) -> Iterator[Event]:
        """The next message, and now and then a command."""
        draw, n = self._draw, self._count
        self._count += 1
        if self._sent and draw.random() < 0.03:
            yield self._sent[draw.randrange(len(self._sent))]
        elif self._sent and draw.random() < 0.05:
            yield self._correction(n)
        else:
            yield self._message(n)
        if n % 12 == 11:
            yield self._command(n, "memory.consolidate", {"window_hours": 24})
        if n % 50 == 20:
            data = {"subject": self._subject(n)}
            event = self._command(n, "hold.set", data)
            if (event.tenant, data["subject"]) not in self._holds:
                self._holds.append((event.tenant, data["subject"]))
                yield event
        if n % 25 == 24:
            data = {"subject": self._subject(n), "reason": "asked to"}
            if n % 50 == 24 and self._holds:
                tenant, data["subject"] = self._holds[-1]
                yield self._command(n, "memory.erase", data, tenant=tenant)
            else:
                yield self._command(n, "memory.erase", data)
        if n % 50 == 35 and self._sent:
            one = draw.choice(self._sent)
            ids = sorted({e.data["memory_id"] for e in self._sent[-40:] if e.tenant == one.tenant})
            data = {"memory_ids": [*ids[:3], f"f{n + 30}"], "reason": "it held a password"}
            yield self._command(n, "memory.erase", data, tenant=one.tenant)
        if n % 100 == 60:
            yield self._command(n, "retention.set", {"default_ttl_seconds": _MONTH + n})
        if n % 100 == 80:
            yield from self._released(len(self._holds) - 1)
        if n == 150:
            data = {"all": True, "reason": "the contract has ended"}
            time = self._base - 11 * HOUR
            yield self._command(n, "memory.erase", data, tenant=TENANTS[0], time=time)

    def end(self) -> Iterator[Event]:
        """Let go of all that is on hold."""
        yield from self._released(0)

    def split(self, tenant: str, memory_id: str, number: int) -> Event:
        """Undo a merge that somebody has seen."""
        return self._command(number, "memory.split", {"memory_id": memory_id}, tenant=tenant)

    def _released(self, keep: int) -> Iterator[Event]:
        while len(self._holds) > max(keep, 0):
            tenant, subject = self._holds.pop(0)
            self._count += 1
            yield self._command(self._count, "hold.release", {"subject": subject}, tenant=tenant)

    def _message(self, n: int) -> Event:
        draw = self._draw
        tenant = TENANTS[draw.randrange(len(TENANTS))]
        data: dict[str, Any] = {
            "content": self._says(n),
            "memory_id": f"f{n}",
            "agent": "robot",
            "priority": draw.choice(("LOW", "MEDIUM", "HIGH")),
        }
        if draw.random() < 0.5:
            data["subject"] = self._subject(n)
            if draw.random() < 0.05:
                # What says the same of this subject is left alone.
                data["priority"] = "CRITICAL"
        if draw.random() < 0.1:
            # The first of these is due when it comes: it is never stored.
            data["ttl_seconds"] = draw.choice((3600, _MONTH))
        time = self._base - 2 * HOUR - draw.randrange(10 * HOUR)
        event = Event("agent.messages.v1", "agent.message", tenant, "/robots", f"m{n}", time, data)
        self._sent.append(event)
        return event

    def _correction(self, n: int) -> Event:
        one = self._sent[self._draw.randrange(len(self._sent))]
        if one.data.get("ttl_seconds") == 3600:
            return one
        data = {k: v for k, v in one.data.items() if k in ("memory_id", "subject", "agent")}
        data["content"] = self._says(n)
        return Event(one.topic, one.type, one.tenant, "/robots", f"c{n}", one.time, data)

    def _says(self, n: int) -> str:
        draw = self._draw
        return draw.choice(_SAYS[: 1 + draw.randrange(len(_SAYS))]).format(
            FIRST + n, draw.randrange(90), draw.randrange(900)
        )

    def _subject(self, n: int) -> str:
        return f"customer-{n // 120}-{self._draw.randrange(3)}"

    def _command(
        self, n: int, kind: str, data: dict[str, Any], *, tenant: str = "", time: int = 0
    ) -> Event:
        tenant = tenant or TENANTS[self._draw.randrange(len(TENANTS))]
        time = time or self._base - 3 * HOUR - self._draw.randrange(6 * HOUR)
        name = f"{kind}-{n}-{len(data)}"
        return Event("tenant.commands.v1", kind, tenant, "/ops", name, time, data)
