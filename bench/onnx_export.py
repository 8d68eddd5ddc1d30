"""A BERT sentence embedder's weights as an ONNX graph: tokens in, unit vectors out.

The graph is written by hand from the safetensors file, so that a pod that only exports or embeds
needs no torch. Pooling (mean over the mask) and normalising are part of it. Only what all-MiniLM
and its kind are is supported: BERT, absolute positions, exact GELU, mean pooling.

Needs `onnx` and `safetensors`; running the file needs only `onnxruntime` and `tokenizers`.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

OPSET = 20
"""The first with Gelu as one operator."""
IR_VERSION = 10
MASKED = -1e9
"""Added to the attention scores of padding: its weight becomes an exact zero."""


class UnsupportedModel(ValueError):
    """The folder holds no model of the kind that can be written as a graph here."""


def export(folder: Path, target: Path) -> None:
    """Write the model in ``folder`` as ``target``, float32.

    The graph takes ``input_ids`` and ``attention_mask`` (int64, batch x pieces) and gives
    ``embedding`` (float32, batch x dimensions, unit length).

    Raises
    ------
    UnsupportedModel
        Not a BERT with absolute positions, GELU and mean pooling.
    """
    config = json.loads((folder / "config.json").read_text())
    pooling = json.loads((folder / "1_Pooling" / "config.json").read_text())
    if config.get("model_type") != "bert" or config.get("hidden_act") != "gelu":
        raise UnsupportedModel(f"{folder}: not a BERT with GELU")
    if config.get("position_embedding_type", "absolute") != "absolute":
        raise UnsupportedModel(f"{folder}: positions are not absolute")
    if not pooling.get("pooling_mode_mean_tokens"):
        raise UnsupportedModel(f"{folder}: pooling is not the mean of the tokens")
    weights = load_file(folder / "model.safetensors")
    if any(name.startswith("bert.") for name in weights):
        weights = {name.removeprefix("bert."): value for name, value in weights.items()}
    onnx.save(_Graph(weights, config).model(), target)


class _Graph:
    """Nodes and weights, added in the order in which they run."""

    def __init__(self, weights: dict[str, Any], config: dict[str, Any]) -> None:
        self._weights = weights
        self._config = config
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}

    def model(self) -> onnx.ModelProto:
        hidden = self._embeddings()
        mask = self._attention_bias()
        for layer in range(self._config["num_hidden_layers"]):
            hidden = self._layer(f"encoder.layer.{layer}", hidden, mask)
        self._pool(hidden)
        graph = helper.make_graph(
            self._nodes,
            "sentence-embedder",
            [
                helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "pieces"])
                for name in ("input_ids", "attention_mask")
            ],
            [
                helper.make_tensor_value_info(
                    "embedding", TensorProto.FLOAT, ["batch", self._config["hidden_size"]]
                )
            ],
            list(self._constants.values()),
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
        model.ir_version = IR_VERSION
        onnx.checker.check_model(model)
        return model

    def _embeddings(self) -> str:
        words = self._add(
            "Gather", [self._weight("embeddings.word_embeddings.weight"), "input_ids"]
        )
        pieces = self._add("Shape", ["input_ids"], start=1, end=2)
        positions = self._add(
            "Slice",
            [
                self._weight("embeddings.position_embeddings.weight"),
                self._constant("from_first", np.array([0], np.int64)),
                pieces,
                self._constant("rows", np.array([0], np.int64)),
            ],
        )
        # One text at a time: every token is of type 0.
        types = self._weights["embeddings.token_type_embeddings.weight"][0]
        both = self._add("Add", [positions, self._constant("token_type", types)])
        return self._norm("embeddings.LayerNorm", self._add("Add", [words, both]))

    def _attention_bias(self) -> str:
        mask = self._add("Cast", ["attention_mask"], to=TensorProto.FLOAT)
        self._mask = mask
        missing = self._add("Sub", [self._constant("one", np.float32(1)), mask])
        bias = self._add("Mul", [missing, self._constant("masked", np.float32(MASKED))])
        axes = self._constant("heads_and_queries", np.array([1, 2], np.int64))
        return self._add("Unsqueeze", [bias, axes])

    def _layer(self, at: str, hidden: str, bias: str) -> str:
        heads = self._config["num_attention_heads"]
        each = self._config["hidden_size"] // heads
        split = self._constant("split_heads", np.array([0, 0, heads, each], np.int64))
        query = self._heads(f"{at}.attention.self.query", hidden, split, [0, 2, 1, 3])
        key = self._heads(f"{at}.attention.self.key", hidden, split, [0, 2, 3, 1])
        value = self._heads(f"{at}.attention.self.value", hidden, split, [0, 2, 1, 3])
        scale = self._constant("attention_scale", np.float32(1 / np.sqrt(each)))
        scores = self._add("Mul", [self._add("MatMul", [query, key]), scale])
        shares = self._add("Softmax", [self._add("Add", [scores, bias])], axis=-1)
        seen = self._add("Transpose", [self._add("MatMul", [shares, value])], perm=[0, 2, 1, 3])
        join = self._constant("join_heads", np.array([0, 0, heads * each], np.int64))
        context = self._add("Reshape", [seen, join])
        context = self._linear(f"{at}.attention.output.dense", context)
        hidden = self._norm(f"{at}.attention.output.LayerNorm", self._add("Add", [context, hidden]))
        wide = self._add("Gelu", [self._linear(f"{at}.intermediate.dense", hidden)])
        narrow = self._linear(f"{at}.output.dense", wide)
        return self._norm(f"{at}.output.LayerNorm", self._add("Add", [narrow, hidden]))

    def _heads(self, at: str, hidden: str, split: str, order: list[int]) -> str:
        parts = self._add("Reshape", [self._linear(at, hidden), split])
        return self._add("Transpose", [parts], perm=order)

    def _pool(self, hidden: str) -> None:
        axes = self._constant("last", np.array([2], np.int64))
        weights = self._add("Unsqueeze", [self._mask, axes])
        over_pieces = self._constant("pieces", np.array([1], np.int64))
        total = self._add(
            "ReduceSum", [self._add("Mul", [hidden, weights]), over_pieces], keepdims=0
        )
        # The mean's divisor would fall out of the unit length anyway.
        length = self._add(
            "ReduceL2", [total, self._constant("dimensions", np.array([1], np.int64))], keepdims=1
        )
        floor = self._constant("shortest", np.float32(1e-12))
        self._add("Div", [total, self._add("Max", [length, floor])], name="embedding")

    def _linear(self, at: str, value: str) -> str:
        turned = f"{at}.turned"
        if turned not in self._constants:
            self._constant(turned, np.ascontiguousarray(self._weights[f"{at}.weight"].T))
        product = self._add("MatMul", [value, turned])
        return self._add("Add", [product, self._weight(f"{at}.bias")])

    def _norm(self, at: str, value: str) -> str:
        inputs = [value, self._weight(f"{at}.weight"), self._weight(f"{at}.bias")]
        return self._add(
            "LayerNormalization", inputs, axis=-1, epsilon=self._config["layer_norm_eps"]
        )

    def _weight(self, name: str) -> str:
        return self._constant(name, self._weights[name])

    def _constant(self, name: str, value: Any) -> str:
        if name not in self._constants:
            array = np.asarray(value)
            self._constants[name] = numpy_helper.from_array(array, name)
        return name

    def _add(self, operator: str, inputs: Sequence[str], name: str = "", **attributes: Any) -> str:
        output = name or f"{operator}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output
