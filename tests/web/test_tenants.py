"""Lists, cursors and the parameters of reads."""

import base64
from typing import Any

import httpx
import pytest

from streams.usage import read

from .fakes import NOW

Api = httpx.AsyncClient
AS_OF = "2025-11-22T10:00:00.000000Z"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {"period": "day", "start": None, "end": None, "group_by": None}),
        (
            "period=hour&from=2025-11-22T00:00:00Z&to=2025-11-22T10:00:00Z&group_by=model",
            {"period": "hour", "start": NOW - 36_000_000_000, "end": NOW, "group_by": "model"},
        ),
        (
            "to=2025-11-22T11:00:00+01:00",
            {"period": "day", "start": None, "end": NOW, "group_by": None},
        ),
    ],
)
async def test_usage_asks_what_the_query_says(
    api: Api, monkeypatch: pytest.MonkeyPatch, query: str, expected: dict[str, Any]
) -> None:
    asked: dict[str, Any] = {}

    def usage_report(_: Any, tenant: str, **parameters: Any) -> dict[str, Any]:
        asked.update(parameters, tenant=tenant)
        return {"tenant": tenant, "buckets": []}

    monkeypatch.setattr(read, "usage_report", usage_report)
    answer = await api.get(f"/v1/tenants/t1/usage?{query}")
    assert answer.json() == {"tenant": "t1", "buckets": [], "as_of": AS_OF}
    assert asked == expected | {"tenant": "t1", "log_time": NOW}


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("usage?period=year", "period"),
        ("usage?group_by=colour", "group_by"),
        ("usage?group_by=model,agent", "group_by"),
        ("usage?from=yesterday", "from"),
        ("usage?to=2025-11-22", "to"),
        ("usage?to=2025-02-30T00:00:00Z", "to"),
        ("usage?after=nonsense", "after"),
        ("usage?wait_ms=-1", "wait_ms"),
        ("usage?wait_ms=120001", "wait_ms"),
        ("alerts?limit=0", "limit"),
        ("alerts?limit=501", "limit"),
        ("alerts?limit=many", "limit"),
        ("alerts?cursor=%21", "cursor"),
        ("budgets?cursor=AAAA", "cursor"),
        ("audit?source=/api", "source"),
    ],
)
async def test_a_wrong_parameter_is_named(api: Api, path: str, named: str) -> None:
    answer = await api.get(f"/v1/tenants/t1/{path}")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert answer.json()["detail"].startswith(named)


@pytest.mark.parametrize("listing", ["alerts", "audit"])
async def test_a_list_is_paged(api: Api, monkeypatch: pytest.MonkeyPatch, listing: str) -> None:
    keys = [b"a/t1\x00" + bytes([number]) for number in range(5, 0, -1)]

    def page(_: Any, tenant: str, *, limit: int, before: bytes | None, **__: Any) -> Any:
        rest = [key for key in keys if before is None or key < before]
        return [{"n": key[-1]} for key in rest[:limit]], (
            rest[limit - 1] if len(rest) > limit else None
        )

    monkeypatch.setattr(read, listing, page)
    seen, cursor, pages = [], None, 0
    while pages == 0 or cursor is not None:
        params = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        body = (await api.get(f"/v1/tenants/t1/{listing}", params=params)).json()
        assert sorted(body) == ["as_of", "items", "next"]
        seen += [item["n"] for item in body["items"]]
        cursor, pages = body["next"], pages + 1
    assert (seen, pages) == ([5, 4, 3, 2, 1], 3)


async def test_budgets_are_paged_by_their_id(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["b", "default", "a"]
    monkeypatch.setattr(
        read,
        "budgets",
        lambda *_, **__: [{"config": {"budget_id": name}} for name in names],
    )
    first = (await api.get("/v1/tenants/t1/budgets?limit=2")).json()
    assert [item["config"]["budget_id"] for item in first["items"]] == ["a", "b"]
    names.remove("b")
    rest = (await api.get(f"/v1/tenants/t1/budgets?limit=2&cursor={first['next']}")).json()
    assert [item["config"]["budget_id"] for item in rest["items"]] == ["default"]
    assert rest["next"] is None


@pytest.mark.parametrize("content", [b"alerts:a/t2\x00x", b"audit:a/t1\x00x", b"alerts:a/t1"])
async def test_a_cursor_opens_no_other_list(api: Api, content: bytes) -> None:
    cursor = base64.urlsafe_b64encode(content).decode()
    answer = await api.get("/v1/tenants/t1/alerts", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


async def test_audit_finds_the_record_of_one_command(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def audit(*_: Any, cause: Any, **__: Any) -> Any:
        asked.append(cause)
        return [], None

    monkeypatch.setattr(read, "audit", audit)
    await api.get("/v1/tenants/t1/audit", params={"source": "/api", "id": "1"})
    await api.get("/v1/tenants/t1/audit")
    assert asked == [("/api", "1"), None]


@pytest.mark.parametrize("path", ["usage", "budgets", "alerts", "audit"])
@pytest.mark.parametrize("tenant", ["a%20b", "%2e%2e%2e%20", "caf%C3%A9", "a" * 129])
async def test_a_name_that_is_no_tenants(api: Api, path: str, tenant: str) -> None:
    answer = await api.get(f"/v1/tenants/{tenant}/{path}")
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_tenant")
