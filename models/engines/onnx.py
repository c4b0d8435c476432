"""ONNX Runtime on a CPU: the default engine, without torch."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from models.batch import collate, lay_tokens
from models.bundle import STANCE
from models.engines import Logits, batches, split
from models.engines.apart import ApartRunner
from models.errors import BundleError
from models.labels import STANCES
from models.places import places
from models.windows import Window, WindowSpec, blocks

Read = tuple[NDArray[np.float32], NDArray[np.float32]]
"""What is read of a block later (tokens, numbers a token), and its scored sentences' logits of all but stance."""

# Short windows run together up to about what stays in a core's cache; a window of more runs alone.
TOKEN_BUDGET = 512
FIELDS = ("ids", "mask", "types", "reads", "ends", "heads", "pool")
ENCODER, COMPARISON = ("ids", "types", "sentences"), ("states", "ids", "sentences", "target")


class OnnxEngine:
    """Runs an exported network; `threads` defaults to the cores this process may use (its cgroup included).

    With `alone` each window is a batch of its own: an int8 network takes one scale for all of a batch, so that
    neighbours would change an answer.
    """

    name = "onnx"

    def __init__(self, model: Path, spec: WindowSpec, threads: int | None = None, *, alone: bool = False) -> None:
        self._session = _session(model, threads or usable_cores())
        fields, needed = (ENCODER, {"ids", "sentences"}) if spec.apart else (FIELDS, {"ids", "reads", "ends", "heads"})
        self._inputs = _inputs(self._session, model, fields, needed)
        self._spec = spec
        self._budget = 0 if alone else TOKEN_BUDGET
        # A graph without a mask cannot tell padding from words: only windows of equal length go together.
        self._slack = 0.05 if "mask" in self._inputs else 0.0
        self._apart = None
        if spec.apart:
            comparison = model.with_name(STANCE)
            compare = _session(comparison, threads or usable_cores())
            _inputs(compare, comparison, COMPARISON, set(COMPARISON))
            self._apart = _Apart(self._session, compare, spec, self._budget)

    def run(self, windows: Sequence[Window]) -> list[Logits]:
        """Logits of each window's scored sentences, in the order given."""
        if self._apart is not None:
            return self._apart.run(windows)
        results: list[Logits] = [np.empty((0, 0), np.float32)] * len(windows)
        for group in batches(windows, self._budget, self._slack):
            members = [windows[i] for i in group]
            batch = collate(members, self._spec)
            (logits,) = self._session.run(["logits"], {name: getattr(batch, name) for name in self._inputs})
            for i, part in zip(group, split(np.asarray(logits), members), strict=True):
                results[i] = part
        return results


class _Apart:
    """Runs the two graphs of a network that reads target and article apart."""

    def __init__(
        self, encoder: ort.InferenceSession, compare: ort.InferenceSession, spec: WindowSpec, budget: int
    ) -> None:
        self._encoder, self._compare, self._spec = encoder, compare, spec
        self._inputs = {node.name for node in encoder.get_inputs()}
        self._runner = ApartRunner(self._encode, self._answer, budget, slack=0.0)

    def run(self, windows: Sequence[Window]) -> list[Logits]:
        return self._runner.run(windows)

    def _encode(self, members: Sequence[Window]) -> list[Read]:
        rows = lay_tokens([[block] for block in members], self._spec)
        at: dict[object, int] = {block: k * rows.ids.shape[1] for k, block in enumerate(members)}
        given = {"ids": rows.ids, "types": rows.types, "sentences": places(members, at).sentences}
        states, tags = self._encoder.run(["states", "tags"], {name: given[name] for name in self._inputs})
        return list(zip(states, split(tags, members), strict=True))

    def _answer(self, members: Sequence[Window], read: Mapping[object, Read]) -> list[Logits]:
        return [self._one(window, [read[key] for key, _ in blocks(window)]) for window in members]

    def _one(self, window: Window, read: Sequence[Read]) -> Logits:
        tags = read[-1][1]
        if window.article is None:
            return np.concatenate((tags, np.zeros((len(tags), len(STANCES)), np.float32)), axis=1)
        found = places([window], dict(zip((key for key, _ in blocks(window)), (0, window.head), strict=True)))
        given = {
            "states": np.concatenate([states for states, _ in read]),
            "ids": window.ids.astype(np.int64),
            "sentences": found.sentences,
            "target": found.targets,
        }
        (stance,) = self._compare.run(["stance"], given)
        return np.concatenate((np.zeros_like(tags), stance), axis=1)


def _session(model: Path, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Threads spin between a run's operators, which is quick, but not after it: the cores are others' too.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    try:
        return ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        # ONNX Runtime raises one of a dozen bare exception classes for an unreadable graph.
        raise BundleError(f"{model.name}: ONNX Runtime cannot load it") from error


def _inputs(session: ort.InferenceSession, model: Path, fields: Sequence[str], needed: set[str]) -> set[str]:
    found = {node.name for node in session.get_inputs()}
    if not needed <= found <= set(fields):
        raise BundleError(f"{model.name}: not the inputs of Qawl's network ({', '.join(fields)})")
    return found


def usable_cores() -> int:
    """Cores this process may use: its affinity, cut to its cgroup's quota (at least one)."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = Path("/sys/fs/cgroup/cpu.max")
    if quota.is_file():
        limit, period = quota.read_text().split()
        if limit != "max":
            cores = min(cores, max(1, int(limit) // int(period)))
    return cores
