"""Events of runs, folded one by one; and what a naive reading of all of them comes to."""

from collections.abc import Sequence
from typing import Any

from usage.memory_view import MemoryView

from streams.agents.fold import fold
from streams.core.fold import Entry, Output, settle
from streams.core.log import Body, Config, JobRun, Origin, Record, Tick, decode, encode
from streams.core.money import NANO
from streams.core.time import HOUR, format_time, parse_time
from streams.jobs.read import runs
from streams.jobs.rows import ROWS

NOON = parse_time("2026-03-02T12:00:00Z")
KINDS = {row.kind for row in ROWS}
TERMINAL = ("COMPLETE", "ABORT", "FAIL")


class Log:
    """A log whose records are folded as they are appended."""

    def __init__(self) -> None:
        self.view = MemoryView(stored=True)
        self.now = NOON
        self.offset = -1

    def append(self, body: Body, time: int | None = None, tenant: str = "t1") -> list[Output]:
        self.offset += 1
        origin = Origin("job.events.v1", 0, 0, self.offset)
        moment = self.now if time is None else time
        record = Record(1, tenant, origin, "/test", f"e{self.offset}", moment, body)
        self.view.changes = 0
        entry = Entry(decode(encode(record)), 0, self.offset, self.now, self.now)
        outputs = [made for made in fold(self.view, entry) if isinstance(made, Output)]
        settle(self.view)
        return outputs

    def run(
        self,
        run_id: str = "r",
        state: str | None = "START",
        time: int | None = None,
        *,
        tenant: str = "t1",
        **fields: Any,
    ) -> list[Output]:
        return self.append(JobRun(run_id, "ns", "job", state, **fields), time, tenant)

    def tick(self, hours: int = 0) -> None:
        self.now += hours * HOUR
        self.append(Tick(), tenant="")

    def config(self, history_hours: int = 48, stale_seconds: int = 3600) -> None:
        self.append(Config(24, 24, NANO, "", history_hours, stale_seconds), tenant="")

    def runs(self, tenant: str = "t1", limit: int = 500, **query: Any) -> list[dict[str, Any]]:
        return runs(self.view, tenant, limit=limit, log_time=self.now, **query)[0]

    def kinds(self) -> set[bytes]:
        """Kinds of the rows of jobs that are there."""
        return {key[:2] for key in self.view.rows} & KINDS


def naive(events: Sequence[tuple[JobRun, int]]) -> dict[str, Any]:
    """What the events of one run say together, read all at once."""
    ends = [(time, e) for e, time in events if e.state in TERMINAL]
    others = [(time, e) for e, time in events if e.state and e.state not in TERMINAL]
    if ends:
        ended = min(time for time, _ in ends)
        at_once = {e.state for time, e in ends if time == ended}
        state = next(s for s in ("FAIL", "ABORT", "COMPLETE") if s in at_once)
    else:
        ended = None
        latest = max((time for time, _ in others), default=0)
        at_once = {e.state for time, e in others if time == latest}
        state = next((s for s in ("RUNNING", "OTHER", "START") if s in at_once), "OTHER")
    starts = [time for time, e in others if e.state == "START"] or [time for time, _ in others]

    def said(name: str) -> Any:
        values = [(time, getattr(e, name)) for e, time in events if getattr(e, name) is not None]
        return max(values)[1] if values else None

    def datasets(side: str) -> list[dict[str, str]]:
        named = {(d.namespace, d.name) for e, _ in events for d in getattr(e, side)}
        return [{"namespace": namespace, "name": name} for namespace, name in sorted(named)]

    return {
        "run_id": events[0][0].run_id,
        "job": {"namespace": "ns", "name": "job"},
        "state": state,
        "kind": said("kind") or "other",
        "cluster": said("cluster"),
        "node": None,
        "started_at": format_time(min(starts)) if starts else None,
        "ended_at": None if ended is None else format_time(ended),
        "parent_run_id": said("parent_run_id"),
        "inputs": datasets("inputs"),
        "outputs": datasets("outputs"),
        "message": None,
        "stale": False,
    }


def naive_facets(events: Sequence[tuple[JobRun, int]], field: str) -> dict[str, tuple[int, bytes]]:
    """Latest of each facet."""
    found: dict[str, tuple[int, bytes]] = {}
    for event, time in events:
        for name, content in getattr(event, field).items():
            found[name] = max(found.get(name, (0, b"")), (time, content))
    return found
