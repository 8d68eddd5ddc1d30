"""Runs: listed, counted once, stale, linked to parent and datasets, and removed when old."""

import pytest

from streams.core.log import Call, Dataset, DatasetDeclared, JobDeclared, JobRun
from streams.core.time import HOUR, SECOND
from streams.jobs.folds import ABANDONED
from streams.jobs.lineage import AT_ONCE
from streams.jobs.read import runs
from streams.jobs.rows import (
    DATASET,
    INPUT,
    JOB,
    OUTPUT,
    ChildRow,
    EdgeRow,
    FacetsRow,
    RunRow,
    UseRow,
    child_key,
    dataset_of,
    edge_prefix,
    facets_key,
    pack,
    run_of,
    use_prefix,
)
from streams.usage.report import usage_report

from .log import NOON, Log

LAKE = Dataset("s3://lake", "orders")
MODEL = Dataset("s3://models", "churn")
PAID = Call("openai", "gpt-4o", 10, 2, 0, 0, None, 5, "book")


def test_runs_are_listed_newest_first_in_pages() -> None:
    log = Log()
    for number in range(5):
        log.run(f"r{number}", time=NOON - number)
    log.run("r4", "RUNNING", NOON + 1)
    assert [run["run_id"] for run in log.runs()] == ["r0", "r1", "r2", "r3", "r4"]
    # An event that came late moves its run.
    log.run("r0", "OTHER", NOON - 9)
    items, cursor = runs(log.view, "t1", limit=3, log_time=log.now)
    assert [run["run_id"] for run in items] == ["r1", "r2", "r3"]
    items, cursor = runs(log.view, "t1", limit=3, before=cursor, log_time=log.now)
    assert [run["run_id"] for run in items] == ["r4", "r0"]
    assert cursor is None
    assert log.runs("t2") == []


def test_filters() -> None:
    log = Log()
    log.run("a", "START", NOON - 2, kind="stream")
    log.run("b", "FAIL", NOON - 1)
    log.run("c", "START", NOON, kind="batch")
    assert [run["run_id"] for run in log.runs(state="START")] == ["c", "a"]
    assert [run["run_id"] for run in log.runs(kind="other")] == ["b"]
    assert [run["run_id"] for run in log.runs(since=NOON - 1)] == ["c", "b"]
    assert log.runs(state="START", kind="stream", since=NOON - 1) == []


def test_a_terminal_state_stays() -> None:
    log = Log()
    log.run("r", "FAIL", NOON)
    log.run("r", "RUNNING", NOON + 5)
    log.run("r", "COMPLETE", NOON + 6)
    (run,) = log.runs()
    assert (run["state"], run["started_at"]) == ("FAIL", "2026-03-02T12:00:00.000005Z")
    log.run("r", "COMPLETE", NOON - 1)
    assert log.runs()[0]["state"] == "COMPLETE"


def test_a_run_is_stale_by_log_time() -> None:
    log = Log()
    log.config(stale_seconds=60)
    log.run("open", time=NOON - HOUR)
    log.run("done", "COMPLETE")
    log.now += 60 * SECOND
    assert [run["stale"] for run in log.runs()] == [False, False]
    log.now += 1
    assert {run["run_id"]: run["stale"] for run in log.runs()} == {"open": True, "done": False}
    log.run("open", "RUNNING")
    assert not any(run["stale"] for run in log.runs())


def test_a_run_is_linked_with_its_parent() -> None:
    log = Log()
    log.run("child", time=NOON, parent_run_id="p1")
    log.run("child", "RUNNING", NOON + 1, parent_run_id="p2")
    prefixes = [child_key("t1", parent, b"") for parent in ("p1", "p2")]
    found = [[row.run_id for _, row in log.view.scan(ChildRow, prefix)] for prefix in prefixes]
    assert found == [[], ["child"]]
    assert log.runs()[0]["parent_run_id"] == "p2"


def test_lineage_is_found_from_both_sides() -> None:
    log = Log()
    log.run("r", inputs=(LAKE, LAKE), outputs=(MODEL,))
    log.run("other", inputs=(LAKE,))
    log.append(JobDeclared("ns", "job", {}, (LAKE,), ()))
    prefix = edge_prefix("t1", pack("r"), INPUT)
    assert [dataset_of(key, prefix) for key, _ in log.view.scan(EdgeRow, prefix)] == [
        ("s3://lake", "orders")
    ]
    prefix = use_prefix("t1", pack(("s3://lake", "orders")), INPUT)
    users = [run_of(key, prefix) for key, _ in log.view.scan(UseRow, prefix)]
    assert sorted(users, key=str) == [None, "other", "r"]
    prefix = use_prefix("t1", pack(("s3://models", "churn")), OUTPUT)
    assert [run_of(key, prefix) for key, _ in log.view.scan(UseRow, prefix)] == ["r"]


