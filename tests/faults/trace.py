"""A real trace as the input of a fault run: each of its calls under six models, in three zones."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from tests.faults.events import EPOCH, Event

MODELS = (
    ("openai", "gpt-4o"),
    ("openai", "gpt-4o-mini"),
    ("google", "gemini-1.5-flash"),
    ("anthropic", "claude-sonnet-4-5"),
    ("acme", "acme-llm-9"),
    ("openai", "gpt-4o"),
)
"""The fifth has no price; of the sixth each cost is reported."""
ZONES = ("UTC", "Asia/Kolkata", "America/New_York")


@dataclass(frozen=True)
class Trace:
    """The Azure LLM inference trace (columns TIMESTAMP, ContextTokens, GeneratedTokens; UTC).

    All of it is long past: every event is late, and says so.
    """

    path: Path
    seed: int
    base: int
    events: int
    names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        names = tuple(f"{zone}-{model}" for zone in range(len(ZONES)) for model in range(6))
        object.__setattr__(self, "names", names)

    @property
    def tenants(self) -> int:
        return len(self.names)

    def budgets(self) -> Iterator[Event]:
        """The zone and the budget of each tenant."""
        for number, tenant in enumerate(self.names):
            zone = ZONES[number // 6]
            data = {"budget_id": "day", "limit_usd": "40", "period": "day", "timezone": zone}
            for kind, fields in (("tenant.set", {"timezone": zone}), ("budget.set", data)):
                yield Event("tenant.commands.v1", kind, tenant, "/ops", kind, self.base, fields)

    def stream(self) -> Iterator[Event]:
        """Each row once for each tenant, the rows in the order of the file."""
        return islice(self._stream(), self.events)

    def _stream(self) -> Iterator[Event]:
        with self.path.open(newline="") as lines:
            for row, line in enumerate(csv.DictReader(lines)):
                # Seven digits of a second's fraction; ours are six.
                moment = datetime.fromisoformat(line["TIMESTAMP"][:26]).replace(tzinfo=UTC)
                time = (moment - EPOCH).days * 86_400 * 10**6
                time += (moment - EPOCH).seconds * 10**6 + (moment - EPOCH).microseconds
                for number, tenant in enumerate(self.names):
                    provider, model = MODELS[number % 6]
                    usage = {
                        "gen_ai.provider.name": provider,
                        "gen_ai.request.model": model,
                        "gen_ai.usage.input_tokens": int(line["ContextTokens"]),
                        "gen_ai.usage.output_tokens": int(line["GeneratedTokens"]),
                    }
                    data = {"usage": usage, "agent": "trace"}
                    if number % 6 == 5:
                        data["cost_usd"] = f"0.00{int(line['ContextTokens'])}1234567"
                    yield Event(
                        *("agent.messages.v1", "agent.message", tenant, "/late"),
                        *(f"row-{row}", time, data),
                    )
