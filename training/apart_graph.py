"""A network that reads target and article apart as two ONNX graphs: the encoder's, and the comparison's."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import onnx
from onnx import TensorProto

from models.alignment import Alignment
from models.apart import ApartNetwork
from training.graph import Graph, embeddings, said, stood, through, tokens


def encoder_graph(network: ApartNetwork) -> onnx.ModelProto:
    """What is read of blocks of equal length, `states` (batch, length, numbers a token), from `ids` and `types`.

    And `tags`, the logits of types, primary and voice, of `sentences` (S, M): places in the rows laid end to end, as
    `models.places` gives them.
    """
    graph = Graph()
    encoder: Any = network.encoder
    embedded, shape = embeddings(graph, network)
    hidden = through(graph, list(encoder.encoder.layer), embedded, shape)
    words = graph.linear("words", network.alignment.words, graph.op("Concat", hidden, embedded, axis=1))
    square = graph.op("Concat", graph.op("Shape", "ids"), graph.constant("wide", [_wide(network)]), axis=0)
    states = graph.op("Reshape", graph.op("Concat", hidden, words, axis=1), square)
    graph.output("states", states, ["batch", "length", _wide(network)])

    own = _closing(graph, hidden)
    if network.spec.pooling == "mean":
        there = graph.op("GreaterOrEqual", "sentences", graph.constant("zero", [0]))
        there = graph.op("Unsqueeze", graph.op("Cast", there, to=TensorProto.FLOAT), graph.constant("last", [-1]))
        found = graph.op("Gather", hidden, graph.op("Max", "sentences", "zero"))
        total = graph.op("ReduceSum", graph.op("Mul", found, there), "one", keepdims=0)
        own = graph.op("Div", total, graph.op("ReduceSum", there, "one", keepdims=0))
    graph.output("tags", said(graph, network, own), ["rows", network.layout.stance.start])
    return graph.model(tokens(network) | {"sentences": (TensorProto.INT64, ["rows", "words"])})


def stance_graph(network: ApartNetwork) -> onnx.ModelProto:
    """Logits of `stance` (S, 4) of `sentences` (S, M) toward `target` (1, T), places as `models.places` gives them.

    From `states` (tokens, numbers a token) and `ids` (tokens,) of the blocks side by side.
    """
    graph = Graph()
    part, size = network.alignment, network.tags.in_features
    bounds = [graph.constant(f"bound{k}", [n]) for k, n in enumerate((0, *(size + k * part.width for k in range(4))))]
    graph.constant("one", [1])
    hidden, word, keys, values = (graph.op("Slice", "states", a, b, "one") for a, b in pairwise(bounds))
    aligned = _align(graph, part, word, keys, values)
    closing = _closing(graph, hidden)
    # One target beside every sentence.
    target = graph.op("Gather", hidden, graph.op("ReduceMax", "target", "one", keepdims=0))
    target = graph.op("Expand", target, graph.op("Shape", closing))
    graph.output("stance", stood(graph, network, closing, target, *aligned), ["rows", network.stance.out_features])
    return graph.model(
        {
            "states": (TensorProto.FLOAT, ["tokens", _wide(network)]),
            "ids": (TensorProto.INT64, ["tokens"]),
            "sentences": (TensorProto.INT64, ["rows", "words"]),
            "target": (TensorProto.INT64, ["one", "asked"]),
        }
    )


def _wide(network: ApartNetwork) -> int:
    return network.tags.in_features + 3 * network.alignment.width


def _closing(graph: Graph, hidden: str) -> str:
    """States of the sentences' closing [SEP]s: their last places."""
    return graph.op("Gather", hidden, graph.op("ReduceMax", "sentences", graph.constant("one", [1]), keepdims=0))


