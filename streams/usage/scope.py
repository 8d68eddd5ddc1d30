"""What usage is split by and what a budget may be limited to; a missing value is ``""``."""

import msgspec

SCOPE_KEYS = ("provider", "model", "agent", "cost_attribution", "job", "cluster")
INDEX = {key: index for index, key in enumerate(SCOPE_KEYS)}

Scope = tuple[str, str, str, str, str, str]
"""Values in the order of ``SCOPE_KEYS``."""
Filter = tuple[tuple[str, str], ...]
"""Pairs of key and value, sorted; all must agree, none means everything."""

pack = msgspec.msgpack.Encoder().encode
unpack = msgspec.msgpack.Decoder(Scope).decode
unpack_pair = msgspec.msgpack.Decoder(tuple[str, str]).decode


def matches(wanted: Filter, scope: Scope) -> bool:
    """Whether all of the pairs agree.

    Examples
    --------
    >>> matches((("model", "gpt-4o"),), ("openai", "gpt-4o", "", "", "", ""))
    True
    """
    # A generator would be half of its cost, and this runs for each budget of each event.
    for key, value in wanted:  # noqa: SIM110
        if scope[INDEX[key]] != value:
            return False
    return True
