"""From logits to calibrated probabilities and labels; the fitting is training/calibrate.py's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from models.engines import Heads, Logits
from models.labels import NONE, STANCES, VOICES, Scheme, Stance

Probabilities = NDArray[np.float64]


class Platt(BaseModel):
    """A sigmoid on a logit: p = 1 / (1 + exp(-(slope * logit + offset))) (Platt 1999)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slope: float = Field(default=1.0, gt=0)
    offset: float = 0.0


class Temperatures(BaseModel):
    """What divides the logits of each softmax head (Guo et al. 2017)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    primary: float = Field(default=1.0, gt=0)
    voice: float = Field(default=1.0, gt=0)
    stance: float = Field(default=1.0, gt=0)


class Adjustments(BaseModel):
    """What is added to each answer's logit of a softmax head after its temperature; none where a head is left out.

    A bias that undoes the shares of the training data (Alexandari et al. 2020), and post-hoc logit adjustment (Menon et
    al. 2021), without which the arg-max seldom takes a rare answer.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    voice: dict[str, float] = {}
    stance: dict[str, float] = {}


class Calibration(BaseModel):
    """A bundle's calibration, fitted on articles that its network has not learnt from.

    `types` holds a sigmoid per claim type and one for `none` (on the logit of "no type holds"); `thresholds` one
    probability per claim type. `document_margin` is the sum of probabilities that makes an article's stance (see
    `document_stance`).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    temperatures: Temperatures = Temperatures()
    adjustments: Adjustments = Adjustments()
    types: dict[str, Platt]
    thresholds: dict[str, float]
    document_margin: float = Field(default=1.0, gt=0)

    @classmethod
    def neutral(cls, scheme: Scheme) -> Calibration:
        """Uncalibrated: temperatures of 1 and thresholds of one half."""
        return cls(
            types={name: Platt() for name in (*scheme.type_ids, NONE)},
            thresholds=dict.fromkeys(scheme.type_ids, 0.5),
        )

    def type_probabilities(self, logits: Logits, scheme: Scheme) -> Probabilities:
        """(N, T + 1) from rows of logits: each claim type's probability, then that of `none`."""
        raw = logits[:, Heads(len(scheme.types)).types].astype(np.float64)
        raw = np.concatenate((raw, none_logit(raw)), axis=1)
        platt = [self.types[name] for name in (*scheme.type_ids, NONE)]
        slopes, offsets = np.array([p.slope for p in platt]), np.array([p.offset for p in platt])
        return sigmoid(raw * slopes + offsets)

    def choose_types(self, probabilities: Probabilities, scheme: Scheme) -> list[tuple[str, ...]]:
        """The types of each row that pass their thresholds, most probable first; `none` where none does."""
        thresholds = np.array([self.thresholds[name] for name in scheme.type_ids])
        chosen: list[tuple[str, ...]] = []
        for row in probabilities:
            passed = np.flatnonzero(row[:-1] >= thresholds)
            order = passed[np.argsort(-row[passed], kind="stable")]
            chosen.append(tuple(scheme.type_ids[i] for i in order) or (NONE,))
        return chosen

    def primary_probabilities(self, logits: Logits, scheme: Scheme) -> Probabilities:
        """(N, T) probability of each claim type to be the first claim of its sentence."""
        return softmax(logits[:, Heads(len(scheme.types)).primary], self.temperatures.primary)

    def voice_probabilities(self, logits: Logits, scheme: Scheme) -> Probabilities:
        """(N, 3) in the order of `VOICES`."""
        raw = logits[:, Heads(len(scheme.types)).voice]
        return softmax(raw, self.temperatures.voice, in_order(self.adjustments.voice, VOICES))

    def stance_probabilities(self, logits: Logits, scheme: Scheme) -> Probabilities:
        """(N, 4) in the order of `STANCES`."""
        raw = logits[:, Heads(len(scheme.types)).stance]
        return softmax(raw, self.temperatures.stance, in_order(self.adjustments.stance, STANCES))


def document_stance(sentences: Probabilities, margin: float) -> tuple[str, float, bool]:
    """An article's stance toward one target from its sentences' (N, 4) probabilities.

    Each sentence counts for its own stance alone, by that stance's probability: what is left over for the others
    adds up over a long article to sides that no sentence takes. A side is taken when its sum reaches `margin`, the
    larger one where both do (`mixed`); else the article discusses the target when the sum of the three related
    stances reaches it; else it is unrelated. The score is the label's share of the related sums (for unrelated,
    its mean over the sentences that have no other stance).

    Returns:
        label, score, mixed.

    """
    own = np.arange(len(STANCES)) == sentences.argmax(axis=1)[:, None]
    sums = dict(zip(STANCES, (sentences * own).sum(axis=0), strict=True))
    agree, disagree, discuss = (float(sums[s]) for s in (Stance.AGREE, Stance.DISAGREE, Stance.DISCUSS))
    related = agree + disagree + discuss
    if max(agree, disagree) >= margin:
        label = Stance.AGREE if agree >= disagree else Stance.DISAGREE
        return label, float(sums[label]) / related, min(agree, disagree) >= margin
    if related >= margin:
        return Stance.DISCUSS, discuss / related, False
    unrelated = own[:, STANCES.index(Stance.UNRELATED)].sum()
    return Stance.UNRELATED, float(sums[Stance.UNRELATED]) / max(float(unrelated), 1.0), False


def none_logit(raw: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 1) logit of "no type holds" from (N, T) logits of independent types."""
    log_none = -np.logaddexp(0.0, raw).sum(axis=1, keepdims=True)
    result: NDArray[np.float64] = log_none - np.log(-np.expm1(np.minimum(log_none, -1e-12)))
    return result


def in_order(adjustments: dict[str, float], names: Sequence[str]) -> NDArray[np.float64]:
    """(K,) adjustments in the order of `names`, 0 for those left out."""
    return np.array([adjustments.get(name, 0.0) for name in names])


def softmax(
    logits: NDArray[np.floating], temperature: float, adjustment: NDArray[np.float64] | float = 0.0
) -> Probabilities:
    """Row-wise softmax, in float64, of logits divided by a temperature with `adjustment` (K,) added."""
    scaled = logits.astype(np.float64) / temperature + adjustment
    scaled -= scaled.max(axis=-1, keepdims=True)
    exps = np.exp(scaled)
    result: Probabilities = exps / exps.sum(axis=-1, keepdims=True)
    return result


def sigmoid(x: NDArray[np.float64]) -> Probabilities:
    """1 / (1 + exp(-x)) without overflow."""
    return np.exp(-np.logaddexp(0.0, -x))


def named(row: Sequence[float] | Probabilities, names: Sequence[str]) -> dict[str, float]:
    """A row of probabilities by label."""
    return {name: float(p) for name, p in zip(names, row, strict=True)}
