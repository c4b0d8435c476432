"""ONNX Runtime on a CPU: the default engine, without torch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort

from models.engines import Logits, batches
from models.errors import BundleError
from models.windows import Batch, Window, WindowSpec, collate

# About what keeps two cores' matrix units busy while a batch's activations stay in cache.
TOKEN_BUDGET = 4096


class OnnxEngine:
    """Runs an exported network; `threads` defaults to the cores this process may use (its cgroup included)."""

    name = "onnx"

    def __init__(self, model: Path, spec: WindowSpec, threads: int | None = None) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads or usable_cores()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        except Exception as error:
            # ONNX Runtime raises one of a dozen bare exception classes for an unreadable graph.
            raise BundleError(f"{model.name}: ONNX Runtime cannot load it") from error
        self._inputs = {node.name for node in self._session.get_inputs()}
        self._spec = spec

    def run(self, windows: Sequence[Window]) -> list[Logits]:
        """Logits of each window's scored sentences, in the order given."""
        results: list[Logits] = [np.empty((0, 0), np.float32)] * len(windows)
        for group in batches(windows, TOKEN_BUDGET):
            members = [windows[i] for i in group]
            (logits,) = self._session.run(["logits"], self._feed(collate(members, self._spec)))
            sizes = np.cumsum([len(window.scored) for window in members])[:-1]
            for i, part in zip(group, np.split(np.asarray(logits), sizes), strict=True):
                results[i] = part
        return results

    def _feed(self, batch: Batch) -> dict[str, np.ndarray]:
        feed = {name: getattr(batch, name) for name in ("ids", "mask", "types", "ends", "heads", "mean")}
        return {name: value for name, value in feed.items() if name in self._inputs}


def usable_cores() -> int:
    """Cores this process may use: its affinity, cut to its cgroup's quota (at least one)."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = Path("/sys/fs/cgroup/cpu.max")
    if quota.is_file():
        limit, period = quota.read_text().split()
        if limit != "max":
            cores = min(cores, max(1, int(limit) // int(period)))
    return cores
