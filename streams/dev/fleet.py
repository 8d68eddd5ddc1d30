"""A simulated fleet: recording cars, Argo workflows, S3 batches and trainings that call models.

Pure and seeded: the same seed gives the same events, byte for byte, and what they must add up to.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from random import Random

import msgspec

from streams.core.money import NANO, to_nano

TENANTS = ("perception", "planning", "fleet-ops", "research")
REPEAT_SHARE = 0.01
"""Share of events that their sender sends twice, as one does that missed an answer."""
SAYING_SHARE = 0.01
"""Share of events that say something: contents are embedded, some hundred a second and core."""
UNKNOWN_SHARE = 0.004
"""Share of calls to a model that no price book knows."""
REPORTED_SHARE = 0.02
"""Share of calls that bring their own cost."""

_MILLION = Decimal(1_000_000)


class Model(msgspec.Struct, frozen=True):
    """A model and its catalogue price, USD per million tokens."""

    provider: str
    name: str
    input: Decimal
    cached: Decimal
    output: Decimal


def _model(provider: str, name: str, price_in: str, cached: str, out: str) -> Model:
    return Model(provider, name, Decimal(price_in), Decimal(cached), Decimal(out))


MODELS = (
    _model("openai", "gpt-4o", "2.5", "1.25", "10"),
    _model("openai", "gpt-4o-mini", "0.15", "0.075", "0.6"),
    _model("openai", "gpt-5-mini", "0.25", "0.025", "2"),
    _model("anthropic", "claude-haiku-4-5", "1", "0.1", "5"),
    _model("anthropic", "claude-sonnet-5-5", "2", "0.1", "10"),
    _model("google", "gemini-2.5-flash", "0.3", "0.03", "2.5"),
)
UNKNOWN = ("acme-labs", "acme-tuner-3")


class Kind(msgspec.Struct, frozen=True):
    """One sort of sender: its names, its size, and how it calls models."""

    name: str
    agents: int
    weight: float
    """Share of all events."""
    input_tokens: float
    """Median."""
    output_tokens: float
    """Median."""
    tags: tuple[str, ...]
    pipeline: tuple[str, ...]
    says: str


KINDS = (
    Kind(
        *("car", 160, 0.45, 900, 60, ("kafka_stream", "recording"), ("ingest", "quality")),
        "Segment {n}: {a} frames with lens flare, {b} dropped, exposure within limits.",
    ),
    Kind(
        *("argo", 140, 0.3, 2200, 180, ("argo_workflow",), ("extract", "label", "publish")),
        "Workflow step {n} finished after {a} s; {b} of its inputs had drifted.",
    ),
    Kind(
        *("batch", 60, 0.15, 6000, 240, ("s3_batch",), ("convert",)),
        "Batch {n}: {a} objects converted, {b} left for a second pass.",
    ),
    Kind(
        *("training", 24, 0.1, 3600, 900, ("training",), ("train", "evaluate")),
        "Epoch {n}: loss fell by {a} per mille, {b} classes below target.",
    ),
)

CLUSTERS = ("eu-1", "eu-2", "us-1")
PROJECTS = ("lane-keeping", "night-vision", "parking", "map-refresh")


class Agent(msgspec.Struct, frozen=True):
    """One sender of the fleet."""

    name: str
    tenant: str
    kind: Kind
    model: Model
    project: str
    cluster: str
    session: str


class FleetEvent(msgspec.Struct, frozen=True):
    """A line as `streams send` takes it, and what it must add to its tenant's usage."""

    line: bytes
    tenant: str
    repeat: bool
    """Whether this is an earlier event once more: it must add nothing."""
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cost: int | None
    """Nano-USD; None for a model without a price."""


class Expected(msgspec.Struct):
    """A naive sum of what was sent to one tenant."""

    sent: int = 0
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    unpriced_calls: int = 0
    cost: Decimal = Decimal(0)
    """USD."""

    def add(self, event: FleetEvent) -> None:
        """Count an event that was sent."""
        self.sent += 1
        if event.repeat:
            return
        self.calls += 1
        self.input_tokens += event.input_tokens
        self.output_tokens += event.output_tokens
        self.cache_read_tokens += event.cache_read_tokens
        self.unpriced_calls += event.cost is None
        self.cost += Decimal(event.cost or 0) / NANO


