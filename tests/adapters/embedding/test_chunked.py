"""Chunks, batches and means, with a network whose vectors are easy to see."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.adapters.embedding import chunked
from streams.adapters.embedding.chunked import CHUNKS, ChunkedEmbedder, Floats, Ids, batches

SIZE = 8
"""Pieces of a chunk here, its two marks included."""


class Encoding:
    def __init__(self, ids: list[int]) -> None:
        self.ids = ids
        self.overflowing: list[Encoding] = []


class Tokenizer:
    """Each character is a piece; 1 and 2 are the marks."""

    def no_padding(self) -> None: ...

    def enable_truncation(self, pieces: int) -> None:
        self.pieces = pieces

    def encode_batch(self, texts: list[str]) -> list[Encoding]:
        return [self._encode(text) for text in texts]

    def _encode(self, text: str) -> Encoding:
        step = self.pieces - 2
        parts = [text[at : at + step] for at in range(0, max(len(text), 1), step)]
        first, *rest = [Encoding([1, *map(ord, part), 2]) for part in parts]
        first.overflowing = rest
        return first


class Network(ChunkedEmbedder):
    """A vector says how often each letter a to h is in a chunk; padding would count as NUL."""

    def __init__(self) -> None:
        super().__init__("letters", Tokenizer(), SIZE)
        self.shapes: list[tuple[int, int]] = []

    def _run(self, ids: Ids, mask: Ids) -> Floats:
        self.shapes.append((ids.shape[0], ids.shape[1]))
        assert ((ids == 0) == (mask == 0)).all()
        letters = np.arange(ord("a"), ord("i"))
        return (ids[:, :, None] == letters).sum(axis=1).astype(np.float32)


def test_each_text_has_its_own_vector_of_unit_length_in_the_order_given() -> None:
    found = Network().floats(["b", "aaaa", "ab"])
    half = np.sqrt(0.5)
    assert found[:, :2] == pytest.approx(np.array([[0, 1], [1, 0], [half, half]]))


def test_a_long_text_is_the_mean_of_its_chunks_alike_and_normalised() -> None:
    # Three chunks of 6, 6 and 1 letters: each counts alike, whatever its length.
    found = Network().floats(["aaaaaa" + "bbbbbb" + "b", "c"])
    assert found[0, :3] == pytest.approx(np.array([1, 2, 0]) / np.sqrt(5))
    assert found[1, 2] == pytest.approx(1)


def test_what_is_beyond_the_last_chunk_is_not_embedded() -> None:
    network = Network()
    whole = "a" * (SIZE - 2) * CHUNKS
    assert (network.floats([whole + "b" * 50]) == network.floats([whole])).all()
    assert network.floats(["a" * (SIZE - 2) * (CHUNKS - 1) + "b"])[0, 1] > 0


def test_a_text_without_pieces_has_a_vector_too_and_none_of_them_is_nan() -> None:
    (vector,) = Network().embed([""])
    assert (vector.model, set(vector.data), len(vector.data)) == ("letters", {0}, 8)
    assert Network().embed([]) == []


def test_no_chunk_is_longer_than_the_contract_says() -> None:
    embedder = Network()
    ChunkedEmbedder.__init__(embedder, "m", tokenizer := Tokenizer(), 512)
    assert tokenizer.pieces == 256


@given(st.lists(st.integers(1, chunked.PIECES), max_size=200))
def test_batches_hold_all_once_in_like_lengths_and_bounded(lengths: list[int]) -> None:
    found = list(batches(lengths))
    assert sorted(at for batch in found for at in batch) == list(range(len(lengths)))
    for batch in found:
        padded = len(batch) * lengths[batch[-1]]
        assert padded <= chunked.BATCH_PIECES
        assert padded - sum(lengths[at] for at in batch) <= chunked.PADDING
        assert max(lengths[at] for at in batch) == lengths[batch[-1]]
    for one, following in pairwise(found):
        assert lengths[one[-1]] <= lengths[following[0]]


@given(st.lists(st.text("abcdefgh", max_size=40), min_size=1, max_size=20))
def test_a_vector_does_not_depend_on_what_else_is_embedded(texts: list[str]) -> None:
    together = Network().embed(texts)
    assert together == [Network().embed([text])[0] for text in texts]
