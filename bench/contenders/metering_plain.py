"""The metering job as one writes it plainly: shared by the peers, knows no streaming library.

The same libraries as ours (msgspec, genai-prices with its rates read out once), fewer checks: no
structured events, no tenant but the key, UTC periods only, flat prices only, budgets from a file
and not from commands.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import msgspec
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelPrice, TieredPrices

Name = Annotated[str, msgspec.Meta(max_length=256)]
Tokens = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]
Headers = Sequence[tuple[str, bytes]]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
NANO = 1_000_000_000
SCALE = 10**12
"""Rates are integers of 1e-12 nano-USD a token."""


class Usage(
    msgspec.Struct,
    gc=False,
    rename={
        "provider": "gen_ai.provider.name",
        "model": "gen_ai.request.model",
        "read": "gen_ai.usage.input_tokens",
        "out": "gen_ai.usage.output_tokens",
        "cached": "gen_ai.usage.cache_read.input_tokens",
    },
):
    """One model call."""

    provider: Name
    model: Name
    read: Tokens = 0
    out: Tokens = 0
    cached: Tokens = 0


class Message(msgspec.Struct, gc=False):
    """What an agent says of a call."""

    usage: Usage
    agent: Name = ""
    session: Name = ""
    cost_attribution: Name = ""
    cost_usd: str | None = None


class Call(msgspec.Struct, gc=False):
    """A valid event, priced."""

    source: str
    id: str
    time: int
    message: Message
    reported: int
    computed: int


class Budget(msgspec.Struct, frozen=True):
    """A budget of a tenant."""

    budget_id: str
    limit_usd: str
    period: str
    thresholds: tuple[int, ...]
    scope: dict[str, str]

    @property
    def limit(self) -> int:
        return int(Decimal(self.limit_usd) * NANO)


class Periods(msgspec.Struct, frozen=True):
    """Start of each period that holds a moment, and the same as parts of keys."""

    starts: dict[str, int]
    keys: tuple[bytes, ...]


_decode = msgspec.json.Decoder(Message).decode
_json = msgspec.json.Encoder().encode


def budgets_of(file: str) -> dict[str, list[tuple[Budget, int]]]:
    """Budgets of all tenants, each with its limit in nano-USD."""
    found = msgspec.json.decode(Path(file).read_bytes(), type=dict[str, list[Budget]])
    return {tenant: [(b, b.limit) for b in budgets] for tenant, budgets in found.items()}


def read(value: bytes, headers: Headers) -> Call | None:
    """Decode, validate and price an event; None for one that is wrong."""
    said = dict(headers)
    try:
        if said["ce_specversion"] != b"1.0" or said["ce_type"] != b"agent.message":
            return None
        message = _decode(value)
        moment = datetime.fromisoformat(said["ce_time"].decode())
        time = (moment - EPOCH) // MICROSECOND
        reported = computed = 0
        if message.cost_usd is not None:
            reported = int((Decimal(message.cost_usd) * NANO).to_integral_value(ROUND_HALF_EVEN))
        else:
            computed = price(message.usage, moment)
        return Call(
            said["ce_source"].decode(), said["ce_id"].decode(), time, message, reported, computed
        )
    except (KeyError, ValueError, ArithmeticError):
        return None


def price(usage: Usage, moment: datetime) -> int:
    """Nano-USD of a call, rounded once, half to even."""
    read_in, out, cached = _rates(usage.provider, usage.model, moment.date())
    scaled = (usage.read - usage.cached) * read_in + usage.out * out + usage.cached * cached
    cost, rest = divmod(scaled, SCALE)
    half = 2 * rest - SCALE
    return cost + (half > 0 or (half == 0 and cost & 1))


@lru_cache(maxsize=1024)
def _rates(provider: str, model: str, day: date) -> tuple[int, int, int]:
    _, found = get_snapshot().find_provider_model(model, None, provider, None)
    prices = found.get_prices(datetime.combine(day, datetime.min.time(), UTC))
    assert isinstance(prices, ModelPrice)
    per_mtok = (prices.input_mtok, prices.output_mtok, prices.cache_read_mtok)
    rates = [p.base if isinstance(p, TieredPrices) else p for p in per_mtok]
    return tuple(int(rate * 1000 * SCALE) for rate in rates)  # type: ignore[return-value,operator]


@lru_cache(maxsize=1024)
def periods(hour: int) -> Periods:
    """Periods of a whole hour since 1970."""
    start = EPOCH + timedelta(hours=hour)
    day = start.replace(hour=0)
    moments = {
        "hour": start,
        "day": day,
        "week": day - timedelta(days=day.weekday()),
        "month": day.replace(day=1),
    }
    starts = {kind: (moment - EPOCH) // MICROSECOND for kind, moment in moments.items()}
    return Periods(starts, tuple(b"u/%b/%d/" % (k[:1].encode(), s) for k, s in starts.items()))


def meter(
    call: Call,
    tenant: str,
    budgets: list[tuple[Budget, int]],
    get: Callable[[bytes], Any],
    put: Callable[[bytes, Any], Any],
) -> list[bytes]:
    """Count a call once in the state of its tenant; returns the alerts that follow.

    ``get`` gives None for what is not there; keys are the tenant's own.
    """
    identity = f"d/{call.source}/{call.id}".encode()
    if get(identity) is not None:
        return []
    put(identity, 1)
    message = call.message
    usage = message.usage
    at = periods(call.time // 3_600_000_000)
    project = message.cost_attribution
    scope = f"{usage.provider}/{usage.model}/{message.agent}/{project}".encode()
    for prefix in at.keys:
        key = prefix + scope
        row = get(key) or (0, 0, 0, 0, 0, 0)
        calls, read_in, out, cached, reported, computed = row
        put(
            key,
            (
                calls + 1,
                read_in + usage.read,
                out + usage.out,
                cached + usage.cached,
                reported + call.reported,
                computed + call.computed,
            ),
        )
    alerts: list[bytes] = []
    for budget, limit in budgets:
        if budget.scope and not _matches(budget.scope, usage.model, project):
            continue
        start = at.starts[budget.period]
        key = f"b/{budget.budget_id}/{start}".encode()
        spent, fired, exceeded = get(key) or (0, 0, False)
        spent += call.reported + call.computed
        while fired < len(budget.thresholds) and spent * 100 >= limit * budget.thresholds[fired]:
            percent = budget.thresholds[fired]
            alerts.append(
                _alert("budget.threshold.crossed", tenant, budget, start, percent, spent, call)
            )
            fired += 1
        if not exceeded and spent > limit:
            alerts.append(_alert("budget.exceeded", tenant, budget, start, None, spent, call))
            exceeded = True
        put(key, (spent, fired, exceeded))
    return alerts


def _matches(scope: Mapping[str, str], model: str, project: str) -> bool:
    values = {"model": model, "cost_attribution": project}
    return all(values[key] == value for key, value in scope.items())


def _alert(
    what: str,
    tenant: str,
    budget: Budget,
    start: int,
    percent: int | None,
    spent: int,
    call: Call,
) -> bytes:
    period_start = f"{EPOCH + start * MICROSECOND:%Y-%m-%dT%H:%M:%S.%fZ}"
    return _json(
        {
            "alert_id": f"{tenant}/{budget.budget_id}/{period_start}/{what}/{percent}",
            "type": what,
            "tenant": tenant,
            "budget_id": budget.budget_id,
            "period_start": period_start,
            "threshold_percent": percent,
            "limit_usd": budget.limit_usd,
            "spent_usd": f"{spent // NANO}.{spent % NANO:09d}",
            "cause": {"source": call.source, "id": call.id},
        }
    )
