"""Whether a bundle's int8 network may ship: it may lose at most half a point of macro-F1 on any head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.corpora import Corpus
from training.evaluate import Options, evaluate

ALLOWED_LOSS = 0.005


@dataclass(frozen=True, slots=True)
class Gate:
    """Macro-F1 of both networks by corpus and head."""

    fp32: dict[str, dict[str, float]]
    int8: dict[str, dict[str, float]]

    @property
    def loss(self) -> float:
        """The largest loss of macro-F1 by int8 over corpora and heads."""
        return max(self.fp32[name][head] - self.int8[name][head] for name in self.fp32 for head in self.fp32[name])

    @property
    def passed(self) -> bool:
        """Whether int8 may ship."""
        return self.loss <= ALLOWED_LOSS

    def figures(self) -> dict[str, Any]:
        """What the bundle remembers."""
        return {"macro_f1": self.int8, "loss": self.loss, "allowed": ALLOWED_LOSS, "passed": self.passed}

    def sentence(self) -> str:
        """The outcome with its figures."""
        outcome = "ships" if self.passed else "is refused"
        return f"int8 {outcome}: it loses at most {self.loss:.4f} macro-F1 on a head, {ALLOWED_LOSS} is allowed"


def int8_gate(bundle: Path, dev: Sequence[Path | Corpus], root: Path) -> Gate:
    """Evaluate a bundle that has both networks with each of them."""
    fp32, int8 = (
        evaluate(bundle, dev, Options(foreign=0, alone=False, precision=precision), root=root).summary
        for precision in ("fp32", "int8")
    )
    return Gate(fp32, int8)
