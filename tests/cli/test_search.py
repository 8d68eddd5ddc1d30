import json
from collections.abc import Callable
from typing import Any

import pytest

MEMORY = {
    "id": "gate",
    "agent": "quality-1",
    "content": "The gate\nfailed: [red]" + " x" * 300,
    "timestamp": "2026-11-22T10:00:00.123456Z",
    "priority": "HIGH",
    "tier": "working",
}


def body(parts: dict[str, float] | None = None) -> bytes:
    results = [{"memory": MEMORY, "score": 14.25, "parts": parts}]
    return json.dumps({"results": results, "as_of": "2026-11-22T12:00:00.000000Z"}).encode()


def test_json_is_exactly_the_body(api: Any, streams: Callable[..., Any]) -> None:
    api.answers = [(200, body())]
    ran = streams("search", "t1", "why?", "--json")
    assert (ran.code, ran.out, ran.err) == (0, body().decode() + "\n", "")
    asked = api.asked[0]
    assert (asked.method, asked.path) == ("POST", "/v1/tenants/t1/memories/search")
    assert json.loads(asked.body) == {"query": "why?", "limit": 10, "explain": False}


def test_options_become_the_body(api: Any, streams: Callable[..., Any]) -> None:
    api.answers = [(200, body())]
    ran = streams(
        *("search", "t1", "lag", "--limit", "3", "--explain", "--min-priority", "HIGH"),
        *("--tag", "a", "--tag", "b", "--agent", "ops", "--session", "s", "--cluster", "eu-1"),
        *("--pipeline", "p", "--cost-attribution", "c", "--subject", "u", "--tier", "working"),
        *("--metadata", "rows=400", "--metadata", "site=north=2", "--metadata", 'zip="400"'),
        *("--since", "2026-11-22T00:00:00Z", "--until", "2026-11-23T00:00:00Z"),
    )
    assert ran.code == 0
    assert json.loads(api.asked[0].body) == {
        "query": "lag",
        "limit": 3,
        "explain": True,
        "min_priority": "HIGH",
        "context_tags": ["a", "b"],
        "agent": "ops",
        "session": "s",
        "cluster": "eu-1",
        "pipeline": "p",
        "cost_attribution": "c",
        "subject": "u",
        "metadata": {"rows": 400, "site": "north=2", "zip": "400"},
        "since": "2026-11-22T00:00:00Z",
        "until": "2026-11-23T00:00:00Z",
        "tiers": ["working"],
    }


def test_the_table(api: Any, streams: Callable[..., Any]) -> None:
    api.answers = [(200, body())]
    out = streams("search", "t1", "why?").out
    for shown in ("14.25", "gate", "2026-11-22T10:00:00", "HIGH", "quality-1"):
        assert shown in out
    assert "The gate failed: [red]" in " ".join(out.split())
    assert "…" in out
    assert "parts" not in out


@pytest.mark.parametrize("embedded", [True, False])
def test_explain_shows_what_a_score_is_made_of(
    api: Any, streams: Callable[..., Any], embedded: bool
) -> None:
    dense = {"dense": 0.0} if embedded else {}
    api.answers = [(200, body({"lexical": 12.0, "use": 0.0, "recency": -2.75} | dense))]
    out = streams("search", "t1", "why?", "--explain").out
    assert "lexical +12.00" in " ".join(out.split())
    assert "recency -2.75" in " ".join(out.split())
    assert "use" not in out
    assert ("by words alone" in out) is not embedded


def test_metadata_without_a_value_is_a_misuse(api: Any, streams: Callable[..., Any]) -> None:
    ran = streams("search", "t1", "why?", "--metadata", "rows")
    assert (ran.code, api.asked) == (2, [])
    assert "KEY=VALUE" in ran.err
