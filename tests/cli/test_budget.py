from collections.abc import Callable
from typing import Any

import msgspec
import pytest

CONFIG = {
    "budget_id": "daily",
    "limit_usd": "40",
    "period": "day",
    "timezone": "UTC",
    "thresholds": [50, 80, 100],
    "forecast": True,
    "scope": {"model": "gpt-4o"},
}
LIST = msgspec.json.encode(
    {
        "items": [
            {
                "config": CONFIG,
                "counted_since": "2026-11-22T00:00:00.000000Z",
                "spent_usd": "47.608895",
                "forecast_usd": None,
                "fired": [50, 80, 100, "exceeded"],
                "period_start": "2026-11-22T00:00:00.000000Z",
                "period_end": "2026-11-23T00:00:00.000000Z",
            }
        ],
        "next": None,
        "as_of": "2026-11-22T10:00:00.000000Z",
    }
)
AUDIT = b'{"action":"budget.set","outcome":"done","error":null,"details":{}}'


@pytest.mark.parametrize("arguments", [("t1",), ("list", "t1")])
def test_budgets_are_listed(
    api: Any, streams: Callable[..., Any], arguments: tuple[str, ...]
) -> None:
    api.answers = [(200, LIST)]
    ran = streams("budget", *arguments)
    assert api.asked[0].path == "/v1/tenants/t1/budgets?limit=500"
    row = next(line.split() for line in ran.out.splitlines() if "daily" in line)
    assert row == [
        *("daily", "model=gpt-4o", "day", "UTC", "2026-11-23T00:00:00"),
        *("47.608895", "0.00", "40.00", "119", "-"),
    ]
    assert streams("budget", *arguments, "--json").out == LIST.decode() + "\n"


def test_a_budget_is_set_and_waited_for(api: Any, streams: Callable[..., Any]) -> None:
    api.answers = [(200, AUDIT)]
    ran = streams(
        *(
            "budget",
            "set",
            "t1",
            "--id",
            "daily",
            "--limit-usd",
            "40.50",
            "--scope",
            "model=gpt-4o",
        ),
        *("--threshold", "90", "--threshold", "10", "--timezone", "Europe/Berlin", "--no-forecast"),
    )
    assert (ran.code, ran.out) == (0, "budget.set daily: done\n")
    asked = api.asked[0]
    assert (asked.method, asked.path) == ("POST", "/v1/tenants/t1/commands?wait=true")
    assert msgspec.json.decode(asked.body) == {
        "type": "budget.set",
        "data": {
            "budget_id": "daily",
            "limit_usd": "40.50",
            "period": "day",
            "timezone": "Europe/Berlin",
            "thresholds": [10, 90],
            "forecast": False,
            "scope": {"model": "gpt-4o"},
        },
    }


def test_a_budget_is_deleted(api: Any, streams: Callable[..., Any]) -> None:
    api.answers = [(200, AUDIT)]
    ran = streams("budget", "delete", "t1", "daily", "--json")
    assert ran.out == AUDIT.decode() + "\n"
    expected = {"type": "budget.delete", "data": {"budget_id": "daily"}}
    assert msgspec.json.decode(api.asked[0].body) == expected


@pytest.mark.parametrize(
    "wrong",
    [
        ("--limit-usd", "x"),
        ("--limit-usd", "-1"),
        ("--limit-usd", "NaN"),
        ("--timezone", "Mars/Base"),
        ("--scope", "model"),
        ("--scope", "colour=red"),
        ("--threshold", "0"),
    ],
)
def test_a_wrong_option_sends_nothing(
    api: Any, streams: Callable[..., Any], wrong: tuple[str, str]
) -> None:
    ran = streams("budget", "set", "t1", "--id", "b", "--limit-usd", "1", *wrong)
    assert ran.code == 2
    assert len(ran.err.splitlines()) == 1
    assert api.asked == []


def test_a_reservation_is_granted_or_refused(api: Any, streams: Callable[..., Any]) -> None:
    granted = b'{"reservation_id":"call-17","granted":true,"left_usd":"17.75"}'
    api.answers = [(200, granted)]
    ran = streams("budget", "reserve", "t1", "daily", "0.75", "--id", "call-17", "--ttl", "600")
    assert (ran.code, ran.out) == (0, "call-17: granted, 17.75 USD left of daily\n")
    asked = api.asked[0]
    assert (asked.method, asked.path) == ("POST", "/v1/tenants/t1/budget/reserve")
    assert msgspec.json.decode(asked.body) == {
        "budget_id": "daily",
        "amount_usd": "0.75",
        "ttl_seconds": 600,
        "id": "call-17",
    }
    refused = granted.replace(b"true", b"false")
    api.answers = [(200, refused)]
    ran = streams("budget", "reserve", "t1", "daily", "99", "--json")
    assert (ran.code, ran.out) == (1, refused.decode() + "\n")
    assert ran.err == "streams: refused: 17.75 USD are left of daily\n"
    assert msgspec.json.decode(api.asked[1].body) == {
        "budget_id": "daily",
        "amount_usd": "99",
        "ttl_seconds": 60,
    }


def test_a_reservation_is_settled(api: Any, streams: Callable[..., Any]) -> None:
    done = b'{"reservation_id":"r","granted":true,"left_usd":"18.1","amount_usd":"0.4"}'
    api.answers = [(200, done)]
    ran = streams("budget", "settle", "t1", "r", "0.4")
    assert (ran.code, ran.out) == (0, "r: settled with 0.40 USD, 18.10 USD left\n")
    assert api.asked[0].path == "/v1/tenants/t1/budget/settle"
    assert streams("budget", "settle", "t1", "r", "0.4", "--json").out == done.decode() + "\n"


@pytest.mark.parametrize("command", [("reserve", "t1", "daily"), ("settle", "t1", "r")])
def test_an_amount_that_is_none_is_a_misuse(
    streams: Callable[..., Any], command: tuple[str, ...]
) -> None:
    ran = streams("budget", *command, "much")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("streams: USD 'much'")
