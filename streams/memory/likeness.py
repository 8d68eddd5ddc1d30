"""Whether int8 vectors point the same way, in integers alone: what is linked rests on it."""

from collections.abc import Sequence

import numpy as np

LEAST = (9, 10)
"""Cosine of linked memories at least, as a fraction: docs/decisions/0019-links.md tells why."""
_BITS = 32


def alike_enough(
    vector: bytes, others: Sequence[bytes], least: tuple[int, int] = LEAST
) -> list[int]:
    """Find the vectors whose cosine to one is high enough.

    Parameters
    ----------
    vector, others
        int8, all of one length above 0.
    least
        The cosine that is enough, as a fraction.

    Returns
    -------
    list of int
        Places of those, the most alike first; in their order where they are equally alike.

    Examples
    --------
    >>> alike_enough(bytes([1, 0]), [bytes([0, 5]), bytes([2, 1]), bytes([100, 1])])
    [2]
    """
    if not others:
        return []
    one = np.frombuffer(vector, np.int8).astype(np.int64)
    rows = np.frombuffer(b"".join(others), np.int8).reshape(len(others), -1).astype(np.int64)
    dots, squares = (rows @ one).tolist(), (rows * rows).sum(axis=1).tolist()
    own = int(one @ one)
    part, whole = least
    # Python's integers: the products are past 64 bits for long vectors.
    found = [
        place
        for place, (dot, square) in enumerate(zip(dots, squares, strict=True))
        if dot > 0 and dot * dot * whole * whole >= part * part * own * square
    ]
    return sorted(found, key=lambda place: -((dots[place] ** 2 << _BITS) // squares[place]))
