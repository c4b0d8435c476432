"""ONNX Runtime on a CPU: the default engine, without torch."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from models.batch import collate
from models.engines import Logits, batches, split
from models.engines.shared import SharedRunner
from models.errors import BundleError
from models.windows import Window, WindowSpec

States = NDArray[np.float32]
"""(tokens, hidden): a block after the shared layers."""

# Short windows run together up to about what stays in a core's cache; a window of more runs alone.
TOKEN_BUDGET = 512
FIELDS = ("ids", "mask", "types", "reads", "ends", "heads", "pool", "states", "sides")
DTYPES = {"tensor(int64)": np.int64, "tensor(float)": np.float32}


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
        if ("states" in self._inputs) != bool(spec.shared_layers):
            raise BundleError(f"{model.name}: not a network that shares {spec.shared_layers} layers")
        self._spec = spec
        self._budget = 0 if alone else TOKEN_BUDGET
        # A graph without a mask cannot tell padding from words: only windows of equal length go together.
        self._slack = 0.05 if "mask" in self._inputs else 0.0
        # A graph of two steps is run one step at a time; what the other takes is fed an empty of its shape.
        self._one_step = ort.RunOptions()
        self._one_step.only_execute_path_to_fetches = True
        self._idle = {
            node.name: np.zeros([n if isinstance(n, int) else 0 for n in node.shape], DTYPES[node.type])
            for node in self._session.get_inputs()
        }
        self._shared = SharedRunner(self._below, self._above, self._budget, self._slack)

    def run(self, windows: Sequence[Window]) -> list[Logits]:
        """Logits of each window's scored sentences, in the order given."""
        if self._spec.shared_layers:
            return self._shared.run(windows)
        results: list[Logits] = [np.empty((0, 0), np.float32)] * len(windows)
        for group in batches(windows, self._budget, self._slack):
            members = [windows[i] for i in group]
            batch = collate(members, self._spec)
            (logits,) = self._session.run(["logits"], {name: getattr(batch, name) for name in self._inputs})
            for i, part in zip(group, split(np.asarray(logits), members), strict=True):
                results[i] = part
        return results

    def _below(self, members: Sequence[Window]) -> list[States]:
        batch = collate(members, self._spec)
        return list(self._step("shared", {"ids": batch.ids, "types": batch.types % 2}))

    def _above(self, members: Sequence[Window], states: Sequence[list[States]]) -> list[Logits]:
        batch = collate(members, self._spec)
        given = {name: getattr(batch, name) for name in ("reads", "ends", "heads", "pool")}
        given |= {"states": np.stack([np.concatenate(blocks) for blocks in states]), "sides": batch.types}
        return split(self._step("logits", given), members)

    def _step(self, output: str, given: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        inputs = {name: given.get(name, idle) for name, idle in self._idle.items()}
        (result,) = self._session.run([output], inputs, self._one_step)
        return np.asarray(result)


def usable_cores() -> int:
    """Cores this process may use: its affinity, cut to its cgroup's quota (at least one)."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = Path("/sys/fs/cgroup/cpu.max")
    if quota.is_file():
        limit, period = quota.read_text().split()
        if limit != "max":
            cores = min(cores, max(1, int(limit) // int(period)))
    return cores
