"""What is exported is what sentence-transformers computes, where that is installed."""

import importlib.util
from pathlib import Path

import pytest

from streams.adapters.embedding.export import TEXTS, export
from streams.adapters.embedding.exported import OnnxEmbedder
from streams.adapters.embedding.reference import NumpyEmbedder
from streams.adapters.embedding.torch_model import TorchEmbedder
from streams.adapters.embedding.weights import Weights

pytestmark = pytest.mark.deep


@pytest.mark.parametrize(("precision", "least"), [("fp32", 0.99999), ("int8", 0.999)])
def test_the_export_is_the_model(
    weights: Weights, tmp_path: Path, precision: str, least: float
) -> None:
    """Against torch where it is; numpy else, which is a network of its own too."""
    made = export(weights, tmp_path, precision)
    torch = importlib.util.find_spec("sentence_transformers") is not None
    assert made.reference == ("torch" if torch else "numpy")
    assert made.cosine_min >= least
    ours = OnnxEmbedder(tmp_path)
    original = TorchEmbedder(weights) if torch else NumpyEmbedder(weights, weights.read(), 256)
    assert ours.model == original.model
    cosines = (ours.floats(TEXTS) * original.floats(TEXTS)).sum(axis=1)
    assert cosines.min() >= least
