"""The value of an agent's state: any JSON, kept as compact text with every digit as it was sent."""

import re
from itertools import accumulate
from typing import Annotated

import msgspec

from streams.core.errors import Refused

MAX_VALUE = 1 << 16
"""Bytes of a value as compact JSON."""
MAX_VALUE_DEPTH = 256
"""How deep a value may be nested: every reader's parser takes that much."""

StateValue = Annotated[
    msgspec.Raw,
    msgspec.Meta(
        description=f"Any JSON: at most {MAX_VALUE} bytes without spaces between its parts, nested "
        f"at most {MAX_VALUE_DEPTH} deep. Numbers and texts are kept as they are written."
    ),
]

_PARTS = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]')
_STEPS = {b"[": 1, b"{": 1, b"]": -1, b"}": -1}


def compact(raw: msgspec.Raw) -> bytes:
    """Text of a value without the spaces between its parts.

    Raises
    ------
    Refused
        ``too_large``, or ``schema`` where it is nested too deep.

    Examples
    --------
    >>> compact(msgspec.Raw(b'{ "loss" : 1.50, "note": "a b" }'))
    b'{"loss":1.50,"note":"a b"}'
    """
    text = msgspec.json.format(bytes(raw), indent=-1)
    if len(text) > MAX_VALUE:
        raise Refused(
            "too_large", f"the value has {len(text)} bytes of JSON; {MAX_VALUE} are allowed"
        )
    if _depth(text) > MAX_VALUE_DEPTH:
        raise Refused("schema", f"value is nested more than {MAX_VALUE_DEPTH} deep")
    return text


def _depth(text: bytes) -> int:
    steps = (_STEPS.get(part, 0) for part in _PARTS.findall(text))
    return max(accumulate(steps), default=0)
