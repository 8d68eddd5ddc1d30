"""What was counted beside what was sent: the demo's last page."""

from decimal import Decimal

import msgspec

from streams.cli.client import Client
from streams.cli.tables import new_table, show
from streams.dev.fleet import TENANTS, Expected


class Total(msgspec.Struct, frozen=True):
    """Total of GET /v1/tenants/{t}/usage, as far as it is compared."""

    calls: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    unpriced_calls: int
    cost_usd: str


class _Usage(msgspec.Struct, frozen=True):
    total: Total


def totals(client: Client) -> dict[str, Total]:
    """Total usage of each tenant of the fleet, as the API says now."""
    return {tenant: total(client, tenant) for tenant in TENANTS}


def total(client: Client, tenant: str) -> Total:
    """Total usage of a tenant over every period kept."""
    body = client.get("v1", "tenants", tenant, "usage", period="month")
    return msgspec.json.decode(body, type=_Usage).total


def difference(before: Total, after: Total) -> Expected:
    """What was counted between two readings."""
    return Expected(
        calls=after.calls - before.calls,
        input_tokens=after.input_tokens - before.input_tokens,
        output_tokens=after.output_tokens - before.output_tokens,
        cache_read_tokens=after.cache_read_tokens - before.cache_read_tokens,
        unpriced_calls=after.unpriced_calls - before.unpriced_calls,
        cost=Decimal(after.cost_usd) - Decimal(before.cost_usd),
    )


def agrees(sent: Expected, counted: Expected) -> bool:
    """Whether what was counted is what was sent, to the last digit; repeats count nothing."""
    return msgspec.structs.replace(sent, sent=0) == counted


def compare(sent: dict[str, Expected], before: dict[str, Total], after: dict[str, Total]) -> bool:
    """Print what was sent beside what was counted; whether they agree."""
    table = new_table("counted beside sent")
    table.add_column("tenant")
    for name in ("records", "calls", "counted", "tokens", "counted", "USD", "counted", ""):
        table.add_column(name, justify="right", no_wrap=True)
    right = True
    for tenant, expected in sent.items():
        counted = difference(before[tenant], after[tenant])
        same = agrees(expected, counted)
        right &= same
        table.add_row(
            tenant,
            f"{expected.sent:,}",
            f"{expected.calls:,}",
            f"{counted.calls:,}",
            f"{expected.input_tokens + expected.output_tokens:,}",
            f"{counted.input_tokens + counted.output_tokens:,}",
            f"{expected.cost:.9f}",
            f"{counted.cost:.9f}",
            "=" if same else "DIFFERS",
        )
    show(table)
    records = sum(each.sent for each in sent.values())
    calls = sum(each.calls for each in sent.values())
    print(f"{records:,} records sent, {records - calls:,} of them repeats, which count nothing")
    return right
