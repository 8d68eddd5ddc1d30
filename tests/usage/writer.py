"""Writes a log and folds it, record by record."""

from collections.abc import Sequence
from typing import Any

import msgspec

from streams.agents.fold import fold
from streams.core.fold import DeadLetter, Effect, Entry, Output, settle
from streams.core.log import (
    Body,
    BudgetDelete,
    BudgetSet,
    Call,
    Config,
    Message,
    Origin,
    Record,
    Refusal,
    TenantSet,
    Tick,
    decode,
    encode,
)
from streams.core.money import parse_usd
from streams.core.time import parse_time
from usage.memory_view import MemoryView

ZERO = Call("openai", "gpt-4o", 0, 0, 0, 0, None, None, "")


def at(text: str) -> int:
    """Microseconds of ``2026-03-01``, ``2026-03-01T12`` or longer, UTC."""
    return parse_time(text + "0000-01-01T00:00:00Z"[len(text) :])


def outputs_of(effects: list[Effect]) -> list[Output]:
    """What goes to output topics; a partition's talk with control is tests/control's."""
    return [effect for effect in effects if isinstance(effect, Output)]


def refolded(view: MemoryView, entries: list[Entry]) -> list[Output]:
    """Fold entries once more, into other rows; what goes to output topics."""
    return [output for entry in entries for output in outputs_of(fold(view, entry))]


def an_entry(offset: int = 0) -> Entry:
    """A record at its place, where only the place matters."""
    now = at("2026-03-02T12")
    return Entry(Record(1, "t1", None, "/test", f"e{offset}", now, Tick()), 3, offset, now, now)


class Writer:
    """Appends records at ``now`` and folds each at once.

    Without a ``time`` of their own, events happen at ``now``.
    """

    def __init__(self, view: MemoryView | None = None, now: str = "2026-03-02T12") -> None:
        self.view = view or MemoryView(stored=True)
        self.now = at(now)
        self.log_time = 0
        self.entries: list[Entry] = []
        self.outputs: list[Output] = []
        self.refused: list[DeadLetter] = []

    def append(
        self,
        body: Body,
        *,
        tenant: str = "t1",
        time: int | str | None = None,
        event: str = "",
        origin: Origin | None = None,
    ) -> list[Output]:
        """Fold one more record; return what it put out."""
        offset = len(self.entries)
        if isinstance(time, str):
            time = at(time)
        record = Record(
            1,
            tenant,
            origin or Origin("agent.messages.v1", 0, 0, offset),
            "/test",
            event or f"e{offset}",
            self.now if time is None else time,
            body,
        )
        self.log_time = max(self.log_time, self.now)
        entry = Entry(decode(encode(record)), 3, offset, self.now, self.log_time)
        self.entries.append(entry)
        effects = fold(self.view, entry)
        self.refused += [effect for effect in effects if isinstance(effect, DeadLetter)]
        outputs = outputs_of(effects)
        settle(self.view)
        if offset % 3 == 0:
            # What is kept of rows may be gone with any chunk.
            self.view.kept.clear()
        self.outputs += outputs
        return outputs

    def call(
        self,
        cost: str | None = None,
        *,
        tenant: str = "t1",
        time: int | str | None = None,
        agent: str = "",
        cost_attribution: str = "",
        cluster: str = "",
        event: str = "",
        **fields: Any,
    ) -> list[Output]:
        """Append a metered call; ``cost`` is what the price book says, USD."""
        if cost is not None:
            fields["computed"] = parse_usd(cost)
        call = msgspec.structs.replace(ZERO, **fields)
        body = Message(agent, "", cost_attribution, cluster, call, None)
        return self.append(body, tenant=tenant, time=time, event=event)

    def budget(
        self,
        limit: str = "100",
        *,
        budget_id: str = "default",
        period: str = "day",
        timezone: str = "UTC",
        thresholds: Sequence[int] = (50, 80, 100),
        forecast: bool = True,
        scope: dict[str, str] | None = None,
        **rest: Any,
    ) -> list[Output]:
        """Append a budget.set."""
        body = BudgetSet(
            budget_id,
            parse_usd(limit),
            period,
            timezone,
            tuple(thresholds),
            forecast,
            scope or {},
        )
        return self.append(body, **rest)

    def delete(self, budget_id: str = "default", **rest: Any) -> list[Output]:
        """Append a budget.delete."""
        return self.append(BudgetDelete(budget_id), **rest)

    def zone(self, name: str, **rest: Any) -> list[Output]:
        """Append a tenant.set."""
        return self.append(TenantSet(name), **rest)

    def config(self, *, grace_hours: int = 24, default_budget: str = "100") -> list[Output]:
        """Append a configuration."""
        return self.append(Config(24, grace_hours, parse_usd(default_budget), "2026.6"), tenant="")

    def tick(self, now: str) -> list[Output]:
        """Move the log's time."""
        self.now = at(now)
        return self.append(Tick(), tenant="")

    def refuse(self, code: str, **rest: Any) -> list[Output]:
        """Append a marker of a refused record."""
        return self.append(Refusal(code), **rest)


def told(outputs: Sequence[Output]) -> list[tuple[str, int | None]]:
    """Type and threshold of each alert."""
    return [
        (o.type, msgspec.json.decode(o.data).get("threshold_percent"))
        for o in outputs
        if o.topic == "budget.alerts.v1"
    ]


def data(output: Output) -> dict[str, Any]:
    """Data of an output."""
    found: dict[str, Any] = msgspec.json.decode(output.data)
    return found
