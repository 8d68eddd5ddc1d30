import json
from typing import Any

import pytest

from streams.cli import demo_memory
from streams.cli.client import Client
from streams.cli.demo_view import PlainView, Scene
from streams.settings import Settings

PLACE = {"events": [{"id": "1", "topic": "agent.messages.v1", "partition": 3, "offset": 41}]}
FOUND: dict[str, Any] = {
    "results": [
        {
            "memory": {
                "id": demo_memory.ANSWER,
                "agent": "night-watch",
                "content": demo_memory.SAID[demo_memory.ANSWER],
                "timestamp": "2026-11-22T10:00:00.000000Z",
                "priority": "MEDIUM",
                "tier": "working",
            },
            "score": 12.5,
            "parts": {"lexical": 12.0, "dense": 0.0, "recency": 0.5},
        }
    ],
    "as_of": "2026-11-22T12:00:00.000000Z",
}


def test_what_is_said_is_asked_for_with_explain(api: Any) -> None:
    api.answers = [(202, json.dumps(PLACE).encode())] * len(demo_memory.SAID)
    api.answers.append((200, json.dumps(FOUND).encode()))
    with Client(Settings(api=api.url)) as client:
        after = demo_memory.say(client)
        found, seconds = demo_memory.ask(client, after)
    assert after == "agent.messages.v1:3:41"
    assert [json.loads(each.body)["memory_id"] for each in api.asked[:-1]] == [*demo_memory.SAID]
    path = f"/v1/tenants/{demo_memory.TENANT}/memories/search?"
    path += "after=agent.messages.v1%3A3%3A41&wait_ms=20000"
    assert api.asked[-1].path == path
    assert json.loads(api.asked[-1].body)["explain"] is True
    first, why = demo_memory.lines(found, 0.0123)
    assert "12 ms, The night run of lane-keeping diverged" in first
    assert why == "its score 12.50 = lexical +12.00, recency +0.50"
    assert seconds >= 0


async def test_it_is_shown_or_why_not(api: Any, capsys: pytest.CaptureFixture[str]) -> None:
    view = PlainView(Scene(0, "", ""))
    api.answers = [(202, json.dumps(PLACE).encode())] * len(demo_memory.SAID)
    api.answers.append((200, json.dumps(FOUND).encode()))
    with Client(Settings(api=api.url)) as client:
        await demo_memory.show(client, view, 0.01)
        api.answers = [(503, b'{"code":"not_ready","detail":"a moment"}')]
        await demo_memory.show(client, view, 0.01)
    out = capsys.readouterr().out
    assert "The night run of lane-keeping diverged" in out
    assert "is not asked: not_ready: a moment" in out


def test_nothing_found_is_told() -> None:
    nothing = demo_memory.Found([], "2026-11-22T12:00:00.000000Z")
    assert demo_memory.lines(nothing, 1)[0].endswith("nothing found")
