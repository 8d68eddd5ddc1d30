"""What befalls workers and brokers, and when: drawn from the seed alone.

Each worker has its own list of faults and goes through it one after the other, while the others
go through theirs: a restart of one falls into take-overs of another. The brokers' faults are one
list: one broker is away at a time.

One seed draws a part of all there is, so that it takes about a minute. What must not be left to
chance rotates with the seed: any three seeds in a row reach every failpoint, any two every other
kind of fault; every seed has fold workers that come, one that leaves by SIGTERM and one that is
killed and never comes back, and with three brokers every kind of their faults.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from streams.runtime.failpoints import NAMES

FAILPOINTS = 5
FOLD_KINDS = ("kill", "wipe", "away", "freeze", "stop")
ADMIT_KINDS = ("kill", "away", "freeze", "stop")
FOLD_FAULTS = 3
ADMIT_FAULTS = 2
BROKER_KINDS = ("kill", "stop", "bounce")
LEAST, MOST = 2, 4
"""So many fold workers there are at any time."""
BETWEEN_S = 4.0
"""About what a fault takes besides its own times: mostly the restart after it."""


@dataclass(frozen=True)
class Fault:
    """One fault of one worker.

    Attributes
    ----------
    kind : str
        ``failpoint`` (the process kills itself there), ``kill``, ``wipe`` (kill and lose the disk),
        ``freeze`` (SIGSTOP, then SIGCONT), ``stop`` (SIGTERM), ``join`` (a new worker comes; the
        first of its list), ``leave`` (SIGTERM, for good) or ``gone`` (kill, for good).
    after : float
        Seconds of work before it; at a failpoint how often the point is passed.
    away : float
        Seconds until the process is back; more than the session timeout moves its partitions.
    """

    kind: str
    after: float
    away: float = 0.0
    point: str = ""

    @property
    def seconds(self) -> float:
        """About how long it takes."""
        return (0 if self.point else self.after) + self.away + BETWEEN_S

    def __str__(self) -> str:
        what = f"{self.point} pass {self.after:.0f}" if self.point else f"after {self.after:.1f} s"
        return f"{self.kind} {what}" + (f", away {self.away:.1f} s" if self.away else "")


@dataclass(frozen=True)
class BrokerFault:
    """One fault of one broker.

    Attributes
    ----------
    kind : str
        ``kill`` (kill -9), ``stop`` (SIGTERM) or ``bounce`` (SIGTERM, then started at once).
    node : int
        Which one, from 1.
    after : float
        Seconds during which all brokers hold all records before it.
    away : float
        Seconds until it is started again; longer where work goes on only later.
    """

    kind: str
    node: int
    after: float
    away: float = 0.0

    @property
    def seconds(self) -> float:
        """About how long it takes."""
        return self.after + self.away + 2 * BETWEEN_S

    def __str__(self) -> str:
        away = f", away {self.away:.1f} s" if self.away else ""
        return f"broker {self.node}: {self.kind} after {self.after:.1f} s{away}"


@dataclass(frozen=True)
class Plan:
    """All faults of a run, by worker; a worker that joins is named here as the others are."""

    workers: dict[str, list[Fault]]
    brokers: list[BrokerFault] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """About how long it takes."""
        lists = [*self.workers.values(), self.brokers]
        return max(sum(fault.seconds for fault in faults) for faults in lists)

    @property
    def points(self) -> list[str]:
        """The failpoints at which somebody must have died."""
        return [f.point for faults in self.workers.values() for f in faults if f.point]

    def count(self, *kinds: str) -> int:
        """How many of the workers' faults are of these kinds."""
        return sum(f.kind in kinds for faults in self.workers.values() for f in faults)

    def __str__(self) -> str:
        lines = [f"  {name}: {_line(faults)}" for name, faults in self.workers.items()]
        if self.brokers:
            lines.append(f"  {_line(self.brokers)}")
        return "\n".join(lines)


def _line(faults: Sequence[Fault | BrokerFault]) -> str:
    return "; ".join(str(fault) for fault in faults)


