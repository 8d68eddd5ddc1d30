from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from streams.cli.usage import usd

SUMS = {
    "calls": 8819,
    "input_tokens": 18059974,
    "output_tokens": 245896,
    "cache_read_tokens": 3,
    "cache_creation_tokens": 4,
    "cost_usd": "47.608895",
    "reported_usd": "0",
    "computed_usd": "47.608895",
    "unpriced_calls": 2,
    "late_events": 0,
    "runs": 0,
}
DAY = {"start": "2023-11-16T00:00:00.000000Z", "end": "2023-11-17T00:00:00.000000Z"}
BODY = msgspec.json.format(
    msgspec.json.encode(
        {
            "tenant": "t1",
            "timezone": "UTC",
            "period": "day",
            "buckets": [SUMS | DAY | {"group": "gpt-4o"}, SUMS | DAY | {"group": ""}],
            "total": SUMS,
            "as_of": "2026-11-22T10:00:00.000000Z",
        }
    )
)
"""Spaced unlike ours would be, to see that it is passed on as it is."""


def test_json_is_exactly_the_body(api: Any, streams: Callable[..., Any]) -> None:
    api.answers = [(200, BODY)]
    ran = streams("usage", "t1", "--json")
    assert (ran.code, ran.out, ran.err) == (0, BODY.decode() + "\n", "")


def test_options_become_the_query(api: Any, streams: Callable[..., Any]) -> None:
    api.answers = [(200, BODY)]
    times = ("--from", "2026-11-01T00:00:00Z", "--to", "2026-12-01T00:00:00Z")
    streams("usage", "t1", "--period", "hour", "--group-by", "model", *times)
    assert api.asked[0].path == (
        "/v1/tenants/t1/usage?period=hour&group_by=model"
        "&from=2026-11-01T00%3A00%3A00Z&to=2026-12-01T00%3A00%3A00Z"
    )


def test_the_table_shows_groups_and_the_total(api: Any, streams: Callable[..., Any]) -> None:
    api.answers = [(200, BODY)]
    ran = streams("usage", "t1", "--group-by", "model")
    rows = [line.split() for line in ran.out.splitlines()]
    figures = ["8,819", "18,059,974", "245,896", "7", "2", "47.608895"]
    assert ["2023-11-16T00:00:00", "gpt-4o", *figures] in rows
    assert ["2023-11-16T00:00:00", "-", *figures] in rows
    assert ["total", *figures] in rows


def test_a_problem_of_the_api_is_one_line_and_exit_code_1(
    api: Any, streams: Callable[..., Any]
) -> None:
    api.answers = [(422, b'{"code":"unprocessable","detail":"no such period"}')]
    ran = streams("usage", "t1")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "streams: unprocessable: no such period (HTTP 422)\n"


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        ("0", "0.00"),
        ("-0.5", "-0.50"),
        ("-1234.5", "-1,234.50"),
        ("0.000000001", "0.000000001"),
        ("1234567.8", "1,234,567.80"),
    ],
)
def test_money_keeps_every_digit(amount: str, shown: str) -> None:
    assert usd(amount) == shown
