"""Every metric against scikit-learn or by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import (
    brier_score_loss,
    confusion_matrix,
    f1_score,
    log_loss,
    precision_recall_fscore_support,
)

from models.labels import NONE, STANCES, ClaimType
from training import metrics

LABELS = [*ClaimType, NONE]


@pytest.fixture
def stances():
    rng = np.random.default_rng(3)
    return list(rng.choice(STANCES, 300)), list(rng.choice(STANCES, 300))


@pytest.fixture
def type_sets():
    rng = np.random.default_rng(4)
    matrix = rng.random((200, len(LABELS))) < 0.25
    sets = [{LABELS[j] for j in np.flatnonzero(row)} for row in matrix]
    return sets[:100], sets[100:]


def indicators(sets):
    return np.array([[label in s for label in LABELS] for s in sets])


def test_macro_f1_is_scikit_learns(stances):
    gold, predicted = stances
    expected = f1_score(gold, predicted, labels=STANCES, average="macro")
    assert metrics.macro_f1(gold, predicted, STANCES) == pytest.approx(expected)


def test_types_macro_f1_is_scikit_learns_over_nine_labels(type_sets):
    gold, predicted = type_sets
    expected = f1_score(indicators(gold), indicators(predicted), average="macro")
    assert metrics.types_macro_f1(gold, predicted, LABELS) == pytest.approx(expected)


def test_head_scores_are_scikit_learns(stances):
    gold, predicted = stances
    scores = metrics.head_scores(gold, predicted, STANCES)
    expected = np.array(precision_recall_fscore_support(gold, predicted, labels=STANCES)).T
    ours = [(s.precision, s.recall, s.f1, s.support) for s in scores.labels]
    np.testing.assert_allclose(ours, expected)
    assert scores.items == 300


def test_type_scores_are_scikit_learns(type_sets):
    gold, predicted = type_sets
    scores = metrics.type_scores(gold, predicted, LABELS)
    expected = f1_score(indicators(gold), indicators(predicted), average=None)
    np.testing.assert_allclose([s.f1 for s in scores.labels], expected)


def test_confusion_is_scikit_learns(stances):
    gold, predicted = stances
    np.testing.assert_array_equal(
        metrics.confusion(gold, predicted, STANCES), confusion_matrix(gold, predicted, labels=STANCES)
    )


def test_a_label_that_never_occurs_is_left_out_of_the_mean():
    a, b, c = STANCES[:3]
    assert metrics.macro_f1([a, a, b], [a, a, b], [a, b, c]) == 1.0
    assert metrics.macro_f1([], [], STANCES) == 0.0


def test_an_unknown_label_is_our_mistake():
    with pytest.raises(KeyError):
        metrics.confusion(["x"], [STANCES[0]], STANCES)


def test_bootstrap_equals_resampling_by_hand(stances):
    gold, predicted = stances
    groups = [str(i // 10) for i in range(300)]
    rows = [metrics.class_counts([g], [p], STANCES) for g, p in zip(gold, predicted, strict=True)]
    counts = metrics.grouped(groups, rows)
    weights = metrics.resample_weights(30, resamples=5, seed=1)
    drawn = metrics.resampled(counts, metrics.macro_of, weights)
    for weight, value in zip(weights, drawn, strict=True):
        picked = [i for g in range(30) for i in list(range(g * 10, g * 10 + 10)) * int(weight[g])]
        expected = f1_score([gold[i] for i in picked], [predicted[i] for i in picked], labels=STANCES, average="macro")
        assert value == pytest.approx(expected)


def test_interval_holds_the_value_and_narrows_with_articles():
    rng = np.random.default_rng(0)

    def width(articles):
        gold = list(rng.choice(STANCES, articles * 5))
        guess = [g if rng.random() < 0.7 else STANCES[0] for g in gold]
        rows = [metrics.class_counts([g], [p], STANCES) for g, p in zip(gold, guess, strict=True)]
        found = metrics.interval(metrics.grouped([str(i // 5) for i in range(len(gold))], rows))
        assert found.low <= found.value <= found.high
        return found.high - found.low

    assert width(400) < width(40)


def test_one_article_has_no_interval():
    counts = metrics.class_counts(STANCES[:1], STANCES[:1], STANCES[:1])[None]
    assert metrics.interval(counts) == metrics.Interval(1.0, 1.0, 1.0)


def test_paired_bootstrap_sees_a_small_but_constant_gain():
    rng = np.random.default_rng(5)
    gold = list(rng.choice(STANCES, 400))
    worse = [g if rng.random() < 0.6 else STANCES[0] for g in gold]
    better = [g if rng.random() < 0.5 else w for g, w in zip(gold, worse, strict=True)]
    groups = [str(i // 8) for i in range(400)]
    ours, theirs = (
        metrics.grouped(groups, [metrics.class_counts([g], [p], STANCES) for g, p in zip(gold, system, strict=True)])
        for system in (better, worse)
    )
    found = metrics.paired(ours, theirs)
    assert found.difference == pytest.approx(found.ours - found.theirs)
    assert found.low > 0
    assert found.better > 0.99
    same = metrics.paired(ours, ours)
    assert (same.difference, same.low, same.high, same.better) == (0, 0, 0, 0)
    with pytest.raises(ValueError, match="same ones"):
        metrics.paired(ours, theirs[1:])


def test_nll_and_brier_are_scikit_learns():
    rng = np.random.default_rng(6)
    probabilities = rng.dirichlet(np.ones(4), 200)
    gold = rng.integers(0, 4, 200)
    found = metrics.softmax_calibration(probabilities, gold)
    assert found.nll == pytest.approx(log_loss(gold, probabilities, labels=range(4)))
    assert found.brier == pytest.approx(brier_score_loss(gold, probabilities, labels=range(4), scale_by_half=False))
    yes = rng.random(200)
    truth = (rng.random(200) < yes) * 1.0
    binary = metrics.binary_calibration(yes, truth)
    assert binary.brier == pytest.approx(brier_score_loss(truth, yes))
    assert binary.nll == pytest.approx(log_loss(truth, yes))


def test_ece_by_hand_and_equal_mass():
    confidence = np.array([0.2, 0.4, 0.6, 0.8])
    correct = np.array([0.0, 1.0, 1.0, 1.0])
    # Two bins of two: |0.3 - 0.5| and |0.7 - 1.0|.
    assert metrics.ece(confidence, correct, bins=2) == pytest.approx((2 * 0.2 + 2 * 0.3) / 4)
    assert [b.items for b in metrics.equal_mass_bins(np.arange(25) / 25, np.ones(25))] == [3] * 5 + [2] * 5


def test_a_calibrated_head_shows_about_the_perfect_error_and_a_boastful_one_more():
    rng = np.random.default_rng(7)
    confidence = rng.uniform(0.3, 1.0, 400)
    honest = (rng.random(400) < confidence) * 1.0
    mean, high = metrics.perfect_ece(confidence)
    assert 0 < mean < high
    assert metrics.ece(confidence, honest) < 1.5 * high
    boast = (rng.random(400) < confidence - 0.25) * 1.0
    assert metrics.ece(confidence, boast) > high


def test_threshold_curve_is_scikit_learns():
    rng = np.random.default_rng(8)
    probabilities = rng.random(150)
    truth = (rng.random(150) < probabilities) * 1.0
    for point in metrics.threshold_curve(probabilities, truth, [0.1, 0.5, 0.9]):
        expected = f1_score(truth, probabilities >= point.threshold)
        assert point.f1 == pytest.approx(expected)
