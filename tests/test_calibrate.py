"""Calibration against its references: scikit-learn's sigmoid, a brute-force temperature, plain softmax."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit, log_softmax
from scipy.special import softmax as scipy_softmax
from sklearn.metrics import f1_score

from models.calibrate import Adjustments, Calibration, Platt, document_stance, none_logit, sigmoid, softmax
from models.engines import Heads
from models.labels import NONE, SCHEME, STANCES, VOICES, Stance, Voice
from training.articles import LabelledArticle, LabelledSentence
from training.calibrate import Predicted, _scaling, best_threshold, fit

HEADS = Heads(len(SCHEME.types))
numbers = st.floats(-30, 30)


@given(arrays(np.float64, (3, 8), elements=numbers))
def test_none_is_the_chance_that_no_type_holds(raw):
    expected = np.prod(1 - expit(raw), axis=1, keepdims=True)
    assert sigmoid(none_logit(raw)) == pytest.approx(expected, abs=1e-9)


@given(arrays(np.float64, (3, 4), elements=numbers), st.floats(0.1, 10))
def test_softmax_equals_scipys(logits, temperature):
    assert softmax(logits, temperature) == pytest.approx(scipy_softmax(logits / temperature, axis=1))


def test_none_is_chosen_exactly_when_no_type_passes():
    calibration = Calibration.neutral(SCHEME)
    names = SCHEME.type_ids
    probabilities = np.full((3, 9), 0.1)
    probabilities[1, 2] = 0.5
    probabilities[2, [0, 4]] = 0.6, 0.9
    assert calibration.choose_types(probabilities, SCHEME) == [(NONE,), (names[2],), (names[4], names[0])]


def test_document_stance_needs_its_margin():
    sides = np.eye(4)
    agree, disagree, discuss, unrelated = (sides[STANCES.index(s)] for s in Stance)
    assert document_stance(np.array([agree, unrelated]), 1.0) == (Stance.AGREE, 1.0, False)
    label, score, mixed = document_stance(np.array([agree, agree, disagree]), 1.0)
    assert (label, mixed) == (Stance.AGREE, True)
    assert score == pytest.approx(2 / 3)
    assert document_stance(np.array([discuss, unrelated]), 1.0) == (Stance.DISCUSS, 1.0, False)
    assert document_stance(np.array([unrelated, unrelated]), 1.0) == (Stance.UNRELATED, 1.0, False)
    unsure = np.array([0.4 * agree + 0.6 * unrelated])
    assert document_stance(unsure, 0.3) == (Stance.UNRELATED, 0.6, False)
    many = np.tile(0.2 * agree + 0.2 * disagree + 0.25 * discuss + 0.35 * unrelated, (30, 1))
    assert document_stance(many, 0.3)[0] == Stance.UNRELATED


def predicted_from(rng: np.random.Generator, count: int, temperature: float) -> list[Predicted]:
    """Articles whose logits are the truth's, made too sure by `temperature`."""
    found = []
    for i in range(count):
        logits = rng.normal(0, 2, (5, HEADS.width))
        truth = rng.random((5, len(SCHEME.types))) < expit(logits[:, HEADS.types])
        voices = [rng.choice(VOICES, p=scipy_softmax(row[HEADS.voice])) for row in logits]
        stances = [rng.choice(STANCES, p=scipy_softmax(row[HEADS.stance])) for row in logits]
        sentences = tuple(
            LabelledSentence(
                text="",
                types=dict(zip(SCHEME.type_ids, map(bool, truth[n]), strict=True)),
                voice=frozenset({str(voices[n])}),
                stances=(frozenset({str(stances[n])}), frozenset({Stance.AGREE, Stance.DISCUSS})),
            )
            for n in range(5)
        )
        sharp = (logits * temperature).astype(np.float32)
        found.append(Predicted(LabelledArticle(id=str(i), sentences=sentences, targets=("", "")), sharp, [sharp] * 2))
    return found


def test_fit_undoes_overconfidence():
    fitted = fit(predicted_from(np.random.default_rng(0), 800, temperature=2.0), SCHEME)
    assert fitted.temperatures.voice == pytest.approx(2.0, rel=0.15)
    assert fitted.temperatures.stance == pytest.approx(2.0, rel=0.15)
    for name in SCHEME.type_ids:
        assert fitted.types[name].slope == pytest.approx(0.5, rel=0.15)
        assert fitted.types[name].offset == pytest.approx(0.0, abs=0.15)


