"""The HTTP API of a running system, through a worker that folds nothing: reads are forwarded."""

import asyncio
import json
from typing import Any

import pytest
from agents.malformed import GOOD

from streams import topology
from streams.core.ids import derived_id
from streams.topology import AGENT_MESSAGES, BUDGET_ALERTS, TENANT_AUDIT

from .system import System

BATCH = {"content-type": "application/cloudevents-batch+json"}
STRUCTURED = {"content-type": "application/cloudevents+json"}


def event(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"e{number}",
        "source": "/test",
        "type": "agent.message",
        "data": GOOD,
    } | changes


def after(answer: Any) -> str:
    assert answer.status_code == 202, answer.text
    at = answer.json()["events"][-1]
    return f"{at['topic']}:{at['partition']}:{at['offset']}"


async def calls(system: System, tenant: str, place: str) -> int:
    usage = await system.get(tenant, "usage", after=place, wait_ms=30000)
    total: int = usage["total"]["calls"]
    return total


async def test_reads_of_an_unknown_tenant_are_empty(system: System, tenant: str) -> None:
    for worker in system.workers.values():
        for path in ("alerts", "audit"):
            body = await system.get(tenant, path, api=worker.url)
            assert (body["items"], body["next"]) == ([], None)
        usage = await system.get(tenant, "usage", api=worker.url)
        assert usage["buckets"] == []
        assert (usage["total"]["calls"], usage["total"]["cost_usd"]) == (0, "0")
        (budget,) = (await system.get(tenant, "budgets", api=worker.url))["items"]
        assert budget["config"] == {
            "budget_id": "default",
            "limit_usd": "100",
            "period": "day",
            "timezone": "UTC",
            "thresholds": [50, 80, 100],
            "forecast": True,
            "scope": {},
        }


async def test_waiting_answers_with_the_audit_record(system: System, tenant: str) -> None:
    record = await system.command(
        tenant, "budget.set", budget_id="b", limit_usd="0.01", period="day"
    )
    assert (record["action"], record["outcome"], record["error"]) == ("budget.set", "done", None)
    assert record["target"] == {"kind": "budget", "id": "b"}
    assert record["tenant"] == tenant
    assert (await system.get(tenant, "audit"))["items"] == [record]
    (written,) = await system.of_tenant(TENANT_AUDIT, tenant)
    assert json.loads(written.value) == record


