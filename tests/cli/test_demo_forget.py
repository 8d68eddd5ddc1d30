import json
from typing import Any

import pytest

from streams.cli import demo_forget
from streams.cli.client import Client
from streams.settings import Settings

PLACE = {"events": [{"id": "1", "topic": "agent.messages.v1", "partition": 3, "offset": 41}]}
MADE = {
    "content": "Robot {1..8} moved {7..56} boxes (8 times, ...)",
    "kind": "consolidated",
    "sources": [f"m{number}" for number in range(8)],
    "subject": None,
}
NAMED = {"content": "The driver has parked", "subject": demo_forget.SUBJECT}
MERGED = {"outcome": "done", "details": {"groups": 3, "members": 20}}
ERASED = {"outcome": "done", "details": {"erased": 2}}


def answers(*bodies: tuple[int, Any]) -> list[tuple[int, bytes]]:
    said = [(202, PLACE)] * (len(demo_forget.SAID) + len(demo_forget.NAMED))
    every = [*said, (200, {"items": []}), *bodies]
    return [(status, json.dumps(body).encode()) for status, body in every]


async def test_it_merges_and_erases(api: Any, capsys: pytest.CaptureFixture[str]) -> None:
    api.answers = answers(
        *((200, MERGED), (200, {"items": [MADE, NAMED, NAMED]})),
        *((200, ERASED), (200, {"items": [MADE]})),
    )
    with Client(Settings(api=api.url)) as client:
        assert await demo_forget.show(client, print)
    merged, erased = capsys.readouterr().out.splitlines()
    assert "20 memories of research became 3 in" in merged
    assert merged.endswith(f"e.g. 8: {MADE['content']}")
    assert "erasing driver-17 is done after" in erased
    assert erased.endswith("2 memories are gone, 0 still there")
    asked = [json.loads(each.body) for each in api.asked if "/commands" in each.path]
    assert [each["type"] for each in asked] == ["memory.consolidate", "memory.erase"]
    # All is said without ids: those of the last demo are erased for good.
    said = [json.loads(each.body) for each in api.asked if "/messages" in each.path]
    assert not any("memory_id" in each for each in said)


async def test_why_it_does_not_is_told(api: Any, capsys: pytest.CaptureFixture[str]) -> None:
    api.answers = answers((504, {"code": "not_reflected", "detail": "a moment"}))
    with Client(Settings(api=api.url)) as client:
        assert not await demo_forget.show(client, print)
    assert "research does not forget: not_reflected: a moment" in capsys.readouterr().out


def test_nothing_merged_is_told(api: Any) -> None:
    api.answers = [(200, json.dumps(body).encode()) for body in (MERGED, {"items": [NAMED]})]
    with Client(Settings(api=api.url)) as client:
        assert demo_forget.merge(client).endswith(" ms")
