"""Money is integer nano-USD; JSON shows it as a decimal string.

A call's cost is an exact Decimal, rounded once, half-even, to 1e-9 USD. Totals are sums of these.
"""

from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation

NANO = 1_000_000_000
MAX_USD = 1_000_000_000
"""The largest amount that one event may carry (USD)."""

# Wide enough that no product of a 2**53 token count and a price is ever rounded on the way.
_EXACT = Context(prec=60)


def to_nano(amount: Decimal) -> int:
    """Round an exact amount in USD to integer nano-USD, half to even.

    Raises
    ------
    ValueError
        The amount is not finite, is negative, or is above ``MAX_USD``.

    Examples
    --------
    >>> to_nano(Decimal("0.0000000005")), to_nano(Decimal("0.0000000015"))
    (0, 2)
    """
    if not amount.is_finite():
        raise ValueError("an amount must be finite")
    if amount < 0 or amount > MAX_USD:
        raise ValueError(f"an amount must be between 0 and {MAX_USD} USD")
    scaled = _EXACT.multiply(amount, Decimal(NANO))
    return int(scaled.to_integral_value(rounding=ROUND_HALF_EVEN, context=_EXACT))


def parse_usd(text: str | int | Decimal) -> int:
    """Read an amount in USD from its digits, never through a float.

    Examples
    --------
    >>> parse_usd("0.0123"), parse_usd(40)
    (12300000, 40000000000)
    """
    try:
        return to_nano(Decimal(text))
    except InvalidOperation:
        raise ValueError("not a decimal number") from None


def read_usd(text: str) -> int:
    """Read what `format_usd` has written: a total may be of any size and below zero.

    Examples
    --------
    >>> read_usd("-0.000000001"), read_usd("12345678901234567890")
    (-1, 12345678901234567890000000000)
    """
    sign = -1 if text.startswith("-") else 1
    whole, _, part = text.lstrip("-").partition(".")
    return sign * (int(whole) * NANO + int(part.ljust(9, "0")))


def format_usd(nano: int) -> str:
    """Write nano-USD as a decimal string: no exponent, no trailing zeros.

    Examples
    --------
    >>> format_usd(12300000), format_usd(-1), format_usd(40 * NANO), format_usd(0)
    ('0.0123', '-0.000000001', '40', '0')
    """
    sign = "-" if nano < 0 else ""
    whole, part = divmod(abs(nano), NANO)
    digits = f"{part:09d}".rstrip("0")
    return f"{sign}{whole}.{digits}" if digits else f"{sign}{whole}"
