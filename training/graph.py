"""BERT's shape of encoder as an ONNX graph, written node by node in ONNX Runtime's fused operators.

A traced graph is a third slower: tracing takes attention and norms apart, and no optimiser puts this network's last
layer, which reads a few positions only, together again. `training.package` compares every graph with torch.

Windows of a batch have equal lengths, so the graph has no attention mask: that lets attention run in tiles that
stay in the cache.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from models.network import Network

MICROSOFT = "com.microsoft"
OPSET = 20


def bert_graph(network: Network) -> onnx.ModelProto:
    """The network as a graph; inputs are the fields of `batch.Batch`, output is `logits`.

    Its encoder must have BERT's shape (`models.bert.is_bert`), and GELU between the layers' halves. States are rows
    of one matrix, (batch * length, hidden).
    """
    graph = Graph()
    encoder: Any = network.encoder
    hidden, whole = embeddings(graph, network)
    layers = list(encoder.encoder.layer)
    hidden = through(graph, layers[:-1], hidden, whole)
    # The last layer is computed where it is read; the other tokens are keys and values only.
    places = graph.op("Unsqueeze", "reads", graph.constant("last_axis", [-1]))
    few = graph.op("GatherND", graph.op("Reshape", hidden, whole), places, batch_dims=1)
    some = graph.op("Concat", graph.op("Shape", "reads"), "size", axis=0)
    read = _layer(graph, "last.", layers[-1], (hidden, whole), (graph.op("Reshape", few, "rows"), some))
    sentence = graph.op("Gather", read, "ends")
    own = graph.op("MatMul", "pool", read) if network.spec.pooling == "mean" else sentence
    target = graph.op("Gather", read, "heads")
    logits = graph.op("Concat", said(graph, network, own), stood(graph, network, sentence, target), axis=1)
    graph.output("logits", logits, ["rows", network.layout.width])
    inputs: dict[str, tuple[int, list[Any]]] = tokens(network)
    inputs["reads"] = (TensorProto.INT64, ["batch", "places"])
    inputs |= {name: (TensorProto.INT64, ["rows"]) for name in ("ends", "heads")}
    if network.spec.pooling == "mean":
        inputs["pool"] = (TensorProto.FLOAT, ["rows", "cells"])
    return graph.model(inputs)


def tokens(network: Network) -> dict[str, tuple[int, list[Any]]]:
    """Type and shape of the inputs that an encoder reads."""
    names = ("ids", "types") if network.spec.token_types else ("ids",)
    return {name: (TensorProto.INT64, ["batch", "length"]) for name in names}


def through(graph: Graph, layers: Sequence[Any], hidden: str, shape: str) -> str:
    """States after the layers, of all tokens."""
    for number, layer in enumerate(layers):
        hidden = _layer(graph, f"layer{number}.", layer, (hidden, shape), (hidden, shape))
    return hidden


_States = tuple[str, str]
"""States as rows, and their shape (batch, places, hidden)."""


class Graph:
    """Nodes and weights in the order they are added; each call returns the name of what it added."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, onnx.TensorProto] = {}
        self.outputs: list[onnx.ValueInfoProto] = []

    def op(self, kind: str, *inputs: str, domain: str = "", outputs: int = 1, **attributes: Any) -> str:
        """A node; returns the name of its first output."""
        name = f"{kind}_{len(self.nodes)}"
        names = [f"{name}_{k}" if k else name for k in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, name=name, domain=domain, **attributes))
        return name

    def constant(self, name: str, value: Tensor | list[int]) -> str:
        """A weight or list of numbers, by that name."""
        array: NDArray[np.generic] = value.detach().numpy() if isinstance(value, Tensor) else np.asarray(value)
        self.weights[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name

    def number(self, name: str, value: float) -> str:
        """A constant of no dimension."""
        self.weights[name] = numpy_helper.from_array(np.asarray(value, dtype=np.float32), name)
        return name

    def linear(self, name: str, part: nn.Linear, x: str) -> str:
        """A linear map of the rows of x."""
        weight, bias = (self.constant(f"{name}.{k}", v) for k, v in (("weight", part.weight.T), ("bias", part.bias)))
        return self.op("Gemm", x, weight, bias)

    def gelu(self, name: str, part: nn.Linear, x: str) -> str:
        """A linear map and GELU."""
        # Its kernel takes half the time of BiasGelu's.
        return self.op("Gelu", self.linear(name, part, x))

    def norm(self, name: str, part: nn.LayerNorm, x: str, skip: str) -> str:
        """The norm of a sum. An Add would be fused into SkipLayerNormalization, which is six times slower."""
        weight, bias = self.constant(f"{name}.weight", part.weight), self.constant(f"{name}.bias", part.bias)
        return self.op("LayerNormalization", self.op("Sum", x, skip), weight, bias, axis=-1, epsilon=part.eps)

    def output(self, name: str, source: str, shape: list[Any]) -> None:
        """Make a tensor an output of the graph under that name."""
        self.nodes.append(helper.make_node("Identity", [source], [name], name=name))
        self.outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    def model(self, inputs: Mapping[str, tuple[int, list[Any]]]) -> onnx.ModelProto:
        """The graph with its inputs (type and shape by name) and outputs."""
        given = [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in inputs.items()]
        graph = helper.make_graph(self.nodes, "qawl", given, self.outputs, list(self.weights.values()))
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10, producer_name="qawl")