def test_fit_improves_nll_on_other_articles():
    rng = np.random.default_rng(1)
    fitted = fit(predicted_from(rng, 300, temperature=3.0), SCHEME)
    other = predicted_from(rng, 300, temperature=3.0)

    def nll(temperature: float) -> float:
        rows = [
            (row[HEADS.voice], next(iter(s.voice)))
            for p in other
            for s, row in zip(p.article.sentences, p.own, strict=True)
        ]
        return -np.mean([log_softmax(row / temperature)[VOICES.index(Voice(v))] for row, v in rows])

    assert nll(fitted.temperatures.voice) < nll(1.0)


def rare_agreement(rng: np.random.Generator, count: int) -> list[Predicted]:
    """Predictions that know the shares of the answers, are too sure, and have weak evidence; one answer is rare."""
    prior = np.array([0.06, 0.14, 0.2, 0.6])
    found = []
    for i in range(count):
        said = rng.choice(4, size=5, p=prior)
        logits = np.zeros((5, HEADS.width), dtype=np.float32)
        logits[:, HEADS.stance] = 2 * (np.log(prior) + rng.normal(0, 1, (5, 4)) + np.eye(4)[said])
        sentences = tuple(LabelledSentence(text="", stances=(frozenset({STANCES[k]}),)) for k in said)
        found.append(Predicted(LabelledArticle(id=str(i), sentences=sentences, targets=("",)), logits, [logits]))
    return found


def test_adjustment_finds_rare_answers_and_keeps_the_likelihood():
    rng = np.random.default_rng(4)
    fitted = fit(rare_agreement(rng, 300), SCHEME)
    added = fitted.adjustments.stance
    assert sorted(added, key=added.__getitem__, reverse=True) == list(STANCES)
    assert fitted.adjustments.voice == {}

    other = rare_agreement(rng, 300)
    gold = np.array([STANCES.index(next(iter(s.stances[0]))) for p in other for s in p.article.sentences])
    logits = np.concatenate([p.beside[0] for p in other])

    def scores(calibration: Calibration) -> tuple[float, float]:
        probabilities = calibration.stance_probabilities(logits, SCHEME)
        nll = -np.log(probabilities[np.arange(len(gold)), gold]).mean()
        return f1_score(gold, probabilities.argmax(axis=1), average="macro"), float(nll)

    plain, adjusted = scores(Calibration.neutral(SCHEME)), scores(fitted)
    assert adjusted[0] > plain[0] + 0.02
    assert adjusted[1] < plain[1]


def test_the_bias_undoes_the_shares_of_the_training_data():
    rng = np.random.default_rng(7)
    learnt, here = np.array([0.05, 0.1, 0.1, 0.75]), np.array([0.1, 0.2, 0.3, 0.4])
    said = rng.choice(4, size=40_000, p=here)
    evidence = rng.normal(0, 1, (40_000, 4)) + np.eye(4)[said]
    temperature, bias = _scaling(2 * (evidence + np.log(learnt)), said)
    # The evidence is exact (its likelihood ratios are e to the difference), so only the shares are to be undone.
    expected = np.log(here) - np.log(learnt)
    assert temperature == pytest.approx(2, rel=0.1)
    assert bias == pytest.approx(expected - expected.min(), abs=0.1)


def test_few_examples_leave_the_calibration_neutral():
    fitted = fit(predicted_from(np.random.default_rng(2), 1, temperature=1.0), SCHEME)
    assert set(fitted.types.values()) == {Platt()}
    assert set(fitted.thresholds.values()) == {0.5}
    assert fitted.adjustments == Adjustments()


def test_best_threshold_is_the_best_of_all():
    rng = np.random.default_rng(3)
    truth = (rng.random(200) < 0.3).astype(float)
    score = np.clip(truth * 0.3 + rng.random(200) * 0.7, 0, 1)

    def f1(threshold: float) -> float:
        guess = score >= threshold
        hit = (guess * truth).sum()
        return 2 * hit / (guess.sum() + truth.sum())

    assert f1(best_threshold(truth, score)) == pytest.approx(max(f1(t) for t in score))
