from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from streams.cli.client import Client, find_api, find_kafka, settings_for
from streams.core.errors import ApiError, Failed, Misuse
from streams.settings import Settings

UP = '{"ready":true,"kafka":"127.0.0.1:9000","api":"http://127.0.0.1:8000","workers":[]}'


def client(answer: Callable[[httpx.Request], httpx.Response]) -> Client:
    return Client(
        Settings(api="127.0.0.1:1/", token="secret"), transport=httpx.MockTransport(answer)
    )


def test_options_come_before_the_environment_and_that_before_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMS_DATA", str(tmp_path))
    (tmp_path / "up.json").write_text(UP)
    assert find_api(settings_for()) == "http://127.0.0.1:8000"
    assert find_kafka(settings_for()) == "127.0.0.1:9000"
    monkeypatch.setenv("STREAMS_API", "http://b/")
    monkeypatch.setenv("STREAMS_KAFKA", "b:1")
    assert find_api(settings_for()) == "http://b"
    assert find_kafka(settings_for()) == "b:1"
    assert find_api(settings_for(api="http://c")) == "http://c"
    assert find_kafka(settings_for(kafka="c:1")) == "c:1"


@pytest.mark.parametrize("text", [None, "", "{", '{"kafka":"x"}', "[]"])
def test_nothing_that_runs_is_a_misuse(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "up.json").write_text(text)
    with pytest.raises(Misuse, match=r"streams up.*--api"):
        find_api(Settings(data=str(tmp_path)))


def test_paths_are_quoted_and_absent_parameters_left_out() -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, content=b'{ "as": "it is" }')

    with client(answer) as api:
        assert api.get("v1", "tenants", "a/../b", period="day", start=None) == b'{ "as": "it is" }'
        api.post("v1", "x", body={"a": 1}, wait="true")
    assert asked[0].url.raw_path == b"/v1/tenants/a%2F..%2Fb?period=day"
    assert asked[0].headers["Authorization"] == "Bearer secret"
    assert (asked[1].method, asked[1].url.raw_path) == ("POST", b"/v1/x?wait=true")
    assert asked[1].content == b'{"a":1}'


@pytest.mark.parametrize(
    ("status", "body", "code", "says"),
    [
        (
            422,
            b'{"code":"schema","detail":"no content"}',
            "schema",
            "schema: no content (HTTP 422)",
        ),
        (503, b'{"code":"not_ready","title":"Not ready"}', "not_ready", "Not ready"),
        (500, b"<html>", "error", "Internal Server Error"),
        (404, b"[]", "error", "Not Found"),
    ],
)
def test_a_problem_document_becomes_one_line(
    status: int, body: bytes, code: str, says: str
) -> None:
    api = client(lambda _: httpx.Response(status, content=body))
    with pytest.raises(ApiError) as raised:
        api.get("v1", "x")
    assert raised.value.status == status
    assert raised.value.code == code
    assert says in str(raised.value)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (httpx.ConnectError("refused"), "nothing answers at"),
        (httpx.ReadTimeout("slow"), "did not answer in time"),
        (httpx.RemoteProtocolError("closed"), "closed"),
    ],
)
def test_no_answer_is_a_failure(error: Exception, says: str) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        raise error

    with pytest.raises(Failed, match=says):
        client(answer).get("v1", "x")
