"""Makes an exported model out of a folder's weights, unless it differs from the original.

The files appear in this order: the graph under a name of its own, the tokenizer, the manifest. Who
loads a model while another replaces it finds the old one or the new one.
"""

import importlib.util
import os
import tempfile
from pathlib import Path

import msgspec
import numpy as np

from streams.adapters.embedding.chunked import PIECES, ChunkedEmbedder, Floats
from streams.adapters.embedding.exported import MANIFEST, TOKENIZER, Exported, OnnxEmbedder
from streams.adapters.embedding.weights import Weights, sha256
from streams.core.errors import Failed, Misuse

PRECISIONS = ("fp32", "int8")
LEAST_COSINE = 0.99
_KEY = "job rec-2024_07/part-0012 failed: OOMKilled on node ip-10-0-3-17 (exit code 137)"
TEXTS: tuple[str, ...] = (
    "a",
    "ok",
    "hello world",
    "What did the quality agent decide about the second batch?",
    "The user prefers to be called in the morning, never after six.",
    "Budget for project-a was raised to 500 USD a day by finance.",
    _KEY,
    "2026-11-22T12:00:00Z WARN kafka.server: ISR shrank to [1,3] for agent.messages.v1-4",
    '{"state": "COMPLETE", "outputs": [{"namespace": "s3://lake", "name": "orders/2026"}]}',
    "SELECT tenant, sum(cost_usd) FROM calls WHERE day = '2026-11-22' GROUP BY tenant;",
    "def fold(view, entry):\n    return [Output('memory.record', entry)]\n",
    "Die Schicht läuft über Mitternacht; bitte morgen früh prüfen.",
    "Сервер перезапущен, очередь пуста.",
    "昨日のバッチは成功しました。",
    "🙂 🚀 --- !!! ???",
    " ".join(f"Step {n}: {_KEY}" for n in range(5)),
    " ".join(
        f"Turn {n}: we agreed to move the deadline and to tell the client." for n in range(20)
    ),
)
"""Compared at each export: one word to several chunks, prose, code, logs, scripts, no words."""


def export(weights: Weights, target: Path, precision: str) -> Exported:
    """Write the model of ``weights`` into the folder ``target``.

    Raises
    ------
    Misuse
        The package that writes ONNX files is not installed.
    Failed
        The weights are damaged or of another kind, or the result differs from the original:
        nothing of it stays.
    """
    try:
        from streams.adapters.embedding import graph  # noqa: PLC0415 - needs the package onnx
    except ModuleNotFoundError as error:
        raise Misuse(
            f"exporting needs the package {error.name}: pip install 'agent-streams[onnx]'"
        ) from None
    config = graph.check(weights)
    digest = weights.digest
    arrays = weights.read()
    target.mkdir(parents=True, exist_ok=True)
    pieces = min(
        PIECES,
        weights.config("sentence_bert_config.json").get("max_seq_length") or PIECES,
        config["max_position_embeddings"],
    )
    with tempfile.TemporaryDirectory(dir=target, prefix=".new-") as made:
        folder = Path(made)
        file = f"{precision}-{digest[:8]}.onnx"
        (folder / file).write_bytes(graph.build(arrays, config, precision).SerializeToString())
        (folder / TOKENIZER).write_bytes((weights.folder / TOKENIZER).read_bytes())
        exported = Exported(
            model=weights.model,
            precision=precision,
            pieces=pieces,
            dimensions=config["hidden_size"],
            weights_sha256=digest,
            file=file,
            file_sha256=sha256(folder / file),
            reference="",
            cosine_min=0.0,
            cosine_mean=0.0,
        )
        _write(folder, exported)
        name, original = _original(weights, arrays, pieces)
        cosines = _cosines(OnnxEmbedder(folder).floats(TEXTS), original.floats(TEXTS))
        worst = int(np.argmin(cosines))  # a NaN counts as the least
        least = float(cosines[worst])
        if not least >= LEAST_COSINE:
            raise Failed(
                f"the export differs from the original: cosine {least:.4f} for "
                f"{TEXTS[worst][:30]!r}, below {LEAST_COSINE}; nothing was written"
            )
        exported = msgspec.structs.replace(
            exported,
            reference=name,
            cosine_min=round(least, 6),
            cosine_mean=round(float(cosines.mean()), 6),
        )
        for name in (file, TOKENIZER):
            os.replace(folder / name, target / name)
    _write(target, exported)
    for old in target.glob("*.onnx"):
        if old.name != exported.file:
            old.unlink()
    return exported


def _write(folder: Path, exported: Exported) -> None:
    part = folder / f"{MANIFEST}.part"
    part.write_bytes(msgspec.json.format(msgspec.json.encode(exported)))
    os.replace(part, folder / MANIFEST)


def _original(
    weights: Weights, arrays: dict[str, Floats], pieces: int
) -> tuple[str, ChunkedEmbedder]:
    """The original: sentence-transformers where it is installed, else the same in numpy."""
    if importlib.util.find_spec("sentence_transformers") is not None:
        from streams.adapters.embedding.torch_model import TorchEmbedder  # noqa: PLC0415

        return "torch", TorchEmbedder(weights)
    from streams.adapters.embedding.reference import NumpyEmbedder  # noqa: PLC0415

    return "numpy", NumpyEmbedder(weights, arrays, pieces)


def _cosines(found: Floats, original: Floats) -> Floats:
    cosines: Floats = np.einsum("td,td->t", found, original)
    return cosines
