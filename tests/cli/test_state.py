from collections.abc import Callable
from typing import Any

import msgspec
import pytest

STORED = b'{"value":{"step":1.50},"version":3,"updated_at":"2026-11-22T10:00:00.000000Z"}'
LIST = (
    b'{"items":[{"key":"lease/eu","version":12,"updated_at":"2026-11-22T10:00:00.000000Z",'
    b'"expires_at":"2026-11-22T10:01:00.000000Z","bytes":1200},{"key":"phase","version":1,'
    b'"updated_at":"2026-11-22T10:00:00.500000Z","expires_at":null,"bytes":4}],'
    b'"next":"c1","as_of":"2026-11-22T10:00:00.000000Z"}'
)
CONFLICT = (
    b'{"type":"about:blank","title":"Conflict","status":409,'
    b'"detail":"there is version 3, and if_version is 1","code":"conflict"}'
)
PATH = "/v1/tenants/t1/agents/a%2F1/state"


def test_a_value_is_printed_as_it_is_written(api: Any, streams: Callable[..., Any]) -> None:
    api.answers = [(200, STORED)]
    assert streams("state", "get", "t1", "a/1", "é").out == '{"step":1.50}\n'
    assert (api.asked[0].method, api.asked[0].path) == ("GET", f"{PATH}/%C3%A9")
    assert streams("state", "get", "t1", "a/1", "é", "--json").out == STORED.decode() + "\n"


def test_a_value_is_set_as_it_is_written(api: Any, streams: Callable[..., Any]) -> None:
    api.answers = [(200, STORED)]
    ran = streams("state", "set", "t1", "a/1", "k", '{"step": 1.50}')
    assert (ran.code, ran.out) == (0, "set a/1/k: version 3\n")
    asked = api.asked[0]
    assert (asked.method, asked.path) == ("PUT", f"{PATH}/k")
    assert asked.body == b'{"value":{"step": 1.50},"if_version":null,"ttl_seconds":null}'
    options = ("--if-version", "0", "--ttl", "60", "--json")
    ran = streams("state", "set", "t1", "a/1", "k", "null", *options)
    assert ran.out == STORED.decode() + "\n"
    body = msgspec.json.decode(api.asked[1].body)
    assert body == {"value": None, "if_version": 0, "ttl_seconds": 60}


def test_a_number_below_zero_is_a_value(api: Any, streams: Callable[..., Any]) -> None:
    api.answers = [(200, STORED)]
    assert streams("state", "set", "t1", "a/1", "k", "-1", "--ttl", "5").code == 0
    assert msgspec.json.decode(api.asked[0].body) == {
        "value": -1,
        "if_version": None,
        "ttl_seconds": 5,
    }


def test_a_key_is_deleted(api: Any, streams: Callable[..., Any]) -> None:
    api.answers = [(200, STORED)]
    ran = streams("state", "delete", "t1", "a/1", "k", "--if-version", "3")
    assert (ran.code, ran.out) == (0, "deleted a/1/k: version 3\n")
    assert (api.asked[0].method, api.asked[0].path) == ("DELETE", f"{PATH}/k?if_version=3")
    streams("state", "delete", "t1", "a/1", "k")
    assert api.asked[1].path == f"{PATH}/k"


def test_keys_are_listed(api: Any, streams: Callable[..., Any]) -> None:
    api.answers = [(200, LIST)]
    ran = streams("state", "list", "t1", "a/1")
    assert api.asked[0].path == f"{PATH}?limit=500"
    rows = [line.split() for line in ran.out.splitlines()]
    assert ["lease/eu", "12", "1,200", "2026-11-22T10:00:00", "2026-11-22T10:01:00"] in rows
    assert ["phase", "1", "4", "2026-11-22T10:00:00.500000Z", "-"] in rows
    assert ["more:", "--cursor", "c1"] in rows
    ran = streams("state", "list", "t1", "a/1", "--limit", "2", "--cursor", "c0", "--json")
    assert ran.out == LIST.decode() + "\n"
    assert api.asked[1].path == f"{PATH}?limit=2&cursor=c0"


def test_a_conflict_is_one_line_and_exit_code_1(api: Any, streams: Callable[..., Any]) -> None:
    api.answers = [(409, CONFLICT)]
    ran = streams("state", "set", "t1", "a/1", "k", "1", "--if-version", "1")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == ("streams: conflict: there is version 3, and if_version is 1 (HTTP 409)\n")


@pytest.mark.parametrize(
    "wrong",
    [
        ("set", "t1", "a", "k", "text"),
        ("set", "t1", "a", "k", ""),
        ("set", "t1", "a", "k", "[" * 100_000),
        ("set", "t1", "a", "k", "1", "--if-version", "-1"),
        ("set", "t1", "a", "k", "1", "--ttl", "0"),
        ("set", "t1", "a", "k", "1", "--tll", "5"),
        ("set", "t1", "a", "k", "--tll"),
        ("set", "t1", "a", "k"),
        ("get", "t1", "a"),
        ("get", "..", "a", "k"),
        ("delete", "t1", "a", "k", "--if-version", "0"),
        ("list", "t1", "a", "--limit", "501"),
    ],
)
def test_a_mistake_sends_nothing(
    api: Any, streams: Callable[..., Any], wrong: tuple[str, ...]
) -> None:
    ran = streams("state", *wrong)
    assert ran.code == 2
    assert len(ran.err.splitlines()) == 1
    assert api.asked == []
