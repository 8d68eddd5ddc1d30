"""An amount in JSON input: a string or a number, read from its digits and never through a float."""

import re
from decimal import Decimal
from typing import Annotated

import msgspec

from streams.core.money import MAX_USD, parse_usd

_DIGITS = r"[0-9]{1,20}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?"
_USD_TEXT = re.compile(_DIGITS)
_USD_NUMBER = re.compile(rf"-?{_DIGITS}")
Usd = Annotated[
    msgspec.Raw,
    msgspec.Meta(
        description=f"USD, 0 to {MAX_USD}, read from its digits (never through a float); "
        "at most 20 digits before and 40 after the point.",
        extra_json_schema={
            "anyOf": [
                {"type": "string", "pattern": f"^{_DIGITS}$"},
                {"type": "number", "minimum": 0, "maximum": MAX_USD},
            ]
        },
    ),
]


SignedUsd = Annotated[
    msgspec.Raw,
    msgspec.Meta(
        description=f"USD, -{MAX_USD} to {MAX_USD}, read from its digits (never through a float); "
        "at most 20 digits before and 40 after the point.",
        extra_json_schema={
            "anyOf": [
                {"type": "string", "pattern": f"^-?{_DIGITS}$"},
                {"type": "number", "minimum": -MAX_USD, "maximum": MAX_USD},
            ]
        },
    ),
]


def usd(raw: msgspec.Raw) -> int:
    """Nano-USD of a JSON string or number, read from its digits.

    Raises
    ------
    ValueError
        Neither, negative, not finite, or beyond the bounds.

    Examples
    --------
    >>> usd(msgspec.Raw(b'"0.0123"')), usd(msgspec.Raw(b"1e-9"))
    (12300000, 1)
    """
    return parse_usd(_decimal(raw, _USD_TEXT))


def signed_usd(raw: msgspec.Raw) -> int:
    """Nano-USD of a JSON string or number that may be below zero; see `usd`.

    Examples
    --------
    >>> signed_usd(msgspec.Raw(b'"-0.5"')), signed_usd(msgspec.Raw(b"1"))
    (-500000000, 1000000000)
    """
    amount = _decimal(raw, _USD_NUMBER)
    return -parse_usd(-amount) if amount < 0 else parse_usd(amount)


def exact_usd(raw: msgspec.Raw) -> int:
    """Nano-USD of an amount that has no more digits than that; see `usd`.

    Examples
    --------
    >>> exact_usd(msgspec.Raw(b'"2.500000000000"'))
    2500000000
    """
    amount = _decimal(raw, _USD_TEXT)
    nano = parse_usd(amount)
    if Decimal(nano).scaleb(-9) != amount:
        raise ValueError("a price has at most nine digits after the point")
    return nano


def _decimal(raw: msgspec.Raw, quoted: re.Pattern[str]) -> Decimal:
    text = bytes(raw).decode()
    if _USD_NUMBER.fullmatch(text) is None:
        if text[:1] != '"' or text[-1:] != '"' or quoted.fullmatch(text[1:-1]) is None:
            raise ValueError("an amount in USD is a number or a string of decimal digits")
        text = text[1:-1]
    return Decimal(text)


def is_absent(raw: msgspec.Raw) -> bool:
    """Whether nothing was given, or null."""
    return not raw or (len(raw) == 4 and bytes(raw) == b"null")
