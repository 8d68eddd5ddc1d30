"""The real model: exports agree with the original, and one that does not is not written."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streams.adapters.embedding import export as exporting
from streams.adapters.embedding import exported, graph
from streams.adapters.embedding.export import LEAST_COSINE, TEXTS, export
from streams.adapters.embedding.exported import OnnxEmbedder
from streams.adapters.embedding.reference import NumpyEmbedder
from streams.adapters.embedding.weights import Weights
from streams.core.errors import Failed, Misuse


def test_int8_agrees_with_the_original_and_is_found_again(
    exported_model: Path, weights: Weights
) -> None:
    found = exported.find(exported_model)
    assert found is not None
    assert found.cosine_min >= 0.999
    assert found.reference in ("numpy", "torch")
    assert (found.model, found.precision, found.dimensions) == (weights.model, "int8", 384)
    names = sorted(path.name for path in exported_model.iterdir())
    assert names == [found.file, "model.json", "tokenizer.json"]
    assert (exported_model / found.file).stat().st_size < 26_000_000


def test_like_texts_are_near_and_others_are_not(exported_model: Path) -> None:
    texts = ["the job ran out of memory", "OOM killed the batch", "she likes tea in the morning"]
    found = OnnxEmbedder(exported_model).floats(texts)
    assert np.linalg.norm(found, axis=1) == pytest.approx(1, abs=1e-6)
    near, far = found[0] @ found[1], found[0] @ found[2]
    assert near > 0.3 > 0.15 > far


def test_a_vector_hardly_depends_on_its_batch_and_quantising_keeps_its_direction(
    exported_model: Path,
) -> None:
    embedder = OnnxEmbedder(exported_model)
    together = embedder.floats(TEXTS)
    for text, row, vector in zip(TEXTS, together, embedder.embed(TEXTS), strict=True):
        assert embedder.floats([text])[0] == pytest.approx(row, abs=1e-5)
        kept = np.frombuffer(vector.data, np.int8) * vector.scale
        assert kept @ row / np.linalg.norm(kept) > 0.999


def test_a_long_text_is_the_mean_of_chunks_of_256_pieces(exported_model: Path) -> None:
    embedder = OnnxEmbedder(exported_model)
    one, other = " ".join(["memory"] * 254), " ".join(["budget"] * 254)
    apart = embedder.floats([one, other])
    mean = apart.sum(axis=0) / np.linalg.norm(apart.sum(axis=0))
    assert embedder.floats([f"{one} {other}"])[0] == pytest.approx(mean, abs=1e-5)


def _damage(weights: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    build = graph.build

    def damaged(arrays: Any, *given: Any) -> Any:
        name = "encoder.layer.3.output.dense.weight"
        return build({**arrays, name: -arrays[name]}, *given)

    monkeypatch.setattr(graph, "build", damaged)


@pytest.mark.deep
def test_an_export_that_differs_is_refused_and_leaves_the_old_one(
    exported_model: Path, weights: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in exported_model.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    _damage(weights, monkeypatch)
    with pytest.raises(Failed, match=rf"cosine 0\.\d+ for .* below {LEAST_COSINE}"):
        export(weights, tmp_path, "int8")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_vectors_that_are_no_numbers_are_refused(
    weights: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        OnnxEmbedder, "floats", lambda self, texts: np.full((len(texts), 384), np.nan)
    )
    monkeypatch.setattr(
        NumpyEmbedder, "floats", lambda self, texts: np.ones((len(texts), 384), np.float32)
    )
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Failed, match="cosine nan"):
        export(weights, tmp_path, "int8")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"model_type": "mpnet", "hidden_act": "gelu"}, "not a BERT"),
        ({"model_type": "bert", "hidden_act": "relu"}, "not a BERT"),
        ({"model_type": "bert", "hidden_act": "gelu"}, "pooling"),
        (
            {"model_type": "bert", "hidden_act": "gelu", "position_embedding_type": "relative"},
            "positions",
        ),
    ],
)
def test_what_can_t_be_written_as_a_graph_is_told(
    tmp_path: Path, config: dict[str, str], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        Weights, "config", lambda self, file="config.json": {} if "Pool" in file else config
    )
    with pytest.raises(Failed, match=why):
        export(Weights(tmp_path, "m"), tmp_path / "to", "fp32")


def test_a_damaged_file_is_not_loaded(exported_model: Path, tmp_path: Path) -> None:
    for path in exported_model.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    found = exported.find(tmp_path)
    assert found is not None
    with (tmp_path / found.file).open("r+b") as file:
        file.seek(20_000_000)
        file.write(b"damage")
    with pytest.raises(Failed, match="damaged"):
        OnnxEmbedder(tmp_path)


def test_without_the_package_that_writes_onnx_it_says_what_to_install(
    weights: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "streams.adapters.embedding.graph", None)
    monkeypatch.delattr(exporting.__package__ + ".graph", raising=False)
    with pytest.raises(Misuse, match=r"agent-streams\[onnx\]"):
        export(weights, tmp_path, "int8")
