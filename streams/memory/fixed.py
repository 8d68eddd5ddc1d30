"""Integer arithmetic that ranking rests on: the same digits on every machine."""

from math import isqrt

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

BITS = 16
ONE = 1 << BITS
"""1.0 of every score: scores are whole multiples of 1/65536, which a float holds exactly."""
RAW_BITS = 10
"""Fraction bits of lexical scores before they are standardised: 64 terms of 25 bits of information
each, twice over, stay below 2^24."""
_BLOCK = 1 << 14
"""So many squares of numbers below 2^24 are summed without passing 63 bits."""


def log2(number: int) -> int:
    """Binary logarithm of a positive integer, rounded down to 1/65536.

    Examples
    --------
    >>> log2(8) / ONE, round(log2(10) / ONE, 4)
    (3.0, 3.3219)
    """
    whole = number.bit_length() - 1
    # Kept as 1.x with 62 fraction bits; each squaring yields the next bit.
    mantissa = number << 62 >> whole
    digits = whole
    for _ in range(BITS):
        mantissa = mantissa * mantissa >> 62
        digits <<= 1
        if mantissa >= 1 << 63:
            mantissa >>= 1
            digits |= 1
    return digits


def standardised(values: Ints) -> Ints:
    """Standard scores of numbers below 2^24, of all of them: 0 where they don't differ."""
    if not len(values):
        return values
    mean = int(values.sum()) // len(values)
    apart = values - mean
    squares = sum(
        int(np.square(apart[at : at + _BLOCK]).sum()) for at in range(0, len(apart), _BLOCK)
    )
    # Eight fraction bits for the deviation: a narrow one is not lost in rounding.
    deviation = isqrt((squares << 16) // len(values))
    return (apart << (BITS + 8)) // deviation if deviation else np.zeros_like(apart)


def halved(age: Ints, half_life: int) -> Ints:
    """``ONE`` halved once per half-life of a non-negative age, straight lines between."""
    times = np.minimum(age // half_life, BITS + 1)
    start = ONE >> times
    return start - (start - (start >> 1)) * (age % half_life) // half_life
