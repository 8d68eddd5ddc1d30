"""What befalls workers, brokers, the network, disks and the bucket, and when: from the seed alone.

Each worker has its own list of faults and goes through it one after the other, while the others
go through theirs: a restart of one falls into take-overs of another. The brokers' faults are one
list (one broker is away at a time), and so are the network's and the bucket's.

One seed draws a part of all there is, so that it stays short. What must not be left to chance
rotates with the seed: three seeds in a row of `LONG` plans, ten of `SHORT` ones, reach every
failpoint and every kind of fault (test_plan.py says so). With three brokers every kind of their
faults is in each.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from streams.runtime import failpoints
from tests.faults import bucket_proxy, proxy
from tests.faults.bucket import ROT
from tests.faults.kinds import BrokerFault, BucketFault, Fault, NetFault

_ELSEWHERE = (
    *("migrate.read", "migrate.written", "restore.forbidden", "restore.written"),
    *("changelog.written", "archive.rewritten", "erase.compacted", "erase.retired"),
)
POINTS = tuple(point for point in failpoints.ALL if point not in _ELSEWHERE)
"""Those that workers pass in a run; commands and a changelog made anew have tests of their own."""
FOLD_KINDS = ("kill", "wipe", "away", "freeze", "stop", "damage", "full")
ADMIT_KINDS = ("kill", "away", "freeze", "stop")
NET_KINDS = tuple(f"{kind} {on}" for on in ("fold", "all", "admit") for kind in proxy.KINDS)
BUCKET_KINDS = bucket_proxy.KINDS + ROT
BROKER_KINDS = ("kill", "stop", "bounce")
LEAST, MOST = 2, 4
"""So many fold workers there are at any time, those that only look in not counted."""


@dataclass(frozen=True)
class Size:
    """How many of each there are in a plan."""

    failpoints: int
    folds: int
    admits: int
    nets: int
    buckets: int
    visits: int
    """Workers that look in, one after the other: a storm of rebalances."""
    joins: int
    """Fold workers that come; as many leave."""


def _part(of: Sequence[str], seeds: int) -> int:
    return -(-len(of) // seeds)


LONG = Size(
    *(_part(POINTS, 3), _part(FOLD_KINDS, 2), _part(ADMIT_KINDS, 2), _part(NET_KINDS, 3)),
    *(_part(BUCKET_KINDS, 3), 3, 2),
)
SHORT = Size(
    *(_part(POINTS, 10), _part(FOLD_KINDS, 7), 0, _part(NET_KINDS, 10), _part(BUCKET_KINDS, 10)),
    *(0, 0),
)


@dataclass(frozen=True)
class Plan:
    """All faults of a run, by worker; a worker that joins is named here as the others are."""

    workers: dict[str, list[Fault]]
    brokers: list[BrokerFault] = field(default_factory=list)
    nets: list[NetFault] = field(default_factory=list)
    buckets: list[BucketFault] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """About how long it takes."""
        lists = [*self.workers.values(), self.brokers, self.nets, self.buckets]
        return max(sum(fault.seconds for fault in faults) for faults in lists)

    @property
    def points(self) -> list[str]:
        """The failpoints at which somebody must have died."""
        return [f.point for faults in self.workers.values() for f in faults if f.point]

    def count(self, *kinds: str) -> int:
        """How many of the workers' faults are of these kinds."""
        return sum(f.kind in kinds for faults in self.workers.values() for f in faults)

    def __str__(self) -> str:
        lists = [(f"{name}: ", faults) for name, faults in self.workers.items()]
        others = [("", faults) for faults in (self.brokers, self.nets, self.buckets)]
        return "\n".join(f"  {who}{_line(faults)}" for who, faults in lists + others if faults)


def _line(faults: Sequence[Fault | BrokerFault | NetFault | BucketFault]) -> str:
    return "; ".join(str(fault) for fault in faults)


def rotated(among: Sequence[str], number: int, seed: int) -> list[str]:
    """Return the seed's share: the shares of seeds in a row follow one another."""
    return [among[(number * seed + i) % len(among)] for i in range(number)]


