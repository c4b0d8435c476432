"""Scores on plain lists and arrays, free of bundles and files, so that training and evaluation share them.

Counts are kept per article wherever an interval is wanted: a resample of articles is then a weighted sum of
their counts, so a thousand resamples cost one matrix product.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.float64]
Values = NDArray[np.floating[Any]]

RESAMPLES = 1000
BINS = 10


@dataclass(frozen=True, slots=True)
class LabelScore:
    """Precision, recall and F1 of one label; `support` is its number of gold items."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True)
class HeadScore:
    """One head's scores; a label that is neither in gold nor predicted is left out of `macro_f1`."""

    macro_f1: float
    labels: tuple[LabelScore, ...]
    items: int


def macro_f1(gold: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> float:
    """Mean F1 over `labels`; a label in neither list is left out of the mean."""
    return float(macro_of(class_counts(gold, predicted, labels)))


def types_macro_f1(
    gold: Sequence[Collection[str]], predicted: Sequence[Collection[str]], labels: Sequence[str]
) -> float:
    """Mean over `labels` of each label's F1 as a yes-or-no question; name `none` among the labels to count it."""
    return float(macro_of(set_counts(gold, predicted, labels)))


def head_scores(gold: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> HeadScore:
    """Per-label and macro scores of a single-answer head."""
    return _scores(class_counts(gold, predicted, labels), labels, len(gold))


def type_scores(
    gold: Sequence[Collection[str]], predicted: Sequence[Collection[str]], labels: Sequence[str]
) -> HeadScore:
    """Per-label and macro scores of a head that may give several answers."""
    return _scores(set_counts(gold, predicted, labels), labels, len(gold))


def scores_of(counts: Counts, labels: Sequence[str], items: int) -> HeadScore:
    """The scores that follow from summed counts of shape (labels, 3)."""
    return _scores(counts, labels, items)


def confusion(gold: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> NDArray[np.int64]:
    """Counts of shape (gold label, predicted label)."""
    place = {label: i for i, label in enumerate(labels)}
    table = np.zeros((len(labels), len(labels)), dtype=np.int64)
    for truth, guess in zip(gold, predicted, strict=True):
        table[place[truth], place[guess]] += 1
    return table


def class_counts(gold: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> Counts:
    """True positives, false positives and false negatives of each label, shape (labels, 3)."""
    return set_counts([(g,) for g in gold], [(p,) for p in predicted], labels)


def set_counts(gold: Sequence[Collection[str]], predicted: Sequence[Collection[str]], labels: Sequence[str]) -> Counts:
    """As `class_counts`, for sets of answers."""
    counts = np.zeros((len(labels), 3))
    for truth, guess in zip(gold, predicted, strict=True):
        for i, label in enumerate(labels):
            if label in guess:
                counts[i, 0 if label in truth else 1] += 1
            elif label in truth:
                counts[i, 2] += 1
    return counts


def f1_of(counts: Counts) -> Floats:
    """F1 from counts of shape (..., 3); not a number where nothing is gold nor predicted."""
    tp, fp, fn = counts[..., 0], counts[..., 1], counts[..., 2]
    total = 2 * tp + fp + fn
    return np.asarray(np.divide(2 * tp, total, out=np.full(total.shape, np.nan), where=total > 0))


def macro_of(counts: Counts) -> Floats:
    """Mean F1 over the labels of counts of shape (..., labels, 3); 0 where no label occurs at all."""
    f1 = f1_of(counts)
    occurs = ~np.isnan(f1)
    number = occurs.sum(axis=-1)
    total = np.where(occurs, f1, 0.0).sum(axis=-1)
    return np.asarray(np.divide(total, number, out=np.zeros(total.shape), where=number > 0))


def _scores(counts: Counts, labels: Sequence[str], items: int) -> HeadScore:
    f1 = np.nan_to_num(f1_of(counts))
    rows = []
    for i, label in enumerate(labels):
        tp, fp, fn = counts[i]
        rows.append(LabelScore(label, _ratio(tp, tp + fp), _ratio(tp, tp + fn), float(f1[i]), int(tp + fn)))
    return HeadScore(float(macro_of(counts)), tuple(rows), items)


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else 0.0


@dataclass(frozen=True, slots=True)
class Interval:
    """A measured value and the 2.5 and 97.5 percentiles of it over resamples."""

    value: float
    low: float
    high: float


def resample_weights(groups: int, *, resamples: int = RESAMPLES, seed: int = 0) -> Floats:
    """How often each article is drawn in each resample, shape (resamples, groups)."""
    chances = np.full(groups, 1.0 / groups)
    return np.random.default_rng(seed).multinomial(groups, chances, size=resamples).astype(np.float64)


def resampled(counts: Counts, statistic: Callable[[Counts], Floats], weights: Floats) -> Floats:
    """`statistic` of every resample; `counts` is (groups, ...), `weights` (resamples, groups)."""
    flat = counts.reshape(len(counts), -1)
    return statistic((weights @ flat).reshape(len(weights), *counts.shape[1:]))


def interval(
    counts: Counts,
    statistic: Callable[[Counts], Floats] = macro_of,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """A 95 % interval of `statistic` from resampling articles; `counts` is (articles, ...)."""
    value = float(statistic(counts.sum(axis=0)))
    if len(counts) < 2:
        return Interval(value, value, value)
    drawn = resampled(counts, statistic, resample_weights(len(counts), resamples=resamples, seed=seed))
    low, high = np.nanpercentile(drawn, [2.5, 97.5]) if np.isfinite(drawn).any() else (value, value)
    return Interval(value, float(low), float(high))


@dataclass(frozen=True, slots=True)
class Difference:
    """Ours minus theirs on the same articles; `better` is the share of resamples where ours is higher."""

    ours: float
    theirs: float
    difference: float
    low: float
    high: float
    better: float


def paired(
    ours: Counts,
    theirs: Counts,
    statistic: Callable[[Counts], Floats] = macro_of,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Difference:
    """The paired bootstrap: both systems on the same resamples of the same articles."""
    if len(ours) != len(theirs):
        raise ValueError(f"theirs: {len(theirs)} articles, ours {len(ours)}: a paired test needs the same ones")
    a, b = float(statistic(ours.sum(axis=0))), float(statistic(theirs.sum(axis=0)))
    weights = resample_weights(len(ours), resamples=resamples, seed=seed)
    drawn = resampled(ours, statistic, weights) - resampled(theirs, statistic, weights)
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return Difference(a, b, a - b, float(low), float(high), float(np.mean(drawn > 0)))


def grouped(groups: Iterable[str], rows: Sequence[Counts]) -> Counts:
    """Sum the counts of the rows of each group, groups in order of first appearance."""
    sums: dict[str, Counts] = {}
    for group, row in zip(groups, rows, strict=True):
        sums[group] = sums[group] + row if group in sums else row.copy()
    return np.stack(list(sums.values()))


@dataclass(frozen=True, slots=True)
class Bin:
    """Items of near equal confidence: their mean confidence and the share of them that were right."""

    confidence: float
    accuracy: float
    items: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """How far a head's probabilities can be taken at their word.

    `nll` and `brier` are means over items (lower is better); `ece` has ten bins of equal mass, and
    `ece_perfect` is the mean (`ece_perfect_high` the 95th percentile) of what a perfectly calibrated head
    with these very confidences would show on as many items by chance alone.
    """

    nll: float
    brier: float
    ece: float
    ece_perfect: float
    ece_perfect_high: float
    bins: tuple[Bin, ...]
    items: int


def nll(probabilities: Values, gold: NDArray[np.int64]) -> float:
    """Mean of -log p(gold); `probabilities` is (items, labels), `gold` holds label places."""
    chosen = probabilities[np.arange(len(gold)), gold]
    return float(-np.log(np.clip(chosen, 1e-12, 1.0)).mean())


def brier(probabilities: Values, gold: NDArray[np.int64]) -> float:
    """Mean squared distance to the one-hot truth, summed over labels (0 to 2)."""
    truth = np.eye(probabilities.shape[1])[gold]
    return float(((probabilities - truth) ** 2).sum(axis=1).mean())


def equal_mass_bins(confidence: Values, correct: Values, bins: int = BINS) -> tuple[Bin, ...]:
    """Items sorted by confidence and cut into `bins` parts of equal size (fewer when items are few)."""
    order = np.argsort(confidence, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    return tuple(Bin(float(confidence[p].mean()), float(correct[p].mean()), len(p)) for p in parts)


def ece(confidence: Values, correct: Values, bins: int = BINS) -> float:
    """Expected calibration error over bins of equal mass."""
    parts = equal_mass_bins(confidence, correct, bins)
    return sum(part.items * abs(part.confidence - part.accuracy) for part in parts) / max(len(confidence), 1)


def perfect_ece(confidence: Values, bins: int = BINS, *, draws: int = 200, seed: int = 0) -> tuple[float, float]:
    """Mean and 95th percentile of the error that a perfectly calibrated head would show here by chance."""
    rng = np.random.default_rng(seed)
    drawn = [
        ece(confidence, np.less(rng.random(len(confidence)), confidence).astype(np.float64), bins) for _ in range(draws)
    ]
    return float(np.mean(drawn)), float(np.percentile(drawn, 95))


def softmax_calibration(probabilities: Values, gold: NDArray[np.int64]) -> Calibration:
    """Calibration of a single-answer head by the confidence in its answer."""
    confidence = probabilities.max(axis=1)
    correct = (probabilities.argmax(axis=1) == gold) * 1.0
    return _calibration(nll(probabilities, gold), brier(probabilities, gold), confidence, correct)


def binary_calibration(probabilities: Values, truth: Values) -> Calibration:
    """Calibration of yes-or-no answers; both of shape (items,), `truth` 0 or 1."""
    both = np.stack([1 - probabilities, probabilities], axis=1)
    gold = truth.astype(np.int64)
    half_brier = float(((probabilities - truth) ** 2).mean())
    return _calibration(nll(both, gold), half_brier, probabilities, truth)


def _calibration(nll_: float, brier_: float, confidence: Values, correct: Values) -> Calibration:
    mean, high = perfect_ece(confidence)
    return Calibration(
        nll=nll_,
        brier=brier_,
        ece=ece(confidence, correct),
        ece_perfect=mean,
        ece_perfect_high=high,
        bins=equal_mass_bins(confidence, correct),
        items=len(confidence),
    )


@dataclass(frozen=True, slots=True)
class ThresholdPoint:
    """What one label's threshold would give."""

    threshold: float
    precision: float
    recall: float
    f1: float


def threshold_curve(probabilities: Values, truth: Values, thresholds: Sequence[float]) -> tuple[ThresholdPoint, ...]:
    """Precision, recall and F1 of the answers at or above each threshold; inputs of shape (items,)."""
    points = []
    for threshold in thresholds:
        said = probabilities >= threshold
        tp, fp = float((said * truth).sum()), float((said * (1 - truth)).sum())
        fn = float(truth.sum()) - tp
        points.append(
            ThresholdPoint(float(threshold), _ratio(tp, tp + fp), _ratio(tp, tp + fn), _ratio(2 * tp, 2 * tp + fp + fn))
        )
    return tuple(points)
