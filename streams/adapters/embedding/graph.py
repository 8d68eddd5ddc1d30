"""A BERT sentence embedder's weights as an ONNX graph: word pieces in, one vector a text out.

The graph is written by hand, so that a pod that exports or embeds needs no torch. Pooling (over the
mask) is part of it. Only what all-MiniLM and its kind are is supported: BERT, absolute positions,
exact GELU, mean pooling.

int8 means whole numbers for the weights, each block of 32 with a scale of its own; what flows
between them stays float32. (Activations in int8 too would make it 1.4 times as fast without VNNI,
but the worst cosine falls to .983.)
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from streams.adapters.embedding.weights import Weights
from streams.core.errors import Failed

OPSET = 20
"""The first with Gelu as one operator."""
IR_VERSION = 10
MASKED = -1e9
"""Added to the attention scores of padding: its weight becomes an exact zero."""
BLOCK = 32
"""Weights that share a scale."""
_ZERO = 128
"""What stands for 0 in the unsigned bytes of MatMulNBits."""
_CONTRIB = "com.microsoft"


def check(weights: Weights) -> dict[str, Any]:
    """Return the configuration of a model that can be written as a graph.

    Raises
    ------
    Failed
        Not a BERT with absolute positions, GELU and mean pooling.
    """
    config, pooling = weights.config(), weights.config("1_Pooling/config.json")
    wrong = (
        "not a BERT with GELU"
        if config.get("model_type") != "bert" or config.get("hidden_act") != "gelu"
        else "its positions are not absolute"
        if config.get("position_embedding_type", "absolute") != "absolute"
        else "its pooling is not the mean of the tokens"
        if not pooling.get("pooling_mode_mean_tokens")
        else ""
    )
    if wrong:
        raise Failed(
            f"{weights.folder} can't be exported: {wrong}; sentence-transformers can run it"
        )
    return config


def build(arrays: Mapping[str, Any], config: Mapping[str, Any], precision: str) -> onnx.ModelProto:
    """Make the graph.

    It takes ``input_ids`` and ``attention_mask`` (int64, batch x pieces) and gives ``embedding``
    (float32, batch x dimensions).

    Parameters
    ----------
    arrays : mapping
        Weights by their names in a BERT.
    config : mapping
        What ``check`` returned.
    precision : str
        fp32 or int8.
    """
    try:
        return _Graph(arrays, config, int8=precision == "int8").model()
    except KeyError as error:
        raise Failed(f"the weights lack {error}") from None


class _Graph:
    """Nodes and weights, added in the order in which they run."""

    def __init__(
        self, weights: Mapping[str, Any], config: Mapping[str, Any], *, int8: bool
    ) -> None:
        self._weights = weights
        self._config = config
        self._int8 = int8
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
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(_CONTRIB, 1)]
        model = helper.make_model(graph, opset_imports=opsets)
        model.ir_version = IR_VERSION
        onnx.checker.check_model(model)
        return model

    def _embeddings(self) -> str:
        words = self._words("embeddings.word_embeddings.weight")
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
        seen = self._add("Mul", [hidden, weights])
        # A sum, not a mean: all vectors become of unit length in the end.
        self._add("ReduceSum", [seen, over_pieces], name="embedding", keepdims=0)

    def _words(self, at: str) -> str:
        if not self._int8:
            return self._add("Gather", [self._weight(at), "input_ids"])
        rows, scales = _rows_int8(self._weights[at])
        found = self._add("Gather", [self._constant(f"{at}.int8", rows), "input_ids"])
        scale = self._add("Gather", [self._constant(f"{at}.scale", scales), "input_ids"])
        return self._add("Mul", [self._add("Cast", [found], to=TensorProto.FLOAT), scale])

    def _linear(self, at: str, value: str) -> str:
        weight = self._weights[f"{at}.weight"]
        if self._int8:
            blocks, scales = _blocks_int8(weight)
            product = self._add(
                "MatMulNBits",
                [
                    value,
                    self._constant(f"{at}.int8", blocks),
                    self._constant(f"{at}.scale", scales),
                ],
                domain=_CONTRIB,
                N=weight.shape[0],
                K=weight.shape[1],
                bits=8,
                block_size=BLOCK,
            )
        else:
            turned = self._constant(f"{at}.turned", np.ascontiguousarray(weight.T))
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


def _rows_int8(weight: Any) -> tuple[Any, Any]:
    """Each row as int8, and its scale."""
    scales = np.maximum(np.abs(weight).max(axis=1, keepdims=True) / 127, np.float32(1e-12))
    return np.rint(weight / scales).astype(np.int8), scales.astype(np.float32)


def _blocks_int8(weight: Any) -> tuple[Any, Any]:
    """Blocks of each row as MatMulNBits has them: outputs x blocks x BLOCK, and their scales."""
    outputs, inputs = weight.shape
    if inputs % BLOCK:
        raise Failed(f"{inputs} weights a row can't be cut into blocks of {BLOCK}; export fp32")
    blocks = weight.reshape(outputs, inputs // BLOCK, BLOCK)
    scales = np.maximum(np.abs(blocks).max(axis=2) / 127, np.float32(1e-12))
    whole = np.rint(blocks / scales[..., None]).astype(np.int16) + _ZERO
    return whole.astype(np.uint8), scales.astype(np.float32).reshape(-1)
