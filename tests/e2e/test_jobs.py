"""Runs of data jobs: OpenLineage files and job.run, from the command line to the list."""

from collections.abc import Callable
from pathlib import Path

import pytest

from streams.topology import JOB_EVENTS, dlq

from .system import System


@pytest.mark.deep
async def test_the_real_lineage_is_taken_whole(
    system: System, tenant: str, real_input: Callable[[str], Path]
) -> None:
    files = [str(path) for path in sorted(real_input("openlineage").rglob("*.json"))]
    sent = await system.done("send", "--openlineage", "--tenant", tenant, "--wait", *files)
    assert sent["sent"] == 41
    # Sent again it changes nothing.
    await system.done("send", "--openlineage", "--tenant", tenant, "--wait", *files)
    runs = (await system.done("jobs", tenant, "--limit", "500"))["items"]
    assert len(runs) == 20
    assert {run["state"] for run in runs} == {"COMPLETE"}
    usage = await system.get(tenant, "usage")
    assert (usage["total"]["runs"], usage["total"]["calls"]) == (len(runs), 0)
    refused = await system.records(dlq(JOB_EVENTS))
    assert [r for r in refused if dict(r.headers).get("ce_tenant") == tenant.encode()] == []


async def test_a_run_and_its_cost(system: System, tenant: str) -> None:
    url = system.tenant(tenant, "jobs")
    run = {"job": {"namespace": "argo", "name": "train"}, "run_id": "r1", "kind": "training"}
    place = ""
    for state, cost in (("START", None), ("RUNNING", "1.5"), ("COMPLETE", "0.25")):
        answer = await system.http.post(url, json=run | {"state": state, "cost_usd": cost})
        assert answer.status_code == 202, answer.text
        at = answer.json()["events"][0]
        place = f"{at['topic']}:{at['partition']}:{at['offset']}"
    (found,) = (await system.get(tenant, "jobs", after=place, wait_ms=30000))["items"]
    assert (found["state"], found["kind"], found["stale"]) == ("COMPLETE", "training", False)
    usage = await system.get(tenant, "usage", group_by="job")
    (bucket,) = usage["buckets"]
    assert bucket["group"] == {"job": "argo/train"}
    assert (bucket["runs"], bucket["calls"], bucket["cost_usd"]) == (1, 2, "1.75")
    ended = await system.cli("jobs", tenant)
    assert "argo/train" in ended.out
