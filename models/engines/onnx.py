"""ONNX Runtime on a CPU: the default engine, without torch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort

from models.engines import Logits, batches
from models.errors import BundleError
from models.windows import Window, WindowSpec, collate

# Short windows run together up to about what stays in a core's cache; a window of more runs alone.
TOKEN_BUDGET = 512
FIELDS = ("ids", "mask", "types", "reads", "ends", "heads", "mean", "pool")


class OnnxEngine:
    """Runs an exported network; `threads` defaults to the cores this process may use (its cgroup included).

    With `alone` each window is a batch of its own: an int8 network takes one scale for all of a batch, so that
    neighbours would change an answer.
    """

    name = "onnx"

    def __init__(self, model: Path, spec: WindowSpec, threads: int | None = None, *, alone: bool = False) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads or usable_cores()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Threads spin between a run's operators, which is quick, but not after it: the cores are others' too.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        try:
            self._session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        except Exception as error:
            # ONNX Runtime raises one of a dozen bare exception classes for an unreadable graph.
            raise BundleError(f"{model.name}: ONNX Runtime cannot load it") from error
        self._inputs = {node.name for node in self._session.get_inputs()}
        if not {"ids", "reads", "ends", "heads"} <= self._inputs <= set(FIELDS):
            raise BundleError(f"{model.name}: not the inputs of Qawl's network ({', '.join(FIELDS)})")
        self._spec = spec
        self._budget = 0 if alone else TOKEN_BUDGET
        # A graph without a mask cannot tell padding from words: only windows of equal length go together.
        self._slack = 0.05 if "mask" in self._inputs else 0.0

    def run(self, windows: Sequence[Window]) -> list[Logits]:
        """Logits of each window's scored sentences, in the order given."""
        results: list[Logits] = [np.empty((0, 0), np.float32)] * len(windows)
        for group in batches(windows, self._budget, self._slack):
            members = [windows[i] for i in group]
            batch = collate(members, self._spec, pool="pool" in self._inputs)
            (logits,) = self._session.run(["logits"], {name: getattr(batch, name) for name in self._inputs})
            sizes = np.cumsum([len(window.scored) for window in members])[:-1]
            for i, part in zip(group, np.split(np.asarray(logits), sizes), strict=True):
                results[i] = part
        return results


def usable_cores() -> int:
    """Cores this process may use: its affinity, cut to its cgroup's quota (at least one)."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = Path("/sys/fs/cgroup/cpu.max")
    if quota.is_file():
        limit, period = quota.read_text().split()
        if limit != "max":
            cores = min(cores, max(1, int(limit) // int(period)))
    return cores