def _align(graph: Graph, part: Alignment, word: str, keys: str, values: str) -> tuple[str, str]:
    """`Alignment.forward` of one target and every sentence; none of the target's words is padding."""
    width, heads = part.width, part.heads
    for name, numbers in {
        "zero": [0],
        "two": [2],
        "last": [-1],
        "by_head": [0, 0, heads, -1],
        "joined": [0, 0, -1],
    }.items():
        graph.constant(name, numbers)
    flat = graph.constant("flat", [-1, width])
    scale = graph.number("scale", (width // heads) ** -0.5)

    def split(x: str, *order: int) -> str:
        return graph.op("Transpose", graph.op("Reshape", x, "by_head"), perm=list(order))

    def rows(x: str) -> str:
        return graph.op("Reshape", x, flat)

    def attended(weights: str, values: str) -> str:
        found = graph.op("MatMul", weights, split(values, 0, 2, 1, 3))
        return rows(graph.op("Reshape", graph.op("Transpose", found, perm=[0, 2, 1, 3]), "joined"))

    # (S, T, M): which of the target's words are which of the sentence's.
    present = graph.op("Unsqueeze", graph.op("GreaterOrEqual", "sentences", "zero"), "one")
    sentence = graph.op("Max", "sentences", "zero")
    asked = graph.op("Unsqueeze", graph.op("Gather", "ids", "target"), "last")
    read = graph.op("Unsqueeze", graph.op("Gather", "ids", sentence), "one")
    equal = graph.op("Cast", graph.op("And", graph.op("Equal", asked, read), present), to=TensorProto.FLOAT)
    absent = graph.op(
        "Mul", graph.op("Cast", graph.op("Not", present), to=TensorProto.FLOAT), graph.number("far", -1e4)
    )
    matched = graph.op("Cast", graph.op("ReduceMax", equal, "last", keepdims=0), to=TensorProto.INT64)
    matched = graph.op("Gather", graph.constant("matched", part.matched.weight), matched)
    x = graph.op("Add", graph.op("Gather", word, "target"), matched)
    shape = graph.op("Shape", x)
    x = rows(x)
    query = graph.op("Reshape", graph.linear("query", part.query, x), shape)
    key = split(graph.op("Gather", keys, sentence), 0, 2, 3, 1)
    scores = graph.op("Mul", graph.op("MatMul", split(query, 0, 2, 1, 3), key), scale)
    bias = graph.op("Mul", graph.op("Unsqueeze", equal, "one"), graph.constant("bias", part.bias[:, None, None]))
    scores = graph.op("Add", graph.op("Add", scores, bias), graph.op("Unsqueeze", absent, "one"))
    found = attended(graph.op("Softmax", scores, axis=-1), graph.op("Gather", values, sentence))
    found = graph.op("Concat", x, found, graph.op("Mul", x, found), graph.op("Sub", x, found), axis=1)
    found = graph.linear("compared", part.compared, graph.gelu("compare", part.compare, found))
    x = graph.norm("compared_norm", part.compared_norm, found, x)
    thrice = graph.op("Concat", graph.op("Slice", shape, "zero", "two"), graph.constant("three", [3 * width]), axis=0)
    among = graph.op("Reshape", graph.linear("among", part.among, x), thrice)
    asking, asked, told = (
        graph.op("Slice", among, *(graph.constant(f"among{n}", [n * width]) for n in (k, k + 1)), "two")
        for k in range(3)
    )
    scores = graph.op("Mul", graph.op("MatMul", split(asking, 0, 2, 1, 3), split(asked, 0, 2, 3, 1)), scale)
    found = graph.linear("spread", part.mixed, attended(graph.op("Softmax", scores, axis=-1), told))
    x = graph.norm("spread_norm", part.mixed_norm, found, x)
    found = graph.linear("outer", part.outer, graph.gelu("inner", part.inner, x))
    x = graph.op("Reshape", graph.norm("outer_norm", part.outer_norm, found, x), shape)
    return graph.op("ReduceMean", x, "one", keepdims=0), graph.op("ReduceMax", x, "one", keepdims=0)
