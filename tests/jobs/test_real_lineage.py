"""The real RunEvents of Spark and Airflow: all admitted, their states and parents right.

What is expected is read from the files here, line by line of the documents and without any of the
code that is tested.
"""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

from streams.agents.admit import Incoming, admit
from streams.core.log import Call, Origin
from streams.core.time import format_time
from streams.topology import JOB_EVENTS

from .log import NOON, Log


class NoPrices:
    version = "-"

    def cost(self, call: Call, at: int) -> int | None:
        raise AssertionError("a run without usage has no price")


@pytest.fixture(scope="module")
def files(real_input: Callable[[str], Path]) -> list[bytes]:
    return [path.read_bytes() for path in sorted(real_input("openlineage").rglob("*.json"))]


def folded(values: list[bytes]) -> Log:
    """Admit and fold; what is refused raises."""
    log = Log()
    for offset, value in enumerate(values):
        origin = Origin(JOB_EVENTS, 0, 0, offset)
        record = admit(Incoming(JOB_EVENTS, None, value, [], NOON, NOON, origin), NoPrices())
        log.append(record.body, record.time, record.tenant)
    return log


def expected(values: list[bytes]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Tenant and run of what the files say."""
    documents = [json.loads(value) for value in values]
    for run_id in sorted({d["run"]["runId"] for d in documents}):
        own = [d for d in documents if d["run"]["runId"] == run_id]
        by_time = sorted(own, key=lambda d: datetime.fromisoformat(d["eventTime"]))
        ends = [d for d in by_time if d["eventType"] in ("COMPLETE", "FAIL", "ABORT")]
        starts = [d for d in by_time if d["eventType"] == "START"]
        assert len({json.dumps(d["job"]["name"]) for d in own}) == 1
        parents = {d["run"]["facets"].get("parent", {"run": {}})["run"].get("runId") for d in own}
        assert len(parents) == 1
        kinds = {d["job"]["facets"]["jobType"]["processingType"] for d in own}
        yield (
            own[0]["job"]["namespace"],
            {
                "run_id": run_id,
                "job": {n: own[0]["job"][n] for n in ("namespace", "name")},
                "state": (ends or by_time[::-1])[0]["eventType"],
                "kind": "batch" if kinds == {"BATCH"} else "other",
                "cluster": None,
                "node": None,
                "started_at": written(starts[0]["eventTime"]) if starts else None,
                "ended_at": written(ends[0]["eventTime"]) if ends else None,
                "parent_run_id": parents.pop(),
                "inputs": datasets(own, "inputs"),
                "outputs": datasets(own, "outputs"),
                "message": None,
            },
        )


def datasets(documents: list[dict[str, Any]], side: str) -> list[dict[str, str]]:
    named = {(d["namespace"], d["name"]) for document in documents for d in document[side]}
    return [{"namespace": namespace, "name": name} for namespace, name in sorted(named)]


def written(text: str) -> str:
    moment = datetime.fromisoformat(text).astimezone(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def shown(log: Log) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for tenant in ("airflow", "testColumnLevelLineage"):
        for run in log.runs(tenant):
            del run["stale"]
            found.append((tenant, run))
    return sorted(found, key=lambda pair: str(pair[1]["run_id"]))


def test_all_are_admitted_and_say_what_the_files_say(files: list[bytes]) -> None:
    assert len(files) == 41
    log = folded(files)
    runs = shown(log)
    assert runs == list(expected(files))
    # What a reader of the files sees: which runs are whole, and whose children they are.
    assert len(runs) == 20
    assert {run["state"] for _, run in runs} == {"COMPLETE"}
    ids = {run["run_id"] for _, run in runs}
    parents = [run["parent_run_id"] for _, run in runs if run["parent_run_id"] is not None]
    assert len(parents) == 16
    assert set(parents) <= ids


def test_their_order_does_not_matter(files: list[bytes]) -> None:
    mixed = files + files[::3]
    Random(5).shuffle(mixed)
    assert shown(folded(mixed)) == list(expected(files))


def test_before_the_last_event_the_parents_are_running(files: list[bytes]) -> None:
    started = [value for value in files if json.loads(value)["eventType"] == "START"]
    runs = shown(folded(started))
    assert runs == list(expected(started))
    assert {run["state"] for _, run in runs} == {"START"}


def test_times_are_written_alike() -> None:
    assert written("1970-01-01T01:00:00.000001+01:00") == format_time(1)
