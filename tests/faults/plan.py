"""What befalls the workers, and when: drawn from the seed alone.

Each process has its own list of faults and goes through it one after the other, while the others
go through theirs: a restart of one falls into take-overs of another.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from streams.runtime.failpoints import NAMES


@dataclass(frozen=True)
class Fault:
    """One fault of one process.

    Attributes
    ----------
    kind : str
        ``failpoint`` (the process kills itself there), ``kill``, ``wipe`` (kill and lose the disk),
        ``freeze`` (SIGSTOP, then SIGCONT) or ``stop`` (SIGTERM).
    after : float
        Seconds of work before it; at a failpoint how often the point is passed.
    away : float
        Seconds until the process is back; more than the session timeout moves its partitions.
    """

    kind: str
    after: float
    away: float
    point: str = ""

    def __str__(self) -> str:
        what = f"{self.point} pass {self.after:.0f}" if self.point else f"after {self.after:.1f} s"
        return f"{self.kind} {what}, away {self.away:.1f} s"


Plan = dict[str, list[Fault]]


def make_plan(seed: int, folds: int, admits: int, *, more: bool = False) -> Plan:
    """Draw every failpoint once, kills and lost disks; with ``more`` also zombies and stops."""
    draw = random.Random(f"plan {seed}")
    plan: Plan = {f"fold-{i}": [] for i in range(folds)} | {f"admit-{i}": [] for i in range(admits)}
    for name in draw.sample(NAMES, len(NAMES)):
        role = "admit" if name.startswith("admit.") else "fold"
        among = [slot for slot in plan if slot.startswith(role)]
        slot = min(among, key=lambda s: (len(plan[s]), draw.random()))
        passes = 0 if name.startswith("recovery.") else draw.choice((0, 0, 1, 3, 10, 30))
        plan[slot].append(Fault("failpoint", passes, draw.uniform(0, 1), name))
    for slot, faults in plan.items():
        kinds = ["kill", "kill", "wipe", "wipe"] if slot.startswith("fold") else ["kill", "kill"]
        if more:
            kinds += ["freeze", "freeze", "stop", "stop"]
        for kind in kinds:
            away = draw.uniform(8, 10) if kind == "freeze" else draw.uniform(0, 1)
            faults.append(Fault(kind, draw.uniform(0, 3), away))
        draw.shuffle(faults)
    # One worker of each role stays away for so long that the group gives its partitions away.
    for role in ("fold", "admit"):
        slot = draw.choice([slot for slot in plan if slot.startswith(role)])
        plan[slot].append(Fault("kill", draw.uniform(0, 2), draw.uniform(7.5, 9)))
    return plan


def make_simple_plan(seed: int, folds: int, admits: int, kinds: Sequence[str], rounds: int) -> Plan:
    """Draw a plan of some kinds of faults only, to reduce what a whole plan has shown.

    ``away`` is a kill after which the process comes back too late to keep its partitions.
    """
    draw = random.Random(f"simple plan {seed}")
    plan: Plan = {}
    for slot in [f"fold-{i}" for i in range(folds)] + [f"admit-{i}" for i in range(admits)]:
        drawn = [draw.choice(kinds) for _ in range(rounds)]
        plan[slot] = [
            Fault(
                "kill" if kind == "away" else kind,
                draw.uniform(0, 3),
                draw.uniform(7, 9) if kind in ("away", "freeze") else draw.uniform(0, 1),
            )
            for kind in drawn
        ]
    return plan


def show(plan: Plan) -> str:
    return "\n".join(
        f"  {slot}: " + "; ".join(str(fault) for fault in faults) for slot, faults in plan.items()
    )
