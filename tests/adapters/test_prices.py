"""The price book against the catalogue's own arithmetic, and against the real trace."""

import csv
import warnings
from datetime import timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

import genai_prices
import pytest
from genai_prices.data import providers
from genai_prices.data_snapshot import DataSnapshot, set_custom_snapshot
from genai_prices.types import ModelPrice, TimeOfDateConstraint

from streams.adapters.prices import CataloguePrices
from streams.core.log import Call
from streams.core.money import format_usd
from streams.core.time import EPOCH, parse_time

NOVEMBER_2023 = parse_time("2023-11-16T18:17:03.979960Z")
MOMENTS = [
    parse_time(text)
    for text in ("2023-11-16T18:00:00Z", "2025-06-01T00:29:59Z", "2025-06-01T12:00:00Z")
] + [parse_time("2026-11-22T02:30:00Z")]
# Input, output, cache read, cache creation; around the tiers of the catalogue.
USAGES = [
    (1200, 80, 0, 0),
    (1000, 7, 300, 200),
    (200_000, 3, 1, 0),
    (200_001, 3, 0, 1),
    (1_000_003, 999, 500_000, 100_000),
    (0, 0, 0, 0),
]


@pytest.fixture(scope="module")
def book() -> CataloguePrices:
    return CataloguePrices()


def call(provider: str, model: str, *tokens: int) -> Call:
    padded = (*tokens, 0, 0, 0, 0)[:4]
    return Call(provider, model, *padded, None, None, "")


@pytest.mark.parametrize(
    ("provider", "model", "tokens", "usd"),
    [
        ("openai", "gpt-4o", (1_000_000, 0), "2.5"),
        ("openai", "gpt-4o", (0, 1_000_000), "10"),
        ("openai", "gpt-4o", (1_000_000, 0, 1_000_000), "1.25"),
        ("azure.ai.openai", "gpt-4o", (1_000_000, 0), "2.5"),
        ("", "gpt-4o", (1_000_000, 0), "2.5"),
        ("openai", "gpt-4o", (0, 0), "0"),
    ],
)
def test_known(
    book: CataloguePrices, provider: str, model: str, tokens: tuple[int, ...], usd: str
) -> None:
    cost = book.cost(call(provider, model, *tokens), NOVEMBER_2023)
    assert cost is not None
    assert format_usd(cost) == usd


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-99-made-up"),
        ("nobody", "gpt-4o"),
        ("anthropic", "gpt-4o"),
        ("openai", ""),
        ("", ""),
        ("", "made-up"),
    ],
)
def test_unknown_is_none_and_never_zero(book: CataloguePrices, provider: str, model: str) -> None:
    assert book.cost(call(provider, model, 10, 10), NOVEMBER_2023) is None


def test_tokens_that_no_price_covers_are_unpriced(book: CataloguePrices) -> None:
    """A model priced by the hour of audio says nothing about tokens."""
    assert book.cost(call("groq", "whisper-large-v3", 1000, 10), NOVEMBER_2023) is None


@pytest.mark.parametrize(
    ("name", "catalogue"),
    [("x_ai", "x-ai"), ("gcp.gen_ai", "google"), ("azure.ai.inference", "azure")],
)
def test_names_of_opentelemetry(book: CataloguePrices, name: str, catalogue: str) -> None:
    models = next(p.models for p in providers if p.id == catalogue)
    costs = [book.cost(call(name, model.id, 1000, 10), MOMENTS[-1]) for model in models]
    same = [book.cost(call(catalogue, model.id, 1000, 10), MOMENTS[-1]) for model in models]
    assert costs == same
    assert any(costs)


def test_each_model_of_the_catalogue_as_the_catalogue_computes_it(book: CataloguePrices) -> None:
    compared = 0
    for provider in providers:
        for model in provider.models:
            moments = MOMENTS[:1] if isinstance(model.prices, ModelPrice) else MOMENTS
            for at in moments:
                usages = USAGES if "tiers" in str(model.prices) else USAGES[:2]
                for tokens in usages:
                    compared += _compare(book, provider.id, model.id, tokens, at)
    assert compared > 3_000


def _compare(
    book: CataloguePrices, provider: str, model: str, tokens: tuple[int, ...], at: int
) -> bool:
    ours = book.cost(call(provider, model, *tokens), at)
    names = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            theirs = genai_prices.calc_price(
                genai_prices.Usage(**dict(zip(names, tokens, strict=True))),
                model,
                provider_id=provider,
                genai_request_timestamp=EPOCH + timedelta(microseconds=at),
            ).total_price
    except LookupError:
        # A few entries of the catalogue don't match their own id.
        theirs = Decimal(0)
    if ours is None:
        # Only what no price covers may be left without one.
        assert theirs == 0, (provider, model, tokens, at)
        return False
    exact = (theirs * 10**9).quantize(Decimal(1), ROUND_HALF_EVEN)
    assert ours == exact, (provider, model, tokens, at)
    return True


def test_half_a_nano_is_rounded_to_even(book: CataloguePrices) -> None:
    halves = [
        (provider.id, model.id, price)
        for provider in providers
        for model in provider.models
        if isinstance(price := getattr(model.prices, "input_mtok", None), Decimal)
        and price * 1000 % 1 == Decimal("0.5")
    ]
    assert halves
    provider, model, price = halves[0]
    for tokens in (1, 3, 5):
        exact = (price * 1000 * tokens).quantize(Decimal(1), ROUND_HALF_EVEN)
        assert book.cost(call(provider, model, tokens), NOVEMBER_2023) == exact


def test_enormous_calls_are_exact(book: CataloguePrices) -> None:
    tokens = 2**53
    expected = tokens * 2_500 + tokens * 10_000
    assert book.cost(call("openai", "gpt-4o", tokens, tokens), NOVEMBER_2023) == expected


def test_no_price_changes_within_a_minute() -> None:
    """Dated prices are kept by the minute."""
    for provider in providers:
        for model in provider.models:
            for price in model.prices if isinstance(model.prices, list) else ():
                if isinstance(price.constraint, TimeOfDateConstraint):
                    for edge in (price.constraint.start_time, price.constraint.end_time):
                        assert (edge.second, edge.microsecond) == (0, 0)


def test_prices_of_the_network_are_never_used(book: CataloguePrices) -> None:
    set_custom_snapshot(DataSnapshot(providers=[], from_auto_update=True))
    try:
        assert CataloguePrices().cost(call("openai", "gpt-4o-2024-08-06", 1000), MOMENTS[1])
    finally:
        set_custom_snapshot(None)


def test_version_names_the_catalogue(book: CataloguePrices) -> None:
    assert book.version == "genai-prices 0.2.3"


def test_real_trace(book: CataloguePrices, azure_trace: Path) -> None:
    with azure_trace.open() as lines:
        tokens = [
            (int(row["ContextTokens"]), int(row["GeneratedTokens"]))
            for row in csv.DictReader(lines)
        ]
    costs = [book.cost(call("openai", "gpt-4o", *pair), NOVEMBER_2023) or 0 for pair in tokens]
    assert (len(tokens), format_usd(sum(costs))) == (8819, "47.608895")
