"""Fits a bundle's calibration on out-of-fold predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, precision_recall_curve

from models.calibrate import Adjustments, Calibration, Platt, Temperatures, document_stance, none_logit, softmax
from models.engines import Heads, Logits
from models.labels import NONE, STANCES, VOICES, Scheme, Stance
from training.articles import Allowed, LabelledArticle
from training.metrics import nll

# Fewer positives than this and a threshold of its own would be fitted to noise.
MIN_POSITIVES = 10
# With half of it, likelihood on dev was no better than uncalibrated (LOG.md).
GIVEN_BACK = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class Predicted:
    """One article's logits: `own` (sentences, width) beside no target, and one such array per target."""

    article: LabelledArticle
    own: Logits
    beside: list[Logits]


def fit(predicted: Sequence[Predicted], scheme: Scheme) -> Calibration:
    """Temperatures, adjustments, a sigmoid and a threshold per type, and the document margin.

    All on single-answer labels.
    """
    types, gold = _type_rows(predicted, scheme)
    platt = _platt(types, gold, scheme)
    stances, stance_gold = _stance_rows(predicted, scheme)
    heads = Heads(len(scheme.types))
    sentences = [(s, row) for p in predicted for s, row in zip(p.article.sentences, p.own, strict=True)]
    voices, voice_gold = _single([(s.voice, row[heads.voice]) for s, row in sentences], VOICES)
    primary, _ = _scaling(
        *_single([(s.primary, row[heads.primary]) for s, row in sentences], scheme.type_ids), biased=False
    )
    voice, stance = _scaling(voices, voice_gold), _scaling(stances, stance_gold)
    partly = Calibration(
        types=platt,
        thresholds=dict.fromkeys(scheme.type_ids, 0.5),
        temperatures=Temperatures(primary=primary, voice=voice[0], stance=stance[0]),
        adjustments=Adjustments(
            voice=_adjustment(voices, voice_gold, voice, VOICES),
            stance=_adjustment(stances, stance_gold, stance, STANCES),
        ),
    )
    thresholds = _thresholds(partly, types, gold, scheme)
    margin = _margin(predicted, partly, scheme)
    return partly.model_copy(update={"thresholds": thresholds, "document_margin": margin})


def _type_rows(predicted: Sequence[Predicted], scheme: Scheme) -> tuple[Logits, NDArray[np.float64]]:
    """(N, width) logits and (N, T) labels of the sentences whose types are wholly known."""
    rows, gold = [], []
    for p in predicted:
        for sentence, logits in zip(p.article.sentences, p.own, strict=True):
            if sentence.types is not None and all(name in sentence.types for name in scheme.type_ids):
                rows.append(logits)
                gold.append([float(sentence.types[name]) for name in scheme.type_ids])
    return np.asarray(rows, dtype=np.float32), np.asarray(gold)


def _platt(logits: Logits, gold: NDArray[np.float64], scheme: Scheme) -> dict[str, Platt]:
    if not len(logits):
        return {name: Platt() for name in (*scheme.type_ids, NONE)}
    raw = logits[:, Heads(len(scheme.types)).types].astype(np.float64)
    raw = np.concatenate((raw, none_logit(raw)), axis=1)
    truth = np.concatenate((gold, 1.0 - gold.max(axis=1, keepdims=True)), axis=1)
    return {name: _sigmoid(raw[:, k], truth[:, k]) for k, name in enumerate((*scheme.type_ids, NONE))}


def _sigmoid(logit: NDArray[np.float64], truth: NDArray[np.float64]) -> Platt:
    if min(truth.sum(), len(truth) - truth.sum()) < MIN_POSITIVES:
        return Platt()
    fitted = LogisticRegression(C=1e3).fit(logit[:, None], truth)
    slope = float(fitted.coef_[0, 0])
    # A negative slope would turn the head's order round: then the logit knows nothing and is left as it is.
    return Platt(slope=slope, offset=float(fitted.intercept_[0])) if slope > 0 else Platt()


def _thresholds(
    calibration: Calibration, logits: Logits, gold: NDArray[np.float64], scheme: Scheme
) -> dict[str, float]:
    """For each type the probability that gives the best F1."""
    chosen = dict.fromkeys(scheme.type_ids, 0.5)
    if len(logits):
        probabilities = calibration.type_probabilities(logits, scheme)
        for k, name in enumerate(scheme.type_ids):
            if gold[:, k].sum() >= MIN_POSITIVES:
                chosen[name] = best_threshold(gold[:, k], probabilities[:, k])
    return chosen


def best_threshold(truth: NDArray[np.float64], probability: NDArray[np.float64]) -> float:
    """The threshold with the best F1, halfway to the next lower score so that no item sits on it."""
    precision, recall, thresholds = precision_recall_curve(truth, probability)
    f1 = 2 * precision[:-1] * recall[:-1] / np.maximum(precision[:-1] + recall[:-1], 1e-12)
    place = int(np.argmax(f1))
    below = thresholds[place - 1] if place else 0.0
    return float((thresholds[place] + below) / 2)


