"""The mean of vectors in integers: each counts alike, whatever its length."""

from collections.abc import Sequence
from math import isqrt

import numpy as np

from streams.core.fold import Rows
from streams.memory.rows import VectorRow, vector_key

_NORM_BITS, _UNIT_BITS = 8, 20
_LARGEST = 127


def mean_vector(rows: Rows, tenant: str, memory_ids: Sequence[str]) -> VectorRow | None:
    """Mean of memories' vectors; of different models the last one's decides."""
    found = [rows.get(VectorRow, vector_key(tenant, each)) for each in memory_ids]
    vectors = [vector for vector in found if vector is not None]
    if not vectors:
        return None
    model, length = vectors[-1].model, len(vectors[-1].data)
    data = mean([v.data for v in vectors if v.model == model and len(v.data) == length])
    norm = isqrt(sum(int(value) ** 2 for value in np.frombuffer(data, np.int8)) << 2 * _NORM_BITS)
    # Of length one again, as models' vectors are.
    return VectorRow(model, (1 << _NORM_BITS) / norm if norm else 1.0, data)


def mean(vectors: Sequence[bytes]) -> bytes:
    """Mean direction of int8 vectors of one length; the largest part becomes 127.

    Examples
    --------
    >>> list(mean([bytes([127, 0]), bytes([0, 1])]))
    [127, 127]
    """
    total = np.zeros(len(vectors[0]), np.int64)
    for vector in vectors:
        wide = np.frombuffer(vector, np.int8).astype(np.int64)
        norm = isqrt(int((wide * wide).sum()) << 2 * _NORM_BITS)
        if norm:
            total += (wide << _UNIT_BITS) // norm
    largest = int(np.abs(total).max()) if len(total) else 0
    if not largest:
        return bytes(len(total))
    # Rounded to the nearest, halves up.
    return ((2 * _LARGEST * total + largest) // (2 * largest)).astype(np.int8).tobytes()
