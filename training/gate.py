"""Whether an int8 network may ship: its dev scores beside those of the fp32 network it was made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.calibrate import Calibration
from models.engines import Heads
from models.engines.onnx import OnnxEngine
from models.labels import Scheme
from models.windows import WindowSpec
from training.predict import dev_scores, predict_by
from training.reads import EncodedArticle

ALLOWED = 0.005
"""Macro-F1 that a head may lose to int8: half a point."""


@dataclass(frozen=True, slots=True)
class Gate:
    """Macro-F1 of each head at both precisions, on the same articles."""

    fp32: dict[str, float]
    int8: dict[str, float]

    @property
    def passed(self) -> bool:
        """Whether no head lost more than `ALLOWED`."""
        return self.loss <= ALLOWED

    @property
    def loss(self) -> float:
        """The most that a head loses."""
        return max(score - self.int8[name] for name, score in self.fp32.items())

    def figures(self) -> dict[str, Any]:
        """What the bundle remembers."""
        return {"fp32": self.fp32, "int8": self.int8, "loss": self.loss, "allowed": ALLOWED, "passed": self.passed}

    def sentence(self) -> str:
        """The outcome with its figures."""
        outcome = "ships" if self.passed else "is refused"
        return f"int8 {outcome}: a head loses at most {self.loss:.4f} macro-F1, {ALLOWED} is allowed"


def int8_gate(
    exact: Path,
    small: Path,
    spec: WindowSpec,
    articles: Sequence[EncodedArticle],
    calibration: Calibration,
    scheme: Scheme,
) -> Gate:
    """Score the fp32 graph `exact` and the int8 graph `small` on labelled articles, as serving reads them."""
    engines = OnnxEngine(exact, spec), OnnxEngine(small, spec, alone=True)
    width = Heads(len(scheme.types)).width
    fp32, int8 = (dev_scores(predict_by(engine, spec, width, articles), calibration, scheme) for engine in engines)
    return Gate(fp32, int8)
