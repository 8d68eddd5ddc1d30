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
    text = bytes(raw).decode()
    number = _USD_NUMBER.fullmatch(text)
    if number is None:
        quoted = text[1:-1]
        if text[:1] != '"' or _USD_TEXT.fullmatch(quoted) is None:
            raise ValueError("an amount in USD is a number or a string of decimal digits")
        text = quoted
    return parse_usd(Decimal(text))


def is_absent(raw: msgspec.Raw) -> bool:
    """Whether nothing was given, or null."""
    return bytes(raw) in (b"", b"null")