def _stance_rows(predicted: Sequence[Predicted], scheme: Scheme) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    part = Heads(len(scheme.types)).stance
    pairs = [
        (sentence.stances[k] if k < len(sentence.stances) else None, row[part])
        for p in predicted
        for k, logits in enumerate(p.beside)
        for sentence, row in zip(p.article.sentences, logits, strict=True)
    ]
    return _single(pairs, STANCES)


def _single(
    pairs: Sequence[tuple[Allowed | None, NDArray[np.float32]]], names: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Logits and label indices of the items with exactly one allowed answer."""
    kept = [(row, names.index(next(iter(a)))) for a, row in pairs if a and len(a) == 1 and next(iter(a)) in names]
    return (
        np.asarray([row for row, _ in kept], dtype=np.float64).reshape(len(kept), len(names)),
        np.asarray([label for _, label in kept], dtype=np.int64),
    )


_Scaling = tuple[float, NDArray[np.float64]]
"""A temperature and what is then added to each answer's logit."""


def _scaling(logits: NDArray[np.float64], gold: NDArray[np.int64], *, biased: bool = True) -> _Scaling:
    """The temperature with the best likelihood, and a bias for each answer (Alexandari et al. 2020).

    Training reads targets of other articles and corpora of other shares, so that its answers are not as frequent as
    those of the articles at hand. There is no bias where an answer is seen fewer than `MIN_POSITIVES` times.
    """
    none = np.zeros(logits.shape[1])
    if len(gold) < MIN_POSITIVES:
        return 1.0, none
    biased = biased and int(np.bincount(gold, minlength=len(none)).min()) >= MIN_POSITIVES

    def loss(x: NDArray[np.float64]) -> float:
        return nll(softmax(logits, float(np.exp(x[0])), x[1:] if biased else none), gold)

    start = np.zeros(1 + len(none)) if biased else np.zeros(1)
    found = minimize(loss, start, method="L-BFGS-B", bounds=[(-3.0, 3.0), *[(-5.0, 5.0)] * (len(start) - 1)]).x
    return float(np.exp(found[0])), found[1:] - found[1:].min() if biased else none


def _adjustment(
    logits: NDArray[np.float64], gold: NDArray[np.int64], scaling: _Scaling, names: Sequence[str]
) -> dict[str, float]:
    """What is added to each answer's logit: the bias, moved to where the arg-max has its best macro-F1.

    The move gives back at most `GIVEN_BACK` of what temperature and bias have won in negative log-likelihood; a head
    with an answer seen fewer than `MIN_POSITIVES` times is left as it is.
    """
    if np.bincount(gold, minlength=len(names)).min() < MIN_POSITIVES:
        return {}
    temperature, added = scaling
    won = nll(softmax(logits, temperature, added), gold)
    limit = won + GIVEN_BACK * (nll(softmax(logits, 1.0), gold) - won)

    def score(added: NDArray[np.float64]) -> float:
        probabilities = softmax(logits, temperature, added)
        if nll(probabilities, gold) > limit:
            return -1.0
        return float(f1_score(gold, probabilities.argmax(axis=1), average="macro", zero_division=0.0))

    best = score(added)
    # One answer at a time, in ever smaller steps: macro-F1 has no gradient.
    for size in (0.4, 0.2, 0.1, 0.05):
        steps = [sign * size * np.eye(len(names))[k] for k in range(len(names)) for sign in (1, -1)]
        while (found := max((score(added + step), i) for i, step in enumerate(steps)))[0] > best:
            best, added = found[0], added + steps[found[1]]
    return {name: round(float(value), 4) for name, value in zip(names, added - added.min(), strict=True)}


def _margin(predicted: Sequence[Predicted], calibration: Calibration, scheme: Scheme) -> float:
    """The margin with the best macro-F1 of document stances; gold ones follow from gold sentences at margin 1."""
    cases = []
    for p in predicted:
        for k, logits in enumerate(p.beside):
            gold = [s.stances[k] if k < len(s.stances) else None for s in p.article.sentences]
            known = [next(iter(a)) for a in gold if a and len(a) == 1]
            if len(known) == len(gold):
                truth = np.asarray([[float(name == stance) for stance in STANCES] for name in known])
                cases.append((calibration.stance_probabilities(logits, scheme), document_stance(truth, 1.0)[0]))
    if not cases:
        return 1.0
    expected = [truth for _, truth in cases]
    grid = np.round(np.arange(0.3, 2.01, 0.1), 2)
    scores = [
        f1_score(
            expected,
            [document_stance(p, m)[0] for p, _ in cases],
            average="macro",
            labels=list(Stance),
            zero_division=0.0,
        )
        for m in grid
    ]
    return float(grid[int(np.argmax(scores))])
