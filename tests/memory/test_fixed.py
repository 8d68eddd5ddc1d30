"""Integer logarithms, standard scores and half-lives."""

import math
import statistics

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.memory.fixed import ONE, halved, log2, standardised


@given(st.integers(1, 1 << 60))
def test_log2_is_the_logarithm_rounded_down(number):
    assert abs(log2(number) - math.log2(number) * ONE) < 1.01


@given(st.lists(st.integers(-(1 << 24) + 1, (1 << 24) - 1), min_size=1, max_size=50))
def test_standard_scores(values):
    scores = standardised(np.array(values, np.int64)).tolist()
    deviation = statistics.pstdev(values)
    if len(set(values)) == 1:
        assert scores == [0] * len(values)
    else:
        mean = statistics.fmean(values)
        for value, score in zip(values, scores, strict=True):
            assert abs(score / ONE - (value - mean) / deviation) < 1.1 / deviation + 0.01


def test_standard_scores_of_many_large_numbers_do_not_overflow():
    values = np.tile(np.array([-(1 << 24), 1 << 24], np.int64), 200_000)
    assert set(standardised(values).tolist()) == {-ONE, ONE}


def test_what_is_halved_falls_and_reaches_nothing():
    ages = np.arange(0, 2_000, 7, dtype=np.int64)
    values = halved(ages, 100)
    assert (np.diff(values) <= 0).all()
    assert halved(np.array([0, 100, 150, 200, 1 << 60]), 100).tolist() == [
        ONE,
        ONE // 2,
        ONE * 3 // 8,
        ONE // 4,
        0,
    ]
