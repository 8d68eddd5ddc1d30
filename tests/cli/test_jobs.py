from collections.abc import Callable
from typing import Any

import msgspec
import pytest

RUN: dict[str, Any] = {
    "run_id": "train-4",
    "job": {"namespace": "argo", "name": "train[bold]"},
    "state": "RUNNING",
    "kind": "training",
    "cluster": None,
    "node": None,
    "started_at": "2026-11-22T10:00:00.123456Z",
    "ended_at": None,
    "parent_run_id": None,
    "inputs": [{"namespace": "s3", "name": "a"}, {"namespace": "s3", "name": "b"}],
    "outputs": [],
    "message": None,
    "stale": True,
}


def body(next_page: str | None = None) -> bytes:
    page = {"items": [RUN], "next": next_page, "as_of": "2026-11-22T12:00:00.000000Z"}
    return msgspec.json.encode(page)


def test_json_is_exactly_the_body(api: Any, streams: Callable[..., Any]) -> None:
    api.answers = [(200, body())]
    ran = streams("jobs", "t1", "--json")
    assert (ran.code, ran.out, ran.err) == (0, body().decode() + "\n", "")
    assert api.asked[0].path == "/v1/tenants/t1/jobs?limit=50"


def test_options_become_the_query(api: Any, streams: Callable[..., Any]) -> None:
    api.answers = [(200, body())]
    streams("jobs", "t1", "--state", "FAIL", "--kind", "batch", "--since", "2026-11-22T00:00:00Z")
    assert api.asked[0].path == (
        "/v1/tenants/t1/jobs?state=FAIL&kind=batch&since=2026-11-22T00%3A00%3A00Z&limit=50"
    )


@pytest.mark.parametrize("more", [None, "cursor"])
def test_the_table(api: Any, streams: Callable[..., Any], more: str | None) -> None:
    api.answers = [(200, body(more))]
    ran = streams("jobs", "t1")
    row = next(line.split() for line in ran.out.splitlines() if "train-4" in line)
    assert row == [
        *("argo/train[bold]", "train-4", "RUNNING", "(stale)", "training", "-"),
        *("2026-11-22T10:00:00", "-", "-", "2", "0"),
    ]
    assert ("there are more" in ran.out) is (more is not None)


def test_a_state_that_is_none_is_a_misuse(api: Any, streams: Callable[..., Any]) -> None:
    assert streams("jobs", "t1", "--state", "DONE").code == 2
    assert api.asked == []