def test_declared_jobs_and_datasets_keep_their_facets() -> None:
    log = Log()
    job = pack(("ns", "job"))
    log.append(JobDeclared("ns", "job", {"sql": b'"new"'}, (LAKE,), (MODEL,)), NOON)
    log.append(JobDeclared("ns", "job", {"sql": b'"old"', "doc": b"1"}, (), ()), NOON - 1)
    log.append(DatasetDeclared(Dataset("ns", "job", {"schema": b"[]"})), NOON)
    found = log.view.get(FacetsRow, facets_key("t1", job, JOB))
    assert found == FacetsRow({"doc": (NOON - 1, b"1"), "sql": (NOON, b'"new"')})
    found = log.view.get(FacetsRow, facets_key("t1", job, DATASET))
    assert found == FacetsRow({"schema": (NOON, b"[]")})
    assert log.runs() == []


def test_an_event_with_very_many_datasets_is_finished_by_ticks() -> None:
    log = Log()
    many = tuple(Dataset("s3", f"d{number}") for number in range(3 * AT_ONCE - 1))
    log.run("r", inputs=many[: AT_ONCE + 9], outputs=many[AT_ONCE + 9 :])
    assert log.view.changes < 1_000
    for _ in range(2):
        log.tick()
        assert log.view.changes < 1_000
    (run,) = log.runs()
    assert len(run["inputs"]) + len(run["outputs"]) == len(many)
    assert b"Q/" not in log.kinds()
    log.tick(49)


def test_what_waits_for_a_run_that_is_gone_is_dropped() -> None:
    log = Log()
    many = tuple(Dataset("s3", f"d{number}") for number in range(AT_ONCE + 1))
    log.run("r", "COMPLETE", inputs=many)
    for key in [key for key in log.view.rows if key[:2] == RunRow.kind]:
        log.view.delete(key)
    log.tick()
    assert len(list(log.view.scan(EdgeRow, EdgeRow.kind))) == AT_ONCE


@pytest.mark.parametrize("datasets", [2, 600])
def test_finished_runs_are_removed_when_they_are_old(datasets: int) -> None:
    log = Log()
    log.config(history_hours=3)
    many = tuple(Dataset("s3", f"d{number}", {"a": b"1"}) for number in range(datasets))
    for number in range(0, datasets, 200):
        log.run("old", "COMPLETE", outputs=many[number : number + 200], run_facets={"a": b"1"})
    log.run("old", "COMPLETE", parent_run_id="p", job_facets={"b": b"2"})
    for number in range(9):
        log.run(f"old{number}", "FAIL", inputs=(LAKE,))
    log.now += 2 * HOUR
    log.run("new", "COMPLETE", inputs=(LAKE,))
    log.run("open", "RUNNING", NOON, inputs=(LAKE,))
    log.now += HOUR - 1
    assert len(log.runs()) == 12
    log.now += 1
    assert {run["run_id"] for run in log.runs()} == {"new", "open"}
    log.now += HOUR
    for _ in range(8):
        log.tick()
        assert log.view.changes < 1_000
    assert len([key for key in log.view.rows if key[:2] == RunRow.kind]) == 2
    assert len(list(log.view.scan(EdgeRow, EdgeRow.kind))) == 2
    assert len(list(log.view.scan(UseRow, UseRow.kind))) == 2
    assert log.kinds() == {b"C/", b"J/", b"O/", b"X/", b"E/", b"D/", b"Y/"}


def test_a_run_that_never_ends_goes_after_thirty_days() -> None:
    log = Log()
    log.run("open")
    log.now += ABANDONED - 1
    log.tick()
    assert [run["stale"] for run in log.runs()] == [True]
    log.now += HOUR + 1
    assert log.runs() == []
    log.tick()
    assert log.kinds() == {b"Y/"}
    # Ticks only look once a minute, and a log without jobs costs them nothing.
    assert log.view.changes > 0
    log.tick()
    assert log.view.changes == 0


def test_a_run_is_counted_once_and_its_calls_each() -> None:
    log = Log()
    log.run("r", cluster="eu-1", cost_attribution="p")
    log.run("r", "RUNNING", call=PAID)
    log.run("r", "COMPLETE", call=PAID, cluster="eu-1", cost_attribution="p")
    log.run("r2", call=PAID)
    report = usage_report(log.view, "t1", group_by="job")
    (bucket,) = report["buckets"]
    assert bucket["group"] == {"job": "ns/job"}
    figures = (bucket["runs"], bucket["calls"], bucket["input_tokens"], bucket["cost_usd"])
    assert figures == (2, 3, 30, "0.000000015")
    by_cluster = usage_report(log.view, "t1", group_by="cluster")["buckets"]
    assert [(b["group"]["cluster"], b["runs"], b["calls"]) for b in by_cluster] == [
        ("", 1, 2),
        ("eu-1", 1, 1),
    ]


def test_control_characters_of_an_openlineage_name_are_not_in_usage() -> None:
    log = Log()
    log.append(JobRun("r", "a\nb", "c" * 4096, "START"))
    report = usage_report(log.view, "t1", group_by="job")
    assert [bucket["group"]["job"] for bucket in report["buckets"]] == [f"a_b/{'c' * 509}"]
