"""`streams quota`: what is shown, and what is sent."""

import json
from collections.abc import Callable
from typing import Any

import pytest

QUOTA = {"quota_mb": 512, "used_bytes": 3 << 20, "reserve_bytes": 0, "class": "critical"}


@pytest.mark.parametrize("arguments", [("t1",), ("show", "t1")])
def test_a_quota_is_shown(
    api: Any, streams: Callable[..., Any], arguments: tuple[str, ...]
) -> None:
    body = json.dumps(QUOTA).encode()
    api.answers = [(200, body)]
    assert streams("quota", *arguments).out == "t1 (critical): 3.0 MB used, of 512 MB\n"
    assert api.asked[0].path == "/v1/tenants/t1/quota"
    assert streams("quota", *arguments, "--json").out == body.decode() + "\n"


def test_what_lies_in_the_reserve_is_told(api: Any, streams: Callable[..., Any]) -> None:
    found = QUOTA | {"quota_mb": None, "reserve_bytes": 1_000, "class": "standard"}
    api.answers = [(200, json.dumps(found).encode())]
    told = "t1 (standard): 3.0 MB used, no quota, 1,000 bytes in the reserve\n"
    assert streams("quota", "t1").out == told


def test_a_quota_is_set_and_waited_for(api: Any, streams: Callable[..., Any]) -> None:
    api.answers = [(200, b'{"action":"quota.granted","outcome":"done","error":null}')]
    ran = streams("quota", "set", "t1", "64", "--class", "compliance")
    assert ran.out == "quota.granted 64 MB: done\n"
    assert api.asked[0].path == "/v1/tenants/t1/commands?wait=true"
    sent = {"type": "quota.set", "data": {"quota_mb": 64, "class": "compliance"}}
    assert json.loads(api.asked[0].body) == sent


def test_a_size_below_nothing_is_a_mistake(api: Any, streams: Callable[..., Any]) -> None:
    assert streams("quota", "set", "t1", "many").code == 2
    assert not api.asked
