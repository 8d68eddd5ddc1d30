"""Everything that is not a success is a problem document that tells no internals."""

import logging
from typing import Any

import httpx
import pytest

from streams.usage import read

USAGE = "/v1/tenants/t1/usage"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nope", 404, "not_found"),
        ("GET", "/schema/nope", 404, "not_found"),
        ("GET", "/v1/tenants/t1/", 404, "not_found"),
        ("GET", "/v1/tenants/a%2Fb/usage", 422, "bad_tenant"),
        ("DELETE", "/healthz", 405, "bad_request"),
        ("PUT", USAGE, 405, "bad_request"),
        ("GET", f"{USAGE}?wait_ms=soon", 400, "bad_request"),
        ("GET", "/v1/tenants/%00/usage", 422, "bad_tenant"),
    ],
)
async def test_problem_documents(
    api: httpx.AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    answer = await api.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert sorted(problem) == ["code", "detail", "status", "title", "type"]
    assert (problem["status"], problem["code"], problem["type"]) == (status, code, "about:blank")
    assert problem["detail"]


async def test_what_is_allowed_is_told(api: httpx.AsyncClient) -> None:
    answer = await api.delete("/healthz")
    assert "GET" in answer.headers["allow"]


@pytest.mark.parametrize("accept", ["text/html", "*/*"])
async def test_a_bug_is_logged_and_not_told(
    api: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    accept: str,
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("secret")

    monkeypatch.setattr(read, "usage_report", broken)
    with caplog.at_level(logging.ERROR):
        answer = await api.get(USAGE, headers={"Accept": accept})
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert "secret" in caplog.text
