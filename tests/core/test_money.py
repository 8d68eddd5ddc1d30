"""Money: exact in, rounded once half-even, plain digits out."""

from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.money import MAX_USD, NANO, format_usd, parse_usd, read_usd, to_nano


@given(st.decimals(min_value=0, max_value=MAX_USD, places=14))
def test_rounding_is_half_even_at_the_ninth_digit(amount: Decimal) -> None:
    assert to_nano(amount) == amount.quantize(Decimal("1e-9"), ROUND_HALF_EVEN) * NANO


@given(st.integers(-(10**30), 10**30))
def test_what_is_shown_says_the_same_and_no_more(nano: int) -> None:
    text = format_usd(nano)
    assert Fraction(text) * NANO == nano
    assert read_usd(text) == nano
    assert "E" not in text
    assert "e" not in text
    assert not ("." in text and text.endswith(("0", ".")))
    assert text != "-0"


@pytest.mark.parametrize("text", ["", "x", "NaN", "Infinity", "-1", "1e10", "1000000000.1"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_usd(text)
