"""How much a memory is used, fading with log time, as one integer that needs no refreshing.

Each use counts 1 and halves every ``HALF_LIFE``. Kept is the binary logarithm of the sum, as if
each use counted twice as much as one a half-life before it: time that passes lowers all memories
alike, so that their order changes only when one is used. Integers throughout: the same digits
everywhere.
"""

from functools import lru_cache
from math import isqrt

from streams.core.time import DAY

HALF_LIFE = DAY
BITS = 32
"""Fraction bits of a logarithm: two uses 20 microseconds apart differ."""
ONE = 1 << BITS
_UNIT = 62
"""Fraction bits inside."""


def _roots() -> tuple[int, ...]:
    """2 to the power of -1/2, -1/4, -1/8 and so on."""
    roots = [isqrt(1 << (2 * _UNIT - 1))]
    while len(roots) < BITS:
        roots.append(isqrt(roots[-1] << _UNIT))
    return tuple(roots)


_ROOTS = _roots()


def used(before: int | None, at: int, count: int = 1) -> int:
    """Add uses at a log time (microseconds) to what was used before.

    Examples
    --------
    >>> now = used(None, 10 * HALF_LIFE)
    >>> now == 10 * ONE, used(now, 10 * HALF_LIFE) == 11 * ONE
    (True, True)
    >>> used(None, 11 * HALF_LIFE) == used(None, 10 * HALF_LIFE, 2)
    True
    """
    added = (at << BITS) // HALF_LIFE + _log2(count << _UNIT)
    if before is None:
        return added
    low, high = sorted((before, added))
    return high + _log2((1 << _UNIT) + _halved(high - low))


def per_byte(use: int, size: int) -> int:
    """Use of each byte: the logarithm of the use without that of the bytes.

    Examples
    --------
    >>> per_byte(12 * ONE, 1024) == 2 * ONE
    True
    """
    return use - _log2_of_bytes(size)


@lru_cache(maxsize=8192)
def _log2_of_bytes(size: int) -> int:
    # Memories are of few sizes, and each is asked for twice a change.
    return _log2(max(size, 1) << _UNIT)


def _halved(times: int) -> int:
    """1 halved so many times, a logarithm's fraction included."""
    whole, fraction = divmod(times, ONE)
    if whole > _UNIT:
        return 0
    value = 1 << _UNIT
    for place, root in enumerate(_ROOTS, 1):
        if fraction >> (BITS - place) & 1:
            value = value * root >> _UNIT
    return value >> whole


def _log2(number: int) -> int:
    """Binary logarithm of a number of at least 1."""
    whole = number.bit_length() - 1 - _UNIT
    mantissa, digits = number >> whole, whole
    for _ in range(BITS):
        mantissa = mantissa * mantissa >> _UNIT
        digits <<= 1
        if mantissa >> (_UNIT + 1):
            mantissa >>= 1
            digits |= 1
    return digits
