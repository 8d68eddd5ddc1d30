"""`streams erase`: what is sent, and how receipts and looks are shown."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from streams.web.examples import ERASURES, LOOKS


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
        ("--verify", "--subject", "a", "--reason", "r"),
        ("--verify", "--receipts"),
        ("--receipts", "--text", "x"),
        ("--verify", "--data", "."),
    ],
)
def test_it_is_about_one_thing_and_says_why(
    api: Any, streams: Callable[..., Any], arguments: tuple[str, ...]
) -> None:
    assert streams("erase", "t1", *arguments).code == 2
    assert not api.asked


def test_a_receipt_is_shown_by_place(api: Any, streams: Callable[..., Any]) -> None:
    api.answers = [(200, json.dumps(ERASURES).encode())] * 2
    ran = streams("erase", "t1", "--receipts")
    assert "customer-17: 12 memories, 1 keys of state, 0 runs  (request 4711)" in ran.out
    assert "tenant.log.v1" in ran.out
    assert "2026-11-29T19:00:00" in ran.out
    assert api.asked[0].path == "/v1/tenants/t1/erasures?limit=500"
    assert json.loads(streams("erase", "t1", "--receipts", "--json").out) == ERASURES


def test_nothing_was_ever_erased(api: Any, streams: Callable[..., Any]) -> None:
    api.answers = [(200, b'{"items":[]}')]
    assert streams("erase", "t1", "--receipts").out == "nothing was ever erased of t1\n"


def test_a_look_ends_with_1_where_something_is_left(api: Any, streams: Callable[..., Any]) -> None:
    api.answers = [(200, json.dumps(LOOKS).encode())]
    ran = streams("erase", "t1", "--verify", "--text", "the secret")
    assert json.loads(api.asked[0].body) == {"texts": ["the secret"]}
    assert api.asked[0].path == "/v1/tenants/t1/erasures/verify"
    assert ran.code == 1
    assert "tenant.log.v1[3] at offset 17" in ran.out
    assert "something is left in tenant.log.v1" in ran.err


def test_a_look_that_finds_nothing(api: Any, streams: Callable[..., Any]) -> None:
    items = [LOOKS["items"][0]]
    api.answers = [(200, json.dumps({"items": items}).encode())]
    assert streams("erase", "t1", "--verify").code == 0
    api.answers = [(200, json.dumps({"items": [items[0] | {"error": "damaged"}]}).encode())]
    ran = streams("erase", "t1", "--verify")
    assert (ran.code, "local files can't be read: damaged" in ran.err) == (1, True)
