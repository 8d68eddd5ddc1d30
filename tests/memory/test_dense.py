"""Cosines are exact integers, whatever computes the products."""

import numpy as np
import pytest

from streams.memory.dense import Dense, quantise


def exact(left: np.ndarray, right: np.ndarray) -> int:
    return int(left.astype(np.int64) @ right.astype(np.int64))


@pytest.mark.parametrize("dimensions", [1, 7, 384, 1024, 1025, 4096])
@pytest.mark.parametrize("extreme", [False, True])
def test_products_are_exact(dimensions, extreme):
    rng = np.random.default_rng(dimensions)
    drawn = rng.integers(-128, 128, (700, dimensions), dtype=np.int8)
    vectors = np.full_like(drawn, -128) if extreme else drawn
    dense = Dense(dimensions)
    for slot, vector in enumerate(vectors):
        dense.append(slot, vector.tobytes())
    dots = dense._dots(vectors[0].astype(np.float32))
    assert dots.tolist() == [exact(vector, vectors[0]) for vector in vectors]


def test_a_vector_has_the_cosine_one_with_itself_and_a_zero_vector_none():
    dense = Dense(3)
    for slot, vector in enumerate([b"\x01\x02\x03", b"\xff\xfe\xfd", b"\x00\x00\x00"]):
        dense.append(slot, vector)
    slots, cosines = dense.cosines(b"\x02\x04\x06")
    assert slots.tolist() == [0, 1, 2]
    assert abs(cosines[0] - 65536) < 128
    assert abs(cosines[1] + 65536) < 128
    assert cosines[2] == 0


def test_the_dead_leave_and_the_rest_keep_their_vectors():
    dense = Dense(2)
    for slot in range(1_300):
        dense.append(slot, bytes((slot % 100, 1)))
    kept = np.arange(1_300) % 3 == 0
    dense.keep(np.where(kept, np.cumsum(kept) - 1, -1))
    slots, cosines = dense.cosines(b"\x01\x00")
    whole = Dense(2)
    for place, slot in enumerate(np.flatnonzero(kept).tolist()):
        whole.append(place, bytes((slot % 100, 1)))
    assert slots.tolist() == list(range(int(kept.sum())))
    assert cosines.tolist() == whole.cosines(b"\x01\x00")[1].tolist()


def test_quantising_keeps_the_direction():
    vector = np.random.default_rng(1).normal(size=384).astype(np.float32)
    packed, scale = quantise(vector)
    back = np.frombuffer(packed, np.int8) * scale
    assert back @ vector / np.linalg.norm(back) / np.linalg.norm(vector) > 0.9999
    assert quantise(np.zeros(4, np.float32)) == (bytes(4), 1.0)
