"""The trained network as an ONNX graph, in fp32 and int8, checked against torch."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import torch

from models import bert
from models.apart import ApartNetwork
from models.batch import collate
from models.bundle import STANCE
from models.engines import Engine, answered
from models.engines.torch import to_tensors
from models.network import Network
from models.windows import Window
from training.apart_graph import encoder_graph, stance_graph
from training.graph import bert_graph

HEADS = ("words", "tags", "types", "primary", "voice", "pair", "stance")
FIRST, EXACT_FROM = ("layer0", "layer1"), 6

TOLERANCE = 1e-4
"""Largest difference between a logit of the exported network and torch's."""


def export_onnx(network: Network, path: Path) -> None:
    """Write the network as an fp32 ONNX graph with free batch, length and sentence counts.

    Inputs are the fields of `batch.Batch` that the network reads, output is `logits`. A network that reads target and
    article apart is two graphs (training/apart_graph.py), the other one beside it in stance.onnx.
    """
    network = network.eval().cpu()
    config = network.encoder.config
    if isinstance(network, ApartNetwork):
        onnx.save(encoder_graph(network), path)
        onnx.save(stance_graph(network), path.with_name(STANCE))
    elif bert.is_bert(network.encoder) and config.hidden_act == "gelu":
        onnx.save(bert_graph(network), path)
    else:
        _trace(network, path)


def _trace(network: Network, path: Path) -> None:
    """Any network, by torch's own exporter."""
    spec = network.spec
    example = to_tensors(collate([_window(spec.cls, spec.sep, n) for n in (3, 4)], spec), spec)
    inputs = {name: value for name, value in example.items() if value is not None}
    batch, length, rows = torch.export.Dim("batch"), torch.export.Dim("length"), torch.export.Dim("rows")
    shapes = {
        "ids": {0: batch, 1: length},
        "mask": {0: batch, 1: length},
        "types": {0: batch, 1: length},
        "reads": {0: batch, 1: torch.export.Dim("places")},
        "ends": {0: rows},
        "heads": {0: rows},
        "pool": {0: rows, 1: torch.export.Dim("cells")},
    }
    with _quiet("torch.onnx", "onnxscript", "onnx_ir"), torch.no_grad():
        torch.onnx.export(
            network,
            kwargs=inputs,
            f=str(path),
            input_names=list(inputs),
            output_names=["logits"],
            dynamic_shapes={name: shapes[name] for name in inputs},
            dynamo=True,
            external_data=False,
            verbose=False,
        )


def quantise(source: Path, target: Path) -> None:
    """Write the fp32 graph `source` with int8 weights, a quarter to two fifths of its size.

    Weights have a scale a column and seven bits, so that the sums of AVX2 machines do not overflow. Activations
    have one scale a tensor, found as it runs: give the engine one window a batch (`OnnxEngine(alone=True)`), or
    an answer depends on its neighbours.

    The heads stay as they are, and so do the first two layers of a network of six or more: what they lose is lost to
    all that follow (training/LOG.md says how much it was).
    """
    # Costly to import, and only this needs it.
    from onnxruntime.quantization import QuantType, quantize_dynamic

    graph = onnx.load(source)
    # The tracer's own shapes contradict its graph in places, and none are needed.
    del graph.graph.value_info[:]
    exact = _exact(graph)
    kept = [node.name for node in graph.graph.node if any(name.startswith(exact) for name in node.input)]
    with _quiet("root"):
        quantize_dynamic(
            graph,
            target,
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
            # The quantiser takes a Gemm apart before it looks at names.
            nodes_to_exclude=[name + part for name in kept for part in ("", "_MatMul")],
            # Shapes cannot be inferred past Microsoft's operators; every tensor that is quantised is a float.
            extra_options={"MatMulConstBOnly": True, "DefaultTensorType": onnx.TensorProto.FLOAT},
        )


def _exact(graph: onnx.ModelProto) -> tuple[str, ...]:
    """What the names of the weights begin with that are not quantised."""
    layers = {
        n.split(".")[0] for w in graph.graph.initializer if "." in (n := w.name) and n.startswith(("layer", "last"))
    }
    return tuple(f"{name}." for name in (*HEADS, *(FIRST if len(layers) >= EXACT_FROM else ())))


def largest_difference(one: Engine, other: Engine, windows: Sequence[Window]) -> float:
    """Largest absolute difference between two engines' answers on the same windows."""
    triples = zip(windows, one.run(windows), other.run(windows), strict=True)
    return max(float(np.abs(a - b)[:, answered(w)].max()) for w, a, b in triples)


@contextmanager
def _quiet(*names: str) -> Iterator[None]:
    """Keep the exporters' own chatter (loggers and warnings of their internals) off stderr."""
    loggers = [logging.getLogger(None if name == "root" else name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _window(cls: int, sep: int, sentences: int) -> Window:
    """A window of that many two-token sentences beside a one-token target, to trace with."""
    head = [cls, sep, sep]
    ends = np.arange(1, sentences + 1, dtype=np.int32) * 3 + len(head)
    return Window(
        ids=np.asarray(head + [sep] * (3 * sentences), dtype=np.int32),
        head=len(head),
        starts=ends - 3,
        ends=ends,
        scored=np.arange(sentences, dtype=np.int32),
        sentences=np.arange(sentences, dtype=np.int32),
    )
