from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice

import msgspec
import pytest
from genai_prices import Usage, calc_price

from streams.core.money import NANO, to_nano
from streams.dev.fleet import MODELS, TENANTS, UNKNOWN, Expected, Model, events, price


def test_a_seed_gives_the_same_events_and_another_seed_others() -> None:
    assert list(events(1, count=500)) == list(events(1, count=500))
    assert list(islice(events(1), 500)) == list(events(1, count=500))
    ids = {msgspec.json.decode(event.line)["id"] for event in events(1, count=500)}
    others = {msgspec.json.decode(event.line)["id"] for event in events(2, count=500)}
    assert not ids & others


def test_the_sums_are_those_of_the_lines_each_id_once() -> None:
    expected = {tenant: Expected() for tenant in TENANTS}
    sent = list(events(7, count=3000))
    for event in sent:
        expected[event.tenant].add(event)
    once = {msgspec.json.decode(event.line)["id"]: event for event in sent}
    assert 0 < len(once) < len(sent)
    for tenant in TENANTS:
        mine = [event for event in once.values() if event.tenant == tenant]
        usages = [msgspec.json.decode(event.line)["data"]["usage"] for event in mine]
        assert expected[tenant].calls == len(mine)
        read = sum(usage["gen_ai.usage.input_tokens"] for usage in usages)
        assert expected[tenant].input_tokens == read
        assert expected[tenant].cost == Decimal(sum(e.cost or 0 for e in mine)) / NANO
        assert expected[tenant].unpriced_calls == sum(e.cost is None for e in mine) > 0


def test_few_events_say_something() -> None:
    said = ["content" in msgspec.json.decode(event.line)["data"] for event in events(7, count=3000)]
    assert 0 < sum(said) < 60


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_prices_are_the_catalogues(model: Model) -> None:
    for read, cached, written in ((1, 0, 1), (12_345, 4_001, 777), (900_000, 400_000, 64_000)):
        usage = Usage(input_tokens=read, cache_read_tokens=cached, output_tokens=written)
        at = datetime(2026, 11, 22, tzinfo=UTC)
        book = calc_price(usage, model.name, provider_id=model.provider, genai_request_timestamp=at)
        assert price(model, read, cached, written) == to_nano(book.total_price)


def test_the_unknown_model_is_unknown() -> None:
    with pytest.raises(LookupError):
        calc_price(Usage(input_tokens=1), UNKNOWN[1], provider_id=UNKNOWN[0])
