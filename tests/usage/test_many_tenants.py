"""Calls of a thousand tenants, late, repeated, out of order and corrected, against plain sums.

20,000 calls by default, a million with STREAMS_TEST_CALLS=1000000 (about five minutes):

    STREAMS_TEST_CALLS=1000000 pytest tests/usage/test_many_tenants.py -m deep
"""

import os
from collections import defaultdict
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
from rocksdict import WriteBatch

from streams.agents.fold import fold
from streams.core.fold import Entry
from streams.core.log import Call, Message, Origin, PriceSet, Record, Tick, UsageAdjust
from streams.core.time import DAY, HOUR, SECOND, format_time
from streams.runtime.view import BufferedView, open_database, write
from streams.usage.read import usage_report
from usage.writer import at, data

CALLS = int(os.environ.get("STREAMS_TEST_CALLS", "20000"))
TENANTS = 1_000
CHUNK = 400
BEGIN = at("2026-03-20")
LASTS = 15 * DAY
"""Into April, and past the grace of March: statements are due in the middle of it."""
MODELS = ("gpt-4o", "mystery", "priced")
USD = (Decimal("0.123456789"), Decimal("3.000000001"))


@pytest.mark.deep
def test_totals_of_many_tenants_equal_plain_sums(tmp_path: Path) -> None:
    """Pitfalls 4 and 10: nothing is lost or counted twice, late events count in their own day."""
    random, db = Random(11), open_database(tmp_path / "db")
    view = BufferedView(db)
    sums: dict[tuple[str, str], list[Any]] = defaultdict(lambda: [0, 0, Decimal(0), 0, 0])
    statements: dict[str, Any] = {}
    offset, now = 0, BEGIN

    def commit() -> None:
        batch = WriteBatch(raw_mode=True)
        write(batch, view.encoded())
        db.write(batch)
        view.committed()

    def append(tenant: str, body: Any, time: int) -> None:
        nonlocal offset
        record = Record(1, tenant, Origin("t", 0, 0, offset), "/test", f"e{offset}", time, body)
        for output in fold(view, Entry(record, 0, offset, now, now)):
            if getattr(output, "type", None) == "usage.statement":
                assert output.tenant not in statements
                statements[output.tenant] = data(output)["details"]
        offset += 1
        if offset % CHUNK == 0:
            commit()

    prices = tuple(int(usd * 10**9) for usd in USD)
    for n in range(TENANTS):
        append(f"t{n}", PriceSet("openai", "priced", *prices, None, 0), now)
    seen: set[int] = set()
    for n in range(CALLS):
        now = BEGIN + LASTS * n // CALLS
        if n % 500 == 0:
            append("", Tick(), now)
        # One in ten comes again; admit's identities and the store's window drop it before the fold.
        number = random.randrange(n + 1) if random.random() < 0.1 else n
        if number in seen:
            continue
        seen.add(number)
        tenant = f"t{int(TENANTS * random.random() ** 2)}"
        back = random.choice((0, 0, 0, SECOND, HOUR, DAY, 3 * DAY))
        time = now - back
        into = sums[tenant, format_time(time)[:10]]
        late = now > time // DAY * DAY + DAY + DAY
        if random.random() < 0.02:
            nano = random.randrange(-(10**9), 10**9)
            append(tenant, UsageAdjust(nano, time, "", "", "why"), now)
            into[2] += Decimal(nano).scaleb(-9)
            continue
        model, read, written = random.choice(MODELS), random.randrange(10**5), random.randrange(99)
        computed = 123_456_789 if model == "gpt-4o" else None
        call = Call("openai", model, read, written, 0, 0, None, computed, "book")
        append(tenant, Message("a", "", "", "", call, None), time)
        into[0] += 1
        into[1] += read
        into[3] += model == "mystery"
        into[4] += late
        if model == "gpt-4o":
            into[2] += Decimal("0.123456789")
        elif model == "priced":
            exact = (read * USD[0] + written * USD[1]) / 1_000_000
            into[2] += exact.quantize(Decimal("1e-9"), rounding=ROUND_HALF_EVEN)
    # Late events have put off the statements of months that they opened.
    now += 2 * DAY
    for _ in range(TENANTS // 10):
        append("", Tick(), now)
    commit()
    found = {}
    for n in range(TENANTS):
        report = usage_report(view, f"t{n}", log_time=now)
        for bucket in report["buckets"]:
            names = ("calls", "input_tokens", "unpriced_calls", "late_events")
            calls, read, unpriced, late_events = (bucket[name] for name in names)
            cost = Decimal(bucket["cost_usd"])
            found[f"t{n}", bucket["start"][:10]] = [calls, read, cost, unpriced, late_events]
    assert found == dict(sums)
    in_march = {tenant for tenant, day in sums if day < "2026-04"}
    assert set(statements) == in_march