def agents(random: Random, tenants: Sequence[str]) -> list[Agent]:
    """Hire the fleet: every kind's agents, spread over tenants, projects, clusters and models."""
    hired = []
    for kind in KINDS:
        for number in range(kind.agents):
            name = f"{kind.name}-{number:03d}"
            hired.append(
                Agent(
                    name=name,
                    tenant=random.choice(tenants),
                    kind=kind,
                    model=random.choice(MODELS),
                    project=random.choice(PROJECTS),
                    cluster=random.choice(CLUSTERS),
                    session=f"{name}-{random.getrandbits(32):08x}",
                )
            )
    return hired


def events(
    seed: int, tenants: Sequence[str] = TENANTS, *, count: int | None = None
) -> Iterator[FleetEvent]:
    """Events of a fleet, without end unless ``count`` is given.

    Examples
    --------
    >>> [event.line for event in events(1, count=3)] == [e.line for e in events(1, count=3)]
    True
    """
    random = Random(seed)
    fleet = agents(random, tenants)
    shares = [agent.kind.weight / agent.kind.agents for agent in fleet]
    last: FleetEvent | None = None
    number = 0
    while count is None or number < count:
        for agent in random.choices(fleet, shares, k=256):
            if number == count:
                return
            number += 1
            if last is not None and random.random() < REPEAT_SHARE:
                yield msgspec.structs.replace(last, repeat=True)
                continue
            last = _event(random, seed, number, agent)
            yield last


def _event(random: Random, seed: int, number: int, agent: Agent) -> FleetEvent:
    kind, model = agent.kind, agent.model
    read = _tokens(random, kind.input_tokens)
    written = _tokens(random, kind.output_tokens)
    cached = read * random.randrange(20, 80) // 100 if random.random() < 0.3 else 0
    known = random.random() >= UNKNOWN_SHARE
    usage: dict[str, object] = {
        "gen_ai.provider.name": model.provider if known else UNKNOWN[0],
        "gen_ai.request.model": model.name if known else UNKNOWN[1],
        "gen_ai.usage.input_tokens": read,
        "gen_ai.usage.output_tokens": written,
    }
    if cached:
        usage["gen_ai.usage.cache_read.input_tokens"] = cached
    data: dict[str, object] = {
        "content": kind.says.format(n=number, a=random.randrange(500), b=random.randrange(40)),
        "priority": "HIGH" if random.random() < 0.05 else "MEDIUM",
        "agent": agent.name,
        "session": agent.session,
        "context_tags": kind.tags,
        "cost_attribution": agent.project,
        "cluster_state": {"cluster": agent.cluster},
        "pipeline_context": kind.pipeline,
        "usage": usage,
    }
    if random.random() >= SAYING_SHARE:
        del data["content"]
    cost = price(model, read, cached, written) if known else None
    if random.random() < REPORTED_SHARE:
        reported = Decimal(random.randrange(1, 40_000)).scaleb(-6)
        data["cost_usd"] = f"{reported:f}"
        cost = to_nano(reported)
    line = {
        "type": "agent.message",
        "tenant": agent.tenant,
        "id": f"{seed}-{number}",
        "source": f"/fleet/{kind.name}",
        "data": data,
    }
    return FleetEvent(msgspec.json.encode(line), agent.tenant, False, read, written, cached, cost)


def price(model: Model, input_tokens: int, cached: int, output_tokens: int) -> int:
    """Nano-USD of a call: exact, rounded once; the input includes what was cached."""
    exact = (
        (input_tokens - cached) * model.input + cached * model.cached + output_tokens * model.output
    )
    return to_nano(exact / _MILLION)


def _tokens(random: Random, median: float) -> int:
    """Lognormal, as token counts are: most are small, a few are very large."""
    return max(1, int(median * random.lognormvariate(0, 0.8)))
