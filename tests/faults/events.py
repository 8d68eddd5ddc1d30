"""The input of a fault run: the same seed gives the same events, whoever asks and how often."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any

from tests.faults.event import HOUR
from tests.faults.event import Event as Event
from tests.faults.forgetting import Forgetting

SPREAD_HOURS = 18
"""Event times lie this far back at most: with a day of grace none of them is late."""

MODELS = (
    ("openai", "gpt-4o"),
    ("openai", "gpt-4o-mini"),
    ("google", "gemini-1.5-flash"),
    ("anthropic", "claude-sonnet-4-5"),
    ("acme", "acme-llm-9"),
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SOURCES = ("/agents/a", "/agents/b", "/jobs")


@dataclass(frozen=True)
class Input:
    """What is sent in a run.

    ``base`` (microseconds) is the newest event time; it is part of what makes a run the same.
    """

    seed: int
    base: int
    events: int = 120_000
    tenants: int = 200
    names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(f"tenant-{i}" for i in range(self.tenants)))

    def budgets(self) -> Iterator[Event]:
        """Commands that are folded before the first message: one to three budgets a tenant."""
        draw = random.Random(f"budgets {self.seed}")
        # Most tenants spend a few hundredths of a dollar in an hour, whatever the run's size.
        scale = self.events / self.tenants / 600
        for tenant in self.names:
            yield self._budget(
                draw, tenant, "day", f"{draw.uniform(0.2, 6) * scale:.4f}", period="day"
            )
            if draw.random() < 0.5:
                limit = f"{draw.uniform(0.01, 0.3) * scale:.6f}"
                yield self._budget(
                    draw,
                    tenant,
                    "hour-4o",
                    limit,
                    period="hour",
                    thresholds=[10, 50, 90, 100],
                    scope={"model": "gpt-4o"},
                )
            if draw.random() < 0.3:
                limit = f"{draw.uniform(0.1, 3) * scale:.3f}"
                yield self._budget(
                    draw,
                    tenant,
                    "berlin",
                    limit,
                    period="day",
                    timezone="Europe/Berlin",
                    thresholds=[25, 75],
                    scope={"cost_attribution": "project-a"},
                )

    def _budget(
        self, draw: random.Random, tenant: str, name: str, limit: str, **data: Any
    ) -> Event:
        data = {"budget_id": name, "limit_usd": limit} | data
        return Event(
            "tenant.commands.v1", "budget.set", tenant, "/ops", f"set-{name}", self.base, data
        )

    def _quota(self, draw: random.Random, n: int) -> Event:
        """Many ask for more than there is; what is left lets the others remember all they write."""
        data = {"quota_mb": draw.choice((0, 400, 400, 800))}
        tenant = f"leased-{draw.randrange(12)}"
        return Event("tenant.commands.v1", "quota.set", tenant, "/ops", f"q{n}", self.base, data)

    def _adjust(self, draw: random.Random, n: int) -> Event:
        """Too little to alert: which of two topics is folded first is nobody's to say."""
        data = {
            "amount_usd": f"{draw.uniform(-0.01, 0.01):.12f}",
            "at": format_time(self.base - draw.randrange(SPREAD_HOURS * HOUR)),
            "reason": "credit",
        }
        tenant = f"adjusted-{draw.randrange(20)}"
        return Event("tenant.commands.v1", "usage.adjust", tenant, "/ops", f"a{n}", self.base, data)

    def _late(self, draw: random.Random, n: int) -> Event:
        """Far below the day of grace, in any order."""
        time = self.base - 10 * 24 * HOUR - draw.randrange(SPREAD_HOURS * HOUR)
        tenant = f"late-{draw.randrange(20)}"
        data = _message(draw, metered=True)
        return Event("agent.messages.v1", "agent.message", tenant, "/late", f"l{n}", time, data)

    def stream(self) -> Iterator[Event]:
        """Messages, some of them twice, and now and then a command of a tenant without messages."""
        draw = random.Random(f"events {self.seed}")
        forgetting = Forgetting(self.seed, self.base)
        every = max(25, self.events // 4_000)
        weights = list(accumulate((i + 1) ** -0.5 for i in range(self.tenants)))
        count = dict.fromkeys(self.names, 0)
        recent: list[Event] = []
        for n in range(self.events):
            if n % every == every // 2:
                yield from forgetting.some()
            if n % 300 == 150:
                quiet = f"quiet-{draw.randrange(40)}"
                yield self._budget(draw, quiet, f"b{n}", str(1 + n % 7), period="day")
            if n % 200 == 50:
                yield self._quota(draw, n)
            if n % 100 == 75:
                yield self._adjust(draw, n)
            if n % 100 == 25:
                yield self._late(draw, n)
            if recent and draw.random() < 0.03:
                yield _again(draw, recent[draw.randrange(len(recent))])
                continue
            tenant = draw.choices(self.names, cum_weights=weights)[0]
            count[tenant] += 1
            event = Event(
                "agent.messages.v1",
                "agent.message",
                tenant,
                SOURCES[draw.randrange(len(SOURCES))],
                str(count[tenant]),
                self.base - draw.randrange(SPREAD_HOURS * HOUR),
                _message(draw),
            )
            if len(recent) < 2000:
                recent.append(event)
            else:
                recent[draw.randrange(2000)] = event
            yield event
        yield from forgetting.end()


def format_time(time: int) -> str:
    """As users write times."""
    return (EPOCH + timedelta(microseconds=time)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _again(draw: random.Random, event: Event) -> Event:
    """The same event once more; half of these claim other tokens, and the first one counts."""
    data = event.data
    if "usage" in data and draw.random() < 0.5:
        data = data | {"usage": data["usage"] | {"gen_ai.usage.input_tokens": 9999}}
    return Event(event.topic, event.type, event.tenant, event.source, event.id, event.time, data)


def _message(draw: random.Random, *, metered: bool = False) -> dict[str, Any]:
    kind = 0.5 if metered else draw.random()
    data: dict[str, Any] = {"agent": f"agent-{draw.randrange(5)}"}
    if draw.random() < 0.7:
        data["cost_attribution"] = draw.choice(("project-a", "project-b"))
    if kind < 0.3:
        data["content"] = f"step {draw.randrange(10**6)} done"
        if kind < 0.01:
            # Written again and again, by one agent: another's working memory would lose it.
            data |= {"memory_id": f"note-{draw.randrange(3)}", "agent": "agent-0"}
    if kind < 0.02:
        return data
    if kind > 0.99:
        return data | {"content": "bought", "cost_usd": "0.0042"}
    provider, model = draw.choices(MODELS, (40, 30, 15, 10, 5))[0]
    tokens = draw.randrange(1, 4000)
    data["usage"] = {
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": model,
        "gen_ai.usage.input_tokens": tokens,
        "gen_ai.usage.output_tokens": draw.randrange(600),
    }
    if draw.random() < 0.3:
        data["usage"]["gen_ai.usage.cache_read.input_tokens"] = draw.randrange(tokens)
    if draw.random() < 0.1:
        # More digits than are kept, so that rounding takes part.
        data["cost_usd"] = f"0.{draw.randrange(10**12):014d}"
    return data