def embeddings(graph: Graph, network: Network) -> tuple[str, str]:
    """States before the first layer, as rows, and their shape (batch, length, hidden)."""
    part: Any = network.encoder.embeddings
    size = int(network.encoder.config.hidden_size)
    graph.constant("rows", [-1, size])
    graph.constant("size", [size])
    positions = part.position_embeddings.weight
    if network.encoder.config.model_type != "bert":
        # RoBERTa's shapes count positions from the one after the padding token's.
        positions = positions[part.padding_idx + 1 :]
    kinds = part.token_type_embeddings.weight
    if not network.spec.token_types:
        positions, kinds = positions + kinds[0], None
    types = "" if kinds is None else graph.op("Cast", "types", to=TensorProto.INT32)
    found = graph.op(
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
    return graph.op("Reshape", found, "rows"), graph.op("Concat", graph.op("Shape", "ids"), "size", axis=0)


def _layer(graph: Graph, name: str, layer: Any, hidden: _States, read: _States) -> str:
    """The states of the tokens `read`, which attend to all of `hidden`."""
    own, out = layer.attention.self, layer.attention.output
    query = graph.linear(name + "query", own.query, read[0])
    # The keys' bias adds the same to all scores of a query: their softmax is the same without it.
    key = graph.op("MatMul", hidden[0], graph.constant(name + "key.weight", own.key.weight.T))
    value = graph.linear(name + "value", own.value, hidden[0])
    # MultiHeadAttention would add the biases itself, in a pass of its own.
    context = graph.op(
        "MultiHeadAttention",
        *(graph.op("Reshape", x, shape) for x, shape in ((query, read[1]), (key, hidden[1]), (value, hidden[1]))),
        domain=MICROSOFT,
        num_heads=own.num_attention_heads,
    )
    mapped = graph.linear(name + "attended", out.dense, graph.op("Reshape", context, "rows"))
    attended = graph.norm(name + "attended.norm", out.LayerNorm, mapped, read[0])
    inner = graph.gelu(name + "inner", layer.intermediate.dense, attended)
    mapped = graph.linear(name + "outer", layer.output.dense, inner)
    return graph.norm(name + "outer.norm", layer.output.LayerNorm, mapped, attended)


def said(graph: Graph, network: Network, own: str) -> str:
    """Logits of types, primary and voice from pooled vectors."""
    alone = graph.gelu("tags", network.tags, own)
    parts = [("types", network.types), ("primary", network.primary), ("voice", network.voice)]
    return graph.op("Concat", *(graph.linear(name, part, alone) for name, part in parts), axis=1)


def stood(graph: Graph, network: Network, sentence: str, target: str, *compared: str) -> str:
    """Logits of stance from closing [SEP]s and what else is known of each pair."""
    both = graph.op("Concat", sentence, target, graph.op("Mul", sentence, target), *compared, axis=1)
    return graph.linear("stance", network.stance, graph.gelu("pair", network.pair, both))
