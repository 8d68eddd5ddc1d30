"""The network of a BERT sentence embedder in numpy: what an export is compared with without torch.

Written from the architecture alone and sharing nothing with graph.py, so that an error in one of
them is a difference. Slow: one text at a time.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from streams.adapters.embedding.chunked import ChunkedEmbedder, Floats, Ids
from streams.adapters.embedding.exported import TOKENIZER, tokenizer
from streams.adapters.embedding.weights import Weights

_HALF_ROOT = np.float32(math.sqrt(0.5))


class NumpyEmbedder(ChunkedEmbedder):
    """Runs a folder's weights."""

    def __init__(self, weights: Weights, arrays: Mapping[str, Floats], pieces: int) -> None:
        super().__init__(weights.model, tokenizer(weights.folder / TOKENIZER), pieces)
        self._arrays = arrays
        self._config: Mapping[str, Any] = weights.config()

    def _run(self, ids: Ids, mask: Ids) -> Floats:
        rows = [self._text(row[: int(seen.sum())]) for row, seen in zip(ids, mask, strict=True)]
        return np.stack(rows)

    def _text(self, ids: Ids) -> Floats:
        of = self._arrays
        hidden = (
            of["embeddings.word_embeddings.weight"][ids]
            + of["embeddings.position_embeddings.weight"][: len(ids)]
            + of["embeddings.token_type_embeddings.weight"][0]
        )
        hidden = self._norm("embeddings.LayerNorm", hidden)
        for number in range(self._config["num_hidden_layers"]):
            at = f"encoder.layer.{number}"
            seen = self._linear(f"{at}.attention.output.dense", self._attend(at, hidden))
            hidden = self._norm(f"{at}.attention.output.LayerNorm", hidden + seen)
            wide = _gelu(self._linear(f"{at}.intermediate.dense", hidden))
            narrow = self._linear(f"{at}.output.dense", wide)
            hidden = self._norm(f"{at}.output.LayerNorm", hidden + narrow)
        mean: Floats = hidden.mean(axis=0)
        return mean

    def _attend(self, at: str, hidden: Floats) -> Floats:
        heads = self._config["num_attention_heads"]
        query, key, value = (
            np.stack(np.split(self._linear(f"{at}.attention.self.{name}", hidden), heads, axis=1))
            for name in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 2, 1) / math.sqrt(query.shape[2])
        shares = np.exp(scores - scores.max(axis=2, keepdims=True))
        shares /= shares.sum(axis=2, keepdims=True)
        return np.concatenate(list(shares @ value), axis=1)

    def _linear(self, at: str, value: Floats) -> Floats:
        found: Floats = value @ self._arrays[f"{at}.weight"].T
        return found + self._arrays[f"{at}.bias"]

    def _norm(self, at: str, value: Floats) -> Floats:
        centred = value - value.mean(axis=1, keepdims=True)
        spread = np.sqrt((centred**2).mean(axis=1, keepdims=True) + self._config["layer_norm_eps"])
        found: Floats = centred / spread * self._arrays[f"{at}.weight"] + self._arrays[f"{at}.bias"]
        return found


def _gelu(value: Floats) -> Floats:
    half: Any = value * np.float32(0.5)
    found: Floats = half + half * _erf(value * _HALF_ROOT)
    return found


def _erf(value: Floats) -> Floats:
    """Abramowitz and Stegun 7.1.26: within 1.5e-7."""
    t = 1 / (1 + 0.3275911 * np.abs(value))
    series: Any = 1.061405429
    for factor in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        series = series * t + factor
    found: Floats = np.sign(value) * (1 - series * t * np.exp(-value * value))
    return found