def make_plan(seed: int, *, brokers: int = 1, size: Size = LONG) -> Plan:
    """Draw a run of two workers a role, of others that come and of some that go."""
    draw = random.Random(f"plan {seed}")
    points = rotated(POINTS, size.failpoints, seed)
    admit_points = [point for point in points if point.startswith("admit.")]
    fold_points = [point for point in points if not point.startswith("admit.")]
    folds = _role(draw, "fold", size.joins, fold_points, rotated(FOLD_KINDS, size.folds, seed))
    _leave(draw, folds, ["leave", "gone"][: size.joins])
    # A third admit worker may be left with inputs in which nothing comes: no failpoint then.
    joins = 0 if admit_points or not size.joins else 1
    leaving = [("leave", "gone")[seed // 2 % 2]] * joins
    admits = _role(draw, "admit", joins, admit_points, rotated(ADMIT_KINDS, size.admits, seed))
    _leave(draw, admits, leaving)
    visits = size.visits or 3 * (seed % 3 == 0)
    return Plan(
        folds | admits | _visits(draw, visits),
        _broker_faults(draw, brokers) if brokers > 1 else [],
        [_net_fault(draw, kind) for kind in rotated(NET_KINDS, size.nets, seed)],
        [_bucket_fault(draw, kind) for kind in rotated(BUCKET_KINDS, size.buckets, seed)],
    )


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


def _visits(draw: random.Random, number: int) -> dict[str, list[Fault]]:
    """Draw workers that look in, each when the one before may still be there."""
    after = draw.uniform(1, 4)
    found = {}
    for i in range(number):
        kind = draw.choice(("visit", "call"))
        found[f"fold-guest{i}"] = [Fault(kind, after, draw.uniform(0.5, 5))]
        after += draw.uniform(0.5, 2)
    return found


def _seconds(faults: list[Fault]) -> float:
    return sum(fault.seconds for fault in faults)


def _at_failpoint(draw: random.Random, point: str) -> Fault:
    """Draw how often it is passed before: what a life passes once, or once in seconds, never."""
    group = point.partition(".")[0]
    often = {
        "fold": (0, 0, 1, 3, 10, 30),
        "admit": (0, 0, 1, 3, 10, 30),
        "snapshot": (0, 0, 1),
        "archive": (0, 1),
    }
    passes = draw.choice(often.get(group, (0,)))
    return Fault("failpoint", passes, draw.uniform(0, 1), point)


def _fault(draw: random.Random, kind: str) -> Fault:
    """Draw a fault; after ``away``, a kill, the process comes back too late for its partitions."""
    away = draw.uniform(7.5, 9) if kind in ("away", "freeze") else draw.uniform(0, 1)
    if kind == "full":
        away = draw.uniform(1, 4)
    return Fault("kill" if kind == "away" else kind, draw.uniform(0, 3), away)


def _net_fault(draw: random.Random, kind: str) -> NetFault:
    """Draw one; a worker that is cut off for longer than its session is one of many zombies."""
    kind, _, on = kind.partition(" ")
    lasts = draw.uniform(1, 3)
    if kind in ("stall", "refuse"):
        lasts = draw.uniform(1, 4) if on == "all" else draw.choice((2, 8)) + draw.random()
    return NetFault(kind, on, draw.uniform(0.5, 2), lasts)


def _bucket_fault(draw: random.Random, kind: str) -> BucketFault:
    if kind in ROT:
        return BucketFault(kind, draw.uniform(1, 4), 0.0, draw.choice((0.1, 0.5)))
    share = 1.0 if draw.random() < 0.3 else draw.uniform(0.2, 0.8)
    return BucketFault(kind, draw.uniform(0.5, 2), draw.uniform(2, 5), share)


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

    The kinds ``broker``, ``kafka`` and ``s3`` stand for all of those faults; one with a dot is a
    failpoint, others are of fold workers, and of admit workers where those have them.
    """
    draw = random.Random(f"simple plan {seed}")
    others = ("broker", "kafka", "s3")
    of_workers = [kind for kind in kinds if kind not in others]

    def some(role: str) -> list[Fault]:
        fit = [k for k in of_workers if _fits(k, role)]
        drawn = [draw.choice(fit) for _ in range(rounds) if fit]
        return [_at_failpoint(draw, kind) if "." in kind else _fault(draw, kind) for kind in drawn]

    times = rounds if "broker" in kinds and brokers > 1 else 0
    return Plan(
        {f"{role}-{i}": some(role) for role in ("fold", "admit") for i in range(LEAST)},
        [f for _ in range(times) for f in _broker_faults(draw, brokers)],
        [_net_fault(draw, draw.choice(NET_KINDS)) for _ in range(rounds) if "kafka" in kinds],
        [_bucket_fault(draw, draw.choice(BUCKET_KINDS)) for _ in range(rounds) if "s3" in kinds],
    )


def _fits(kind: str, role: str) -> bool:
    if "." in kind:
        return kind.startswith("admit.") == (role == "admit")
    return role == "fold" or kind in ADMIT_KINDS
