"""What all embedders share: word pieces, chunks of long texts, batches of like length.

A text of more than 256 word pieces is embedded as the mean of up to 16 chunks. Whatever else is in
a batch, each text's vector is its own: padding has no weight.
"""

import abc
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.core.log import Vector
from streams.memory.dense import quantise

PIECES = 256
"""Word pieces of one chunk, its two marks included."""
CHUNKS = 16
"""Chunks of a text; what is beyond them is not embedded."""
BATCH_PIECES = 1_024
"""Pieces that the network sees at once, padding included: bounds memory, and fills the cores. From
256 to 2,048 a piece costs the same on two cores (4,096: a sixth more)."""
PADDING = 48
"""Pieces of padding in a batch: what one more run of the network costs, about."""

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]


class ChunkedEmbedder(abc.ABC):
    """Embeds texts with a network that takes word pieces.

    Parameters
    ----------
    model : str
        Name in the vectors.
    tokenizer : tokenizers.Tokenizer
        Set here to cut at ``pieces``.
    """

    def __init__(self, model: str, tokenizer: Any, pieces: int = PIECES) -> None:
        self.model = model
        tokenizer.no_padding()
        tokenizer.enable_truncation(min(pieces, PIECES))
        self._tokenizer = tokenizer

    def embed(self, texts: Sequence[str]) -> list[Vector]:
        """Return a vector for each text, in their order."""
        if not texts:
            return []
        vectors = []
        for row in self.floats(texts):
            data, scale = quantise(row)
            vectors.append(Vector(self.model, scale, data))
        return vectors

    def floats(self, texts: Sequence[str]) -> Floats:
        """Return the vectors before quantising: float32, texts x dimensions, unit length."""
        pieces: list[list[int]] = []
        owners: list[int] = []
        for at, encoded in enumerate(self._tokenizer.encode_batch(list(texts))):
            # What truncation cut off follows as chunks with marks of their own.
            for chunk in (encoded, *encoded.overflowing[: CHUNKS - 1]):
                pieces.append(chunk.ids)
                owners.append(at)
        chunks = _unit(self._chunks(pieces))
        if len(pieces) == len(texts):
            return chunks
        vectors = np.zeros((len(texts), chunks.shape[1]), np.float32)
        np.add.at(vectors, owners, chunks)
        long = np.bincount(owners) > 1
        vectors[long] = _unit(vectors[long])
        return vectors

    @abc.abstractmethod
    def _run(self, ids: Ids, mask: Ids) -> Floats:
        """Return one vector a row of a padded batch."""

    def _chunks(self, pieces: Sequence[list[int]]) -> Floats:
        vectors: Floats | None = None
        for batch in batches([len(ids) for ids in pieces]):
            ids = np.zeros((len(batch), len(pieces[batch[-1]])), np.int64)
            mask = np.zeros_like(ids)
            for row, at in enumerate(batch):
                ids[row, : len(pieces[at])] = pieces[at]
                mask[row, : len(pieces[at])] = 1
            found = self._run(ids, mask)
            if vectors is None:
                vectors = np.empty((len(pieces), found.shape[1]), np.float32)
            vectors[batch] = found
        assert vectors is not None
        return vectors


def batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Cut what has these lengths into batches of like length; in each, the longest is the last."""
    batch: list[int] = []
    real = 0
    for at in sorted(range(len(lengths)), key=lengths.__getitem__):
        length = lengths[at]
        real += length
        padded = (len(batch) + 1) * length
        if batch and (padded > BATCH_PIECES or padded - real > PADDING):
            yield batch
            batch, real = [], length
        batch.append(at)
    if batch:
        yield batch


def _unit(rows: Floats) -> Floats:
    lengths = np.sqrt((rows * rows).sum(axis=1, keepdims=True))
    unit: Floats = rows / np.maximum(lengths, np.float32(1e-12))
    return unit
