"""`streams hold`: what is sent."""

import json
from collections.abc import Callable
from typing import Any

import pytest

ABOUT = [
    (("--subject", "customer-17"), {"subject": "customer-17"}, "of customer-17"),
    (("--memory-id", "a", "--memory-id", "b"), {"memory_ids": ["a", "b"]}, "of a, b"),
]


@pytest.mark.parametrize("command", ["set", "release"])
@pytest.mark.parametrize(("arguments", "data", "what"), ABOUT)
def test_a_hold_is_sent_and_waited_for(
    api: Any,
    streams: Callable[..., Any],
    command: str,
    arguments: tuple[str, ...],
    data: dict[str, Any],
    what: str,
) -> None:
    api.answers = [(200, b'{"action":"hold.set","outcome":"done","error":null}')]
    assert streams("hold", command, "t1", *arguments).out == f"hold.set {what}: done\n"
    assert api.asked[0].path == "/v1/tenants/t1/commands?wait=true"
    assert json.loads(api.asked[0].body) == {"type": f"hold.{command}", "data": data}


@pytest.mark.parametrize("arguments", [(), ("--subject", "a", "--memory-id", "b")])
def test_it_is_about_one_thing(
    api: Any, streams: Callable[..., Any], arguments: tuple[str, ...]
) -> None:
    assert streams("hold", "set", "t1", *arguments).code == 2
    assert not api.asked