def rotated(among: Sequence[str], number: int, seed: int) -> list[str]:
    """Return the seed's share: the shares of seeds in a row follow one another."""
    return [among[(number * seed + i) % len(among)] for i in range(number)]


def make_plan(seed: int, *, brokers: int = 1) -> Plan:
    """Draw a run of two workers a role, of others that come and of some that go."""
    draw = random.Random(f"plan {seed}")
    points = rotated(NAMES, FAILPOINTS, seed)
    admit_points = [point for point in points if point.startswith("admit.")]
    fold_points = [point for point in points if not point.startswith("admit.")]
    # A third admit worker may be left with inputs in which nothing comes: no failpoint then.
    joins = 0 if admit_points else 1
    leaving = [("leave", "gone")[seed // 2 % 2]] * joins
    workers = _role(draw, "fold", 2, fold_points, rotated(FOLD_KINDS, FOLD_FAULTS, seed))
    _leave(draw, workers, ["leave", "gone"])
    admits = _role(draw, "admit", joins, admit_points, rotated(ADMIT_KINDS, ADMIT_FAULTS, seed))
    _leave(draw, admits, leaving)
    return Plan(workers | admits, _broker_faults(draw, brokers) if brokers > 1 else [])


def _role(
    draw: random.Random, role: str, joins: int, points: list[str], kinds: list[str]
) -> dict[str, list[Fault]]:
    workers: dict[str, list[Fault]] = {f"{role}-{i}": [] for i in range(LEAST + joins)}
    faults = [_at_failpoint(draw, point) for point in points]
    faults += [_fault(draw, kind) for kind in kinds]
    draw.shuffle(faults)
    for i in range(joins):
        workers[f"{role}-{LEAST + i}"].append(Fault("join", draw.uniform(1, 6)))
    for fault in faults:
        name = min(workers, key=lambda name: (_seconds(workers[name]), draw.random()))
        workers[name].append(fault)
    return workers


def _leave(draw: random.Random, workers: dict[str, list[Fault]], kinds: Sequence[str]) -> None:
    """Let some go for good, each after all that befalls it else."""
    for name, kind in zip(draw.sample(sorted(workers), len(kinds)), kinds, strict=True):
        workers[name].append(Fault(kind, draw.uniform(1, 3)))


def _seconds(faults: list[Fault]) -> float:
    return sum(fault.seconds for fault in faults)


def _at_failpoint(draw: random.Random, point: str) -> Fault:
    passes = 0 if point.startswith("recovery.") else draw.choice((0, 0, 1, 3, 10, 30))
    return Fault("failpoint", passes, draw.uniform(0, 1), point)


def _fault(draw: random.Random, kind: str) -> Fault:
    """Draw a fault; after ``away``, a kill, the process comes back too late for its partitions."""
    away = draw.uniform(7.5, 9) if kind in ("away", "freeze") else draw.uniform(0, 1)
    return Fault("kill" if kind == "away" else kind, draw.uniform(0, 3), away)


def _broker_faults(draw: random.Random, brokers: int) -> list[BrokerFault]:
    return [
        BrokerFault(
            kind,
            draw.randint(1, brokers),
            draw.uniform(0, 2),
            0.0 if kind == "bounce" else draw.uniform(1, 6),
        )
        for kind in draw.sample(BROKER_KINDS, len(BROKER_KINDS))
    ]


def make_simple_plan(seed: int, kinds: Sequence[str], rounds: int, *, brokers: int = 1) -> Plan:
    """Draw a plan of some kinds of faults only, to reduce what a whole plan has shown.

    The kind ``broker`` stands for all of a broker's faults.
    """
    draw = random.Random(f"simple plan {seed}")
    of_workers = [kind for kind in kinds if kind != "broker"]
    workers: dict[str, list[Fault]] = {
        f"{role}-{i}": [_fault(draw, draw.choice(of_workers)) for _ in range(rounds) if of_workers]
        for role in ("fold", "admit")
        for i in range(LEAST)
    }
    times = rounds if "broker" in kinds and brokers > 1 else 0
    return Plan(workers, [f for _ in range(times) for f in _broker_faults(draw, brokers)])
