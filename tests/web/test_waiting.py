"""``?wait=true`` answers with what became of a command."""

from typing import Any

import httpx
import pytest

from streams.core.ids import partition_of
from streams.usage import read
from streams.web.intake import BATCH

from .fakes import PARTITIONS, FakeCluster, audit_record

Api = httpx.AsyncClient
COMMANDS = "/v1/tenants/t1/commands"
COMMAND = {"type": "budget.set", "data": {"budget_id": "daily"}}
HOME = partition_of("t1", PARTITIONS)


@pytest.fixture
def audits(monkeypatch: pytest.MonkeyPatch, cluster: FakeCluster) -> dict[tuple[str, str], Any]:
    """Audit records by the cause (source, id); admit is past everything."""
    kept: dict[tuple[str, str], Any] = {}

    def audit(_: Any, tenant: str, *, cause: tuple[str, str], **__: Any) -> Any:
        return ([kept[cause]] if cause in kept else []), None

    monkeypatch.setattr(read, "audit", audit)
    monkeypatch.setattr(read, "refusal", lambda *_: None)
    cluster.committed["tenant.commands.v1", HOME] = 1000
    return kept


async def test_the_record_of_a_command(api: Api, audits: dict[tuple[str, str], Any]) -> None:
    audits["/api", "k1"] = audit_record(limit_usd="40")
    answer = await api.post(
        COMMANDS, json=COMMAND, params={"wait": "true"}, headers={"Idempotency-Key": "k1"}
    )
    assert answer.status_code == 200
    assert answer.json() == audit_record(limit_usd="40")


@pytest.mark.parametrize(
    ("details", "detail"),
    [
        ({"detail": "Cannot allocate 9MB for tenant t1"}, "Cannot allocate 9MB for tenant t1"),
        ({}, "budget.set of budget daily: ResourceError"),
    ],
)
async def test_a_rejected_command_is_a_conflict(
    api: Api, audits: dict[tuple[str, str], Any], details: dict[str, str], detail: str
) -> None:
    audits["/api", "k1"] = audit_record("rejected", **details)
    answer = await api.post(
        COMMANDS, json=COMMAND, params={"wait": "true"}, headers={"Idempotency-Key": "k1"}
    )
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (409, "resource_error")
    assert problem["detail"] == detail
    assert problem["audit"]["outcome"] == "rejected"
    assert problem["events"][0]["id"] == "k1"


async def test_a_command_that_was_refused_later_answers_with_the_code(
    api: Api, audits: dict[tuple[str, str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read, "refusal", lambda *_: "bad_time")
    answer = await api.post(COMMANDS, json=COMMAND, params={"wait": "true"})
    assert (answer.status_code, answer.json()["code"]) == (409, "bad_time")


async def test_a_command_that_is_not_folded_says_where_it_lies(
    api: Api, audits: dict[tuple[str, str], Any], cluster: FakeCluster
) -> None:
    cluster.committed.clear()
    answer = await api.post(COMMANDS, json=COMMAND, params={"wait": "true", "wait_ms": "10"})
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (504, "not_reflected")
    assert problem["events"][0]["topic"] == "x-tenant.commands.v1"


async def test_an_id_of_another_event_is_a_conflict(
    api: Api, audits: dict[tuple[str, str], Any]
) -> None:
    """It was folded as a duplicate, so there never was an audit record."""
    headers = {"Idempotency-Key": "taken"}
    answer = await api.post(COMMANDS, json=COMMAND, params={"wait": "true"}, headers=headers)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (409, "conflict")
    assert problem["events"][0]["id"] == "taken"


async def test_a_batch_answers_a_list_in_its_order(
    api: Api, audits: dict[tuple[str, str], Any]
) -> None:
    audits["/s", "1"] = audit_record(n=1)
    audits["/s", "2"] = audit_record("rejected", detail="no")
    batch = [
        {"specversion": "1.0", "id": name, "source": "/s", "type": "budget.set", "data": {}}
        for name in ("2", "1")
    ]
    answer = await api.post(
        COMMANDS, json=batch, params={"wait": "true"}, headers={"Content-Type": BATCH}
    )
    assert answer.status_code == 200
    second, first = answer.json()
    assert (second["status"], second["code"]) == (409, "resource_error")
    assert first == audit_record(n=1)


@pytest.mark.parametrize("kind", ["memory.erase", "memory.consolidate", "memory.split"])
async def test_a_command_that_ticks_go_on_with_is_waited_for(
    api: Api, audits: dict[tuple[str, str], Any], kind: str
) -> None:
    """Merging many memories took more than its own record, and was told as a conflict."""
    body = {"type": kind, "data": {}}
    answer = await api.post(COMMANDS, json=body, params={"wait": "true", "wait_ms": "10"})
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (504, "not_reflected")
    assert problem["detail"] == "it has begun, and is not done yet"
