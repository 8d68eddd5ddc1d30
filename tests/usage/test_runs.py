"""Runs in usage: each once, with its first event; a late one is noted once."""

from streams.core.log import Call, JobRun
from streams.usage.report import usage_report

from .writer import Writer

PAID = Call("openai", "gpt-4o", 10, 0, 0, 0, 7, None, "reported")


def run(log: Writer, run_id: str, call: Call | None = None, time: str | None = None) -> int:
    return len(log.append(JobRun(run_id, "ns", "j", "START", call=call), time=time))


def test_a_run_counts_in_the_periods_of_its_first_event() -> None:
    log = Writer()
    run(log, "a", time="2026-03-02T10")
    run(log, "a", PAID, time="2026-03-02T09")
    run(log, "b", PAID, time="2026-03-02T09")
    buckets = usage_report(log.view, "t1", period="hour")["buckets"]
    assert [(b["calls"], b["runs"], b["late_events"]) for b in buckets] == [(2, 1, 0), (0, 1, 0)]
    assert usage_report(log.view, "t1")["total"]["runs"] == 2


def test_a_run_without_a_call_spends_nothing() -> None:
    log = Writer()
    assert run(log, "a") == 0
    assert {key[:2] for key in log.view.rows if key[:1].islower()} == {b"u/", b"p/"}


def test_a_late_run_is_one_late_event() -> None:
    for call in (None, PAID):
        log = Writer()
        run(log, "old", call, time="2026-02-01")
        total = usage_report(log.view, "t1", period="hour")["total"]
        assert (total["runs"], total["late_events"]) == (1, 1)
        noted = [output for output in log.outputs if output.type == "event.late"]
        assert len(noted) == 4
