"""What was counted beside what was sent: the demo's last page."""

from decimal import Decimal

import msgspec

from streams.cli.client import Client
from streams.cli.demo_view import Scene, Spend
from streams.cli.tables import new_table, show
from streams.dev.fleet import TENANTS, Expected

THRESHOLDS = (50, 80, 100)
CROSSED, EXCEEDED = CROSSINGS = ("budget.threshold.crossed", "budget.exceeded")


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
    table.add_column("tenant", no_wrap=True)
    table.add_column("")
    for name in ("calls", "tokens", "unpriced", "USD", ""):
        table.add_column(name, justify="right", no_wrap=True)
    right = True
    for tenant, expected in sent.items():
        counted = difference(before[tenant], after[tenant])
        same = agrees(expected, counted)
        right &= same
        table.add_row(tenant, "sent", *_figures(expected))
        table.add_row("", "counted", *_figures(counted), "=" if same else "DIFFERS")
    show(table)
    records = sum(each.sent for each in sent.values())
    calls = sum(each.calls for each in sent.values())
    print(f"{records:,} records sent, {records - calls:,} of them repeats, which count nothing")
    return right


def _figures(sums: Expected) -> tuple[str, ...]:
    tokens = sums.input_tokens + sums.output_tokens
    return (f"{sums.calls:,}", f"{tokens:,}", f"{sums.unpriced_calls:,}", f"{sums.cost:.9f}")


def due_alerts(spends: dict[str, Spend]) -> list[tuple[str, str, int | None]]:
    """Budget, type and threshold of each alert that must have fired, from what is spent.

    Examples
    --------
    >>> due_alerts({"b": Spend("t1", "", limit=Decimal(10), spent=Decimal(8))})
    [('b', 'budget.threshold.crossed', 50), ('b', 'budget.threshold.crossed', 80)]
    """
    due: list[tuple[str, str, int | None]] = []
    for budget_id, spend in spends.items():
        crossed = (t for t in THRESHOLDS if spend.spent * 100 >= spend.limit * t)
        due.extend((budget_id, CROSSED, percent) for percent in crossed)
        if spend.spent > spend.limit:
            due.append((budget_id, EXCEEDED, None))
    return due


def judge(
    scene: Scene, sent: dict[str, Expected], before: dict[str, Total], after: dict[str, Total]
) -> int:
    """Print how it came out; 0 when every figure agrees and every alert that is due came once."""
    right = compare(sent, before, after)
    due = due_alerts(scene.spends)
    once = sorted(due) == sorted(fired for fired in scene.fired if fired[1] in CROSSINGS)
    told = "each once" if once else "NOT each once"
    first = "never" if scene.first_alert is None else f"after {scene.first_alert:.1f} s"
    print(f"{len(due)} crossings are due, their alerts came {told}; first on screen {first}")
    print("counted = sent" if right else "counted DIFFERS from sent")
    return 0 if right and once else 1