async def test_an_idempotency_key_is_applied_once(system: System, tenant: str) -> None:
    headers = {"idempotency-key": "k1"}
    url = system.tenant(tenant, "messages")
    first = await system.http.post(url, json=GOOD, headers=headers)
    again = await system.http.post(url, json=GOOD, headers=headers)
    assert [e["id"] for e in first.json()["events"] + again.json()["events"]] == ["k1", "k1"]
    assert await calls(system, tenant, after(again)) == 1
    url = system.tenant(tenant, "commands?wait=true&wait_ms=30000")
    command = {
        "type": "budget.set",
        "data": {"budget_id": "b", "limit_usd": "1", "period": "day"},
    }
    # An event is its source and id: a message and a command can't share a key.
    answer = await system.http.post(url, json=command, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    headers = {"idempotency-key": "k2"}
    answers = [await system.http.post(url, json=command, headers=headers) for _ in range(2)]
    assert answers[0].status_code == answers[1].status_code == 200
    assert answers[0].content == answers[1].content
    assert len(await system.of_tenant(TENANT_AUDIT, tenant)) == 1


async def test_events_come_bare_structured_and_in_batches(system: System, tenant: str) -> None:
    url = system.tenant(tenant, "messages")
    posts = [
        ({}, GOOD, 1),
        (STRUCTURED, event(1), 2),
        (BATCH, [event(2), event(3), event(2)], 4),
        (BATCH, [event(1), event(4)], 5),
    ]
    for headers, body, total in posts:
        headers = {"content-type": "application/json"} | headers
        answer = await system.http.post(url, content=json.dumps(body), headers=headers)
        assert len(answer.json()["events"]) == (len(body) if isinstance(body, list) else 1)
        assert await calls(system, tenant, after(answer)) == total
    binary = {f"ce-{k}": v for k, v in event(5).items() if k != "data"}
    answer = await system.http.post(url, json=GOOD, headers=binary)
    assert await calls(system, tenant, after(answer)) == 6


async def test_nothing_is_produced_when_one_of_a_batch_is_wrong(
    system: System, tenant: str
) -> None:
    url = system.tenant(tenant, "messages")
    bad = [event(1), event(2, data={"content": 5})]
    answer = await system.http.post(url, content=json.dumps(bad), headers=BATCH)
    assert (answer.status_code, answer.json()["code"]) == (422, "schema")
    assert answer.headers["content-type"] == "application/problem+json"
    answer = await system.http.post(url, content=json.dumps([event(3)]), headers=BATCH)
    assert await calls(system, tenant, after(answer)) == 1
    assert len(await system.of_tenant(AGENT_MESSAGES, tenant)) == 1


@pytest.mark.parametrize("path", ["usage", "budgets", "alerts", "audit"])
async def test_reads_wait_for_what_was_written(system: System, tenant: str, path: str) -> None:
    await system.command(
        tenant, "budget.set", budget_id="b", limit_usd="0.001", period="day", forecast=False
    )
    for worker in system.workers.values():
        posted = await system.http.post(system.tenant(tenant, "messages"), json=GOOD)
        body = await system.get(tenant, path, api=worker.url, after=after(posted), wait_ms=30000)
        assert body["as_of"].endswith("Z")
    if path == "usage":
        assert body["total"]["calls"] == len(system.workers)
    elif path == "budgets":
        assert body["items"][0]["fired"] == [50, 80, 100]
    elif path == "alerts":
        assert len(body["items"]) == 4
    else:
        assert len(body["items"]) == 1


@pytest.mark.parametrize("role", ["admit", "fold"])
async def test_a_record_that_is_not_there_yet_is_not_reflected(
    system: System, tenant: str, role: str
) -> None:
    place = f"{system.name(AGENT_MESSAGES)}:0:1000000000"
    for worker in system.workers.values():
        if worker.role == role:
            answer = await system.http.get(
                system.tenant(tenant, "usage", worker.url), params={"after": place, "wait_ms": 50}
            )
            assert (answer.status_code, answer.json()["code"]) == (504, "not_reflected")


@pytest.mark.parametrize(
    "place", ["nonsense", "agent.messages.v1:0", "tenant.log.v1:0:1", "agent.messages.v1:99:0"]
)
async def test_an_after_that_can_be_no_record_is_a_bad_request(
    system: System, tenant: str, place: str
) -> None:
    answer = await system.http.get(system.tenant(tenant, "usage"), params={"after": place})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


async def test_after_takes_short_names_and_any_offset(system: System, tenant: str) -> None:
    posted = await system.http.post(system.tenant(tenant, "messages"), json=GOOD)
    short = after(posted).removeprefix(system.settings.topic_prefix)
    assert await calls(system, tenant, short) == 1
    assert await calls(system, f"{tenant}-other", short) == 0


async def test_lists_go_page_by_page_through_any_worker(system: System, tenant: str) -> None:
    for number in range(5):
        await system.command(
            tenant, "budget.set", budget_id=f"b{number}", limit_usd="1", period="day"
        )
    whole = (await system.get(tenant, "audit"))["items"]
    assert [item["target"]["id"] for item in whole] == ["b4", "b3", "b2", "b1", "b0"]
    for path in ("audit", "budgets"):
        whole = (await system.get(tenant, path))["items"]
        items, query = [], {"limit": 2}
        for worker in (*system.workers.values(), *system.workers.values()):
            page = await system.get(tenant, path, api=worker.url, **query)
            items += page["items"]
            if page["next"] is None:
                break
            query["cursor"] = page["next"]
        assert items == whole


async def test_topics_tell_what_the_api_lists(system: System, tenant: str) -> None:
    await system.command(
        tenant, "budget.set", budget_id="b", limit_usd="0.01", period="day", forecast=False
    )
    posted = [
        await system.http.post(system.tenant(tenant, "messages"), json=GOOD) for _ in range(5)
    ]
    alerts = await system.get(tenant, "alerts", after=after(posted[-1]), wait_ms=30000)
    audit = await system.get(tenant, "audit")
    for short, listed in ((BUDGET_ALERTS, alerts), (TENANT_AUDIT, audit)):
        written = await system.of_tenant(short, tenant)
        assert [json.loads(r.value) for r in reversed(written)] == listed["items"]
        for record in written:
            headers = {name: value.decode() for name, value in record.headers}
            data = json.loads(record.value)
            assert headers["ce_specversion"] == "1.0"
            assert headers["ce_tenant"] == tenant
            assert headers["content-type"] == "application/json"
            assert headers["ce_source"] == f"/agent-streams/{record.topic}/{record.partition}"
            cause, partition, offset = headers["origin"].split("/")
            inputs = {system.name(topic) for topic in topology.INPUTS}
            assert cause in inputs, headers
            assert int(partition) >= 0
            assert int(offset) >= 0
            if short == TENANT_AUDIT:
                assert (headers["ce_type"], headers["ce_subject"]) == (data["action"], "b")
                continue
            assert (headers["ce_type"], headers["ce_subject"]) == (data["type"], "b")
            assert headers["ce_id"] == data["alert_id"]
            percent = data["threshold_percent"]
            parts = (tenant, "b", data["period_start"], data["type"])
            told = "" if percent is None else str(percent)
            assert data["alert_id"] == derived_id(*parts, told, str(data["revision"]))
        assert len({dict(r.headers)["ce_id"] for r in written}) == len(written)
    (first, *_) = alerts["items"][::-1]
    assert first["cause"]["source"] == "/api"
    assert {a["cause"]["id"] for a in alerts["items"]} <= {
        e["id"] for answer in posted for e in answer.json()["events"]
    }


async def test_wait_says_what_it_waited_for_when_time_runs_out(system: System, tenant: str) -> None:
    url = system.tenant(tenant, "commands?wait=true&wait_ms=0")
    command = {
        "type": "budget.set",
        "data": {"budget_id": "b", "limit_usd": "1", "period": "day"},
    }
    headers = {"idempotency-key": "once"}
    answer = await system.http.post(url, json=command, headers=headers)
    assert answer.status_code in (200, 504)
    if answer.status_code == 504:
        assert answer.json()["code"] == "not_reflected"
        assert answer.json()["events"][0]["id"] == "once"
    again = await system.http.post(
        url.replace("wait_ms=0", "wait_ms=30000"), json=command, headers=headers
    )
    assert (again.status_code, again.json()["outcome"]) == (200, "done")


async def test_partitions_are_told_whole_by_every_worker(system: System) -> None:
    answers = await asyncio.gather(
        *(system.http.get(f"{worker.url}/v1/partitions") for worker in system.workers.values())
    )
    folds = {w.url for w in system.workers.values() if w.role == "fold"}
    for answer in answers:
        items = answer.json()["items"]
        assert [item["partition"] for item in items] == list(range(system.settings.partitions))
        assert {item["url"] for item in items} == folds
        assert all(item["state"] == "running" and item["error"] is None for item in items)
        # A partition that the first worker had before the second came has a changelog already.
        assert {item["recovered_from"] for item in items} <= {"defaults", "changelog", "local"}


async def test_metrics_carry_the_contracts_names(system: System, tenant: str) -> None:
    posted = await system.http.post(system.tenant(tenant, "messages"), json=GOOD)
    await calls(system, tenant, after(posted))
    said = {
        role: "".join(
            [
                (await system.http.get(f"{w.url}/metrics")).text
                for w in system.workers.values()
                if w.role == role
            ]
        )
        for role in ("admit", "fold")
    }
    assert 'streams_events_total{outcome="admitted",topic="agent.messages.v1"}' in said["admit"]
    for name in ("chunk_seconds", "transaction_seconds", "fold_seconds", "recovery_seconds"):
        assert f"streams_{name}_count" in said["fold"]
    assert "streams_build_info" in said["fold"]
