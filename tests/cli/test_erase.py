"""`streams erase`: what is sent."""

import json
from collections.abc import Callable
from typing import Any

import pytest


@pytest.mark.parametrize(
    ("arguments", "data", "what"),
    [
        (("--subject", "customer-17"), {"subject": "customer-17"}, "of customer-17"),
        (("--memory-id", "a", "--memory-id", "b"), {"memory_ids": ["a", "b"]}, "of a, b"),
        (("--all",), {"all": True}, "of all of t1"),
    ],
)
def test_an_erasure_is_sent_and_waited_for(
    api: Any, streams: Callable[..., Any], arguments: tuple[str, ...], data: Any, what: str
) -> None:
    api.answers = [(200, b'{"action":"memory.erased","outcome":"deferred","error":null}')]
    ran = streams("erase", "t1", *arguments, "--reason", "asked to")
    assert ran.out == f"memory.erased {what}: deferred\n"
    assert api.asked[0].path == "/v1/tenants/t1/commands?wait=true"
    sent = {"type": "memory.erase", "data": data | {"reason": "asked to"}}
    assert json.loads(api.asked[0].body) == sent


@pytest.mark.parametrize(
    "arguments",
    [
        ("--reason", "r"),
        ("--all", "--subject", "a", "--reason", "r"),
        ("--subject", "a", "--memory-id", "b", "--reason", "r"),
        ("--subject", "a"),
    ],
)
def test_it_is_about_one_thing_and_says_why(
    api: Any, streams: Callable[..., Any], arguments: tuple[str, ...]
) -> None:
    assert streams("erase", "t1", *arguments).code == 2
    assert not api.asked
