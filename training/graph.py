"""BERT's shape of encoder as an ONNX graph, written node by node in ONNX Runtime's fused operators.

A traced graph is a third slower: tracing takes attention and norms apart, and no optimiser puts this network's last
layer, which reads a few positions only, together again. `training.package` compares every graph with torch.

Windows of a batch have equal lengths, so the graph has no attention mask: that lets attention run in tiles that
stay in the cache.
"""

from __future__ import annotations

from collections.abc import Sequence
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

    Where layers are shared, the graph has two steps, of which a run computes the one whose output it asks for:
    `shared` (batch, length, hidden) from `ids` and `types`, and `logits` from `states`, those of a window's blocks
    side by side, and `sides`, the window's token types.
    """
    graph = _Graph()
    encoder: Any = network.encoder
    size, shared = int(encoder.config.hidden_size), network.spec.shared_layers
    graph.constant("rows", [-1, size])
    graph.constant("size", [size])
    layers = list(encoder.encoder.layer)
    whole = graph.op("Concat", graph.op("Shape", "ids"), "size", axis=0)
    hidden = graph.op("Reshape", _embeddings(graph, network), "rows")
    hidden = _layers(graph, layers[:shared], 0, hidden, whole)
    if shared:
        graph.output("shared", graph.op("Reshape", hidden, whole), ["batch", "length", size])
        hidden, whole = _joined(graph, network)
    hidden = _layers(graph, layers[shared:-1], shared, hidden, whole)
    # The last layer is computed where it is read; the other tokens are keys and values only.
    places = graph.op("Unsqueeze", "reads", graph.constant("last_axis", [-1]))
    few = graph.op("GatherND", graph.op("Reshape", hidden, whole), places, batch_dims=1)
    some = graph.op("Concat", graph.op("Shape", "reads"), "size", axis=0)
    read = _layer(graph, "last.", layers[-1], (hidden, whole), (graph.op("Reshape", few, "rows"), some))
    sentence = graph.op("Gather", read, "ends")
    own = graph.op("MatMul", "pool", read) if network.spec.pooling == "mean" else sentence
    logits = _heads(graph, network, own, sentence, graph.op("Gather", read, "heads"))
    graph.output("logits", logits, ["rows", network.layout.width])
    return graph.model(_inputs(network))


def _inputs(network: Network) -> list[onnx.ValueInfoProto]:
    spec, size = network.spec, int(network.encoder.config.hidden_size)
    square, floats = ["batch", "length"], TensorProto.FLOAT
    found: dict[str, tuple[int, list[Any]]] = {"ids": (TensorProto.INT64, square)}
    if spec.token_types:
        found["types"] = (TensorProto.INT64, square)
    if spec.shared_layers:
        found["states"] = (floats, ["windows", "tokens", size])
        if spec.token_types == 4:
            found["sides"] = (TensorProto.INT64, ["windows", "tokens"])
    windows = "windows" if spec.shared_layers else "batch"
    found["reads"] = (TensorProto.INT64, [windows, "places"])
    found |= {name: (TensorProto.INT64, ["rows"]) for name in ("ends", "heads")}
    if spec.pooling == "mean":
        found["pool"] = (floats, ["rows", "cells"])
    return [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in found.items()]


def _joined(graph: _Graph, network: Network) -> _States:
    """The states of windows whose blocks stand side by side, as rows, and their shape."""
    hidden = "states"
    if network.spec.token_types == 4:
        hidden = graph.op("Add", hidden, graph.op("Gather", graph.constant("matches", network.matches()), "sides"))
    return graph.op("Reshape", hidden, "rows"), graph.op("Shape", "states")


def _layers(graph: _Graph, layers: Sequence[Any], first: int, hidden: str, shape: str) -> str:
    for number, layer in enumerate(layers, start=first):
        hidden = _layer(graph, f"layer{number}.", layer, (hidden, shape), (hidden, shape))
    return hidden


_States = tuple[str, str]
"""States as rows, and their shape (batch, places, hidden)."""


class _Graph:
    """Nodes and weights in the order they are added; each call returns the name of its first output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, onnx.TensorProto] = {}
        self.outputs: list[onnx.ValueInfoProto] = []

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
        """A linear map of the rows of x."""
        weight, bias = (self.constant(f"{name}.{k}", v) for k, v in (("weight", part.weight.T), ("bias", part.bias)))
        return self.op("Gemm", x, weight, bias)

    def gelu(self, name: str, part: nn.Linear, x: str) -> str:
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

    def model(self, inputs: list[onnx.ValueInfoProto]) -> onnx.ModelProto:
        """The graph with its inputs and outputs."""
        graph = helper.make_graph(self.nodes, "qawl", inputs, self.outputs, list(self.weights.values()))
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


def _layer(graph: _Graph, name: str, layer: Any, hidden: _States, read: _States) -> str:
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


def _heads(graph: _Graph, network: Network, own: str, sentence: str, target: str) -> str:
    alone = graph.gelu("tags", network.tags, own)
    both = graph.op("Concat", sentence, target, graph.op("Mul", sentence, target), axis=1)
    pair = graph.gelu("pair", network.pair, both)
    parts = [("types", network.types, alone), ("primary", network.primary, alone), ("voice", network.voice, alone)]
    logits = [graph.linear(name, part, x) for name, part, x in (*parts, ("stance", network.stance, pair))]
    return graph.op("Concat", *logits, axis=1)
