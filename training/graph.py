"""BERT's shape of encoder as an ONNX graph, written node by node in ONNX Runtime's fused operators.

A traced graph is a third slower: tracing takes attention and norms apart, and no optimiser puts this network's last
layer, which reads a few positions only, together again. `training.package` compares every graph with torch.

Windows of a batch have equal lengths, so the graph has no attention mask: that lets attention run in tiles that
stay in the cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from models.network import Network

MICROSOFT = "com.microsoft"
OPSET = 18
INPUTS = ("ids", "types", "reads", "ends", "heads")


def bert_graph(network: Network) -> onnx.ModelProto:
    """The network as a graph; inputs are the fields of `windows.Batch` but `mask`, output is `logits`.

    Its encoder must have BERT's shape (`models.bert.is_bert`), and GELU between the layers' halves.
    """
    graph = _Graph()
    encoder: Any = network.encoder
    *lower, last = encoder.encoder.layer
    hidden = _embeddings(graph, network)
    for i, layer in enumerate(lower):
        hidden = _layer(graph, f"layer{i}.", layer, hidden, hidden)
    places = graph.op("Unsqueeze", "reads", graph.constant("last_axis", [-1]))
    rows = graph.constant("rows", [-1, encoder.config.hidden_size])
    if network.spec.pooling == "mean":
        # Every token is read, so the last layer is computed at all of them.
        hidden = _layer(graph, "last.", last, hidden, hidden)
        read = graph.op("GatherND", hidden, places, batch_dims=1)
    else:
        read = _layer(graph, "last.", last, hidden, graph.op("GatherND", hidden, places, batch_dims=1))
    read = graph.op("Reshape", read, rows)
    sentence = own = graph.op("Gather", read, "ends")
    if network.spec.pooling == "mean":
        own = graph.op("MatMul", "mean", graph.op("Reshape", hidden, rows))
    logits = _heads(graph, network, own, sentence, graph.op("Gather", read, "heads"))
    return graph.model(logits, network)


class _Graph:
    """Nodes and weights in the order they are added; each call returns the name of its first output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, onnx.TensorProto] = {}

    def op(self, kind: str, *inputs: str, domain: str = "", outputs: int = 1, **attributes: Any) -> str:
        name = f"{kind}_{len(self.nodes)}"
        names = [f"{name}_{k}" if k else name for k in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, name=name, domain=domain, **attributes))
        return name

    def constant(self, name: str, value: Tensor | list[int]) -> str:
        array: NDArray[np.generic] = value.detach().numpy() if isinstance(value, Tensor) else np.asarray(value)
        self.weights[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name

    def linear(self, name: str, part: nn.Linear, x: str) -> str:
        """A linear map without its bias, which the operator after it adds."""
        return self.op("MatMul", x, self.constant(f"{name}.weight", part.weight.T))

    def gelu(self, name: str, part: nn.Linear, x: str) -> str:
        return self.op(
            "BiasGelu", self.linear(name, part, x), self.constant(f"{name}.bias", part.bias), domain=MICROSOFT
        )

    def norm(self, name: str, part: nn.LayerNorm, x: str) -> str:
        """Centred, then scaled by its root mean square: a quarter of the time of ONNX Runtime's LayerNormalization."""
        centred = self.op("Sub", x, self.op("ReduceMean", x, self.constant("last_axis", [-1]), keepdims=1))
        scaled = self.op(
            "SimplifiedLayerNormalization",
            centred,
            self.constant(f"{name}.weight", part.weight),
            axis=-1,
            epsilon=part.eps,
        )
        return self.op("Add", scaled, self.constant(f"{name}.bias", part.bias))

    def model(self, output: str, network: Network) -> onnx.ModelProto:
        """The graph with its inputs and its one output, `logits`."""
        shapes = {"ids": ["batch", "length"], "types": ["batch", "length"], "reads": ["batch", "places"]}
        wanted = [name for name in INPUTS if name != "types" or network.spec.token_types]
        inputs = [helper.make_tensor_value_info(n, TensorProto.INT64, shapes.get(n, ["rows"])) for n in wanted]
        if network.spec.pooling == "mean":
            inputs.append(helper.make_tensor_value_info("mean", TensorProto.FLOAT, ["rows", "cells"]))
        self.nodes.append(helper.make_node("Identity", [output], ["logits"], name="logits"))
        logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["rows", network.layout.width])
        graph = helper.make_graph(self.nodes, "qawl", inputs, [logits], list(self.weights.values()))
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10, producer_name="qawl")


def _embeddings(graph: _Graph, network: Network) -> str:
    part: Any = network.encoder.embeddings
    positions = part.position_embeddings.weight
    if network.encoder.config.model_type != "bert":
        # RoBERTa's shapes count positions from the one after the padding token's.
        positions = positions[part.padding_idx + 1 :]
    kinds = part.token_type_embeddings.weight
    if not network.spec.token_types:
        positions, kinds = positions + kinds[0], None
    types = "" if kinds is None else graph.op("Cast", "types", to=TensorProto.INT32)
    return graph.op(
        "EmbedLayerNormalization",
        graph.op("Cast", "ids", to=TensorProto.INT32),
        types,
        graph.constant("words", part.word_embeddings.weight),
        graph.constant("positions", positions),
        "" if kinds is None else graph.constant("kinds", kinds),
        graph.constant("embedded.weight", part.LayerNorm.weight),
        graph.constant("embedded.bias", part.LayerNorm.bias),
        domain=MICROSOFT,
        outputs=2,
        epsilon=part.LayerNorm.eps,
    )


def _layer(graph: _Graph, name: str, layer: Any, hidden: str, read: str) -> str:
    """The states of the tokens `read`, which attend to all of `hidden`."""
    own, out = layer.attention.self, layer.attention.output
    context = graph.op(
        "MultiHeadAttention",
        graph.linear(name + "query", own.query, read),
        graph.linear(name + "key", own.key, hidden),
        graph.linear(name + "value", own.value, hidden),
        graph.constant(name + "attention.bias", torch.cat((own.query.bias, own.key.bias, own.value.bias))),
        domain=MICROSOFT,
        num_heads=own.num_attention_heads,
    )
    attended = _residual(graph, name + "attended", out, context, read)
    inner = graph.gelu(name + "inner", layer.intermediate.dense, attended)
    return _residual(graph, name + "outer", layer.output, inner, attended)


def _residual(graph: _Graph, name: str, part: Any, x: str, skip: str) -> str:
    mapped = graph.op("Add", graph.linear(name, part.dense, x), graph.constant(f"{name}.bias", part.dense.bias))
    return graph.norm(name + ".norm", part.LayerNorm, graph.op("Add", mapped, skip))


def _heads(graph: _Graph, network: Network, own: str, sentence: str, target: str) -> str:
    alone = graph.gelu("tags", network.tags, own)
    both = graph.op("Concat", sentence, target, graph.op("Mul", sentence, target), axis=1)
    pair = graph.gelu("pair", network.pair, both)
    parts = [("types", network.types, alone), ("primary", network.primary, alone), ("voice", network.voice, alone)]
    logits = [
        graph.op("Add", graph.linear(name, part, x), graph.constant(f"{name}.bias", part.bias))
        for name, part, x in (*parts, ("stance", network.stance, pair))
    ]
    return graph.op("Concat", *logits, axis=1)
