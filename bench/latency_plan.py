"""When what is sent in a latency run: fixed before it begins, the same for the same arguments.

Events come as a Poisson process of the given rate. A few of them, the probes, each cross a
threshold of a budget and so cause one alert: tenant and hour of each are its own.
"""

import random
from collections.abc import Iterator

import metering_job as job
import msgspec

TENANTS = 250
HOURS = 20
"""Probes lie up to this many hours back: with a day of grace none of them is late."""
PROBES_PER_S = 20.0
WARM_UP_S = 4.0
"""What is due before this is sent but does not count."""
PROBE = "probe"
HOUR_US = 3_600_000_000


class Plan(msgspec.Struct, frozen=True):
    """What a run sends."""

    name: str
    rate: float
    seconds: float
    """How long it counts, after the warm-up."""
    base: int
    """Newest event time, microseconds."""

    def tenants(self) -> list[str]:
        """Tenants of this run alone."""
        return [f"{self.name}-{n}" for n in range(TENANTS)]

    def commands(self) -> Iterator[tuple[bytes, bytes, job.Headers]]:
        """Two budgets a tenant: one that is never reached, one that each probe reaches."""
        for tenant in self.tenants():
            day = job.Budget("day", "1000000", "day", (50, 80, 100), {})
            probe = job.Budget(PROBE, "1", "hour", (100,), {"agent": PROBE})
            for budget in (day, probe):
                yield job.command(tenant, budget)

    def events(self) -> Iterator[tuple[float, bool, job.Event]]:
        """When an event is due (seconds after the beginning), whether it is a probe, the event."""
        draw = random.Random(f"latency {job.SEED} {self.rate:g}")
        tenants = self.tenants()
        probes = 0
        due, number = 0.0, 0
        while (due := due + draw.expovariate(self.rate)) < WARM_UP_S + self.seconds:
            number += 1
            is_probe = draw.random() < PROBES_PER_S / self.rate and probes < TENANTS * HOURS
            if is_probe:
                tenant, hour = tenants[probes % TENANTS], probes // TENANTS
                probes += 1
                data = {"agent": PROBE, "cost_usd": "1", "usage": {"gen_ai.request.model": "m"}}
                time = self.base - hour * HOUR_US
            else:
                tenant = draw.choice(tenants)
                agent = draw.randrange(job.AGENTS)
                data = job.call(draw, agent, "project-a", agent % len(job.MODELS))
                time = self.base
            yield due, is_probe, job.Event(tenant, "/agents/a", f"{number}", time, data)
