"""`streams retention`: what is sent."""

import json
from collections.abc import Callable
from typing import Any

import pytest


@pytest.mark.parametrize(
    ("arguments", "data"),
    [
        ((), {}),
        (("--default", "60"), {"default_ttl_seconds": 60}),
        (
            ("--default", "60", "--min", "30"),
            {"default_ttl_seconds": 60, "min_ttl_seconds": 30},
        ),
    ],
)
def test_rules_are_set_and_waited_for(
    api: Any, streams: Callable[..., Any], arguments: tuple[str, ...], data: dict[str, int]
) -> None:
    api.answers = [(200, b'{"action":"retention.set","outcome":"done","error":null}')]
    ran = streams("retention", "set", "t1", *arguments)
    assert ran.out == "retention.set of t1: done\n"
    assert api.asked[0].path == "/v1/tenants/t1/commands?wait=true"
    assert json.loads(api.asked[0].body) == {"type": "retention.set", "data": data}


def test_no_time_at_all_is_a_mistake(api: Any, streams: Callable[..., Any]) -> None:
    assert streams("retention", "set", "t1", "--default", "0").code == 2
    assert not api.asked
