"""`streams migrate` with an API that answers as told; offline: tests/runtime/test_migration.py."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from streams.cli import migrate

DONE: dict[str, Any] = {
    "topic": "tenant.log.v1",
    "partition": 0,
    "worker": "w",
    "schema": "2.2.0",
    "newest": "2.2.0",
    "rewriting": False,
    "rows": {"Memory": {"2.1.0": 3, "2.2.0": 1200}, "Vector": {"1.0.0": 7}},
    "error": None,
}


def body(*items: dict[str, Any]) -> tuple[int, bytes]:
    return 200, json.dumps({"items": items, "next": None}).encode()


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "POLL_SECONDS", 0)


def test_a_dry_run_only_asks(api: Any, streams: Callable[..., Any]) -> None:
    api.answers = [body(DONE)]
    ran = streams("migrate", "--dry-run", "--finalize")
    assert [(each.method, each.path) for each in api.asked] == [("GET", "/v1/migrations?rows=true")]
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == (
        "tenant.log.v1[0]  schema 2.2.0  1,210 rows\n  Memory: 3 of 2.1.0, 1,200 of 2.2.0\n"
    )


def test_it_waits_until_all_rows_were_looked_at(api: Any, streams: Callable[..., Any]) -> None:
    busy, before = DONE | {"rewriting": True}, DONE | {"schema": "2.1.0"}
    # Asked; busy; gone to another owner before it was written; asked again; done; counted.
    api.answers = [body(busy), body(busy), body(before), body(busy), body(DONE), body(DONE)]
    ran = streams("migrate", "--finalize", "--json")
    assert [each.method for each in api.asked] == ["POST", "GET", "GET", "POST", "GET", "GET"]
    assert api.asked[0].path == "/v1/migrations?finalize=true"
    assert (ran.code, json.loads(ran.out)["items"]) == (0, [DONE])


def test_what_the_system_refuses_is_one_line(api: Any, streams: Callable[..., Any]) -> None:
    problem = {"code": "conflict", "detail": "workers don't know the same"}
    api.answers = [(409, json.dumps(problem).encode())]
    ran = streams("migrate", "--finalize")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "streams: conflict: workers don't know the same (HTTP 409)\n"


def test_a_partition_that_can_not_be_told_is_a_failure(
    api: Any, streams: Callable[..., Any]
) -> None:
    api.answers = [body(DONE | {"rows": None, "error": "it is red"}, DONE)]
    ran = streams("migrate", "--dry-run")
    assert ran.code == 1
    assert ran.out.startswith("tenant.log.v1[0]  it is red\n")
    assert ran.err == "streams: 1 of 2 can't be migrated: tenant.log.v1[0]: it is red\n"


def test_only_a_running_system_is_finalized(streams: Callable[..., Any]) -> None:
    ran = streams("migrate", "--finalize", "--data", ".")
    assert (ran.code, ran.out) == (2, "")
    assert "needs the running system" in ran.err
    assert streams("migrate").err == "streams: there is no state in .streams\n"
