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
        *("47.608895", "40.00", "119", "-"),
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
