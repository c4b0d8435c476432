"""The trained network as an ONNX graph, checked against torch."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from models.engines import Engine
from models.engines.torch import to_tensors
from models.network import Network
from models.windows import Window, collate

TOLERANCE = 1e-4
"""Largest difference between a logit of the exported network and torch's."""


def export_onnx(network: Network, path: Path) -> None:
    """Write the network as an fp32 ONNX graph with free batch, length and sentence counts.

    Inputs are the fields of `windows.Batch` that the network reads, output is `logits`.
    """
    network = network.eval().cpu()
    spec = network.spec
    example = to_tensors(collate([_window(spec.cls, spec.sep, n) for n in (3, 4)], spec), spec.token_types)
    inputs = {name: value for name, value in example.items() if value is not None}
    batch, length, rows = torch.export.Dim("batch"), torch.export.Dim("length"), torch.export.Dim("rows")
    shapes = {
        "ids": {0: batch, 1: length},
        "mask": {0: batch, 1: length},
        "types": {0: batch, 1: length},
        "ends": {0: rows},
        "heads": {0: rows},
        "mean": {0: rows, 1: torch.export.Dim("cells")},
    }
    for chatty in ("torch.onnx", "onnxscript", "onnx_ir"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        # The exporter warns of its own internals.
        warnings.simplefilter("ignore")
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


def largest_difference(one: Engine, other: Engine, windows: Sequence[Window]) -> float:
    """Largest absolute difference between two engines' logits on the same windows."""
    pairs = zip(one.run(windows), other.run(windows), strict=True)
    return max(float(np.abs(a - b).max()) for a, b in pairs)


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
