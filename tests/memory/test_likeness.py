"""Cosines of what is linked, against exact fractions."""

from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from streams.memory.likeness import LEAST, alike_enough

VECTORS = st.integers(1, 5).flatmap(
    lambda size: st.lists(
        st.lists(st.integers(-128, 127), min_size=size, max_size=size), min_size=1, max_size=6
    )
)


def squared(one: list[int], other: list[int]) -> Fraction:
    """Square of the cosine; 0 where it is not positive."""
    dot = sum(a * b for a, b in zip(one, other, strict=True))
    lengths = sum(a * a for a in one) * sum(b * b for b in other)
    return Fraction(dot * dot, lengths) if dot > 0 else Fraction(0)


@given(VECTORS)
def test_those_above_the_bound_are_found_the_most_alike_first(vectors: list[list[int]]) -> None:
    one, *others = vectors
    packed = [bytes(value % 256 for value in each) for each in vectors]
    found = alike_enough(packed[0], packed[1:])
    cosines = [squared(one, each) for each in others]
    assert sorted(found) == [
        place for place, cosine in enumerate(cosines) if cosine >= Fraction(*LEAST) ** 2
    ]
    for before, after in pairwise(found):
        assert cosines[before] >= cosines[after] - Fraction(1, 1 << 10)


def test_the_bound_itself_is_enough() -> None:
    # 9 / sqrt(81 + 19), and a hair less.
    exact = bytes([9, 4, 1, 1, 1])
    assert alike_enough(bytes([1, 0, 0, 0, 0]), [exact, bytes([9, 4, 2, 0, 0])]) == [0]


def test_long_vectors_are_compared_without_a_word_too_short() -> None:
    long = bytes([128]) * 100_000
    assert alike_enough(long, [long, bytes([127]) * 100_000]) == [0]
