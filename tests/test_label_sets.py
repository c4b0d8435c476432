"""Scores in a corpus's own classes, and calibration undone: both against a plain computation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, softmax
from sklearn.metrics import f1_score, log_loss

from models.calibrate import Adjustments, Calibration, Platt, Temperatures
from models.engines import Heads
from models.labels import SCHEME, STANCES, VOICES, Stance
from training.articles import LabelledArticle, LabelledSentence
from training.label_sets import by_label_set
from training.predictions import Answered, Said
from training.uncalibrated import uncalibrated_nll

HEADS = Heads(len(SCHEME.types))
EITHER = frozenset((str(Stance.DISCUSS), str(Stance.UNRELATED)))


def said(stance: str, **scores: dict[str, float]) -> Said:
    found = {"type_scores": {}, "voice_scores": {}, **scores}
    return Said(
        types=frozenset(),
        primary="",
        voice=VOICES[0],
        stances=(stance,),
        stance_scores=({},),
        **found,
    )


def answered(gold: frozenset[str], stance: str) -> Answered:
    sentence = LabelledSentence(text="", stances=(gold,))
    return Answered(LabelledArticle(id="", sentences=(sentence,), targets=("",)), (said(stance),))


def test_a_set_is_one_class():
    rng = np.random.default_rng(0)
    golds = [EITHER if s in EITHER else frozenset((s,)) for s in rng.choice(STANCES, 60)]
    guesses = [str(s) for s in rng.choice(STANCES, 60)]
    found = by_label_set([answered(g, s) for g, s in zip(golds, guesses, strict=True)])
    assert found is not None
    classes = ["/".join(s for s in STANCES if s in g) for g in golds]
    said_classes = ["/".join(s for s in STANCES if s in EITHER) if s in EITHER else s for s in guesses]
    assert found.macro_f1.value == pytest.approx(f1_score(classes, said_classes, average="macro"))
    assert set(found.f1) == set(classes)
    assert found.items == 60


@pytest.mark.parametrize(
    "golds",
    [
        [frozenset((str(Stance.AGREE),)), frozenset((str(Stance.DISCUSS),))],
        [EITHER, frozenset((str(Stance.DISCUSS),))],
    ],
)
def test_plain_or_overlapping_classes_are_left_to_the_stance_head(golds):
    assert by_label_set([answered(gold, str(Stance.AGREE)) for gold in golds]) is None


def test_undone_calibration_has_the_likelihood_of_the_raw_logits():
    rng = np.random.default_rng(1)
    calibration = Calibration(
        types={name: Platt(slope=0.6, offset=-0.4) for name in (*SCHEME.type_ids, SCHEME.none.id)},
        thresholds=dict.fromkeys(SCHEME.type_ids, 0.5),
        temperatures=Temperatures(voice=1.7, stance=0.8),
        adjustments=Adjustments(stance={STANCES[0]: 0.9, STANCES[1]: 0.2}),
    )
    logits = rng.normal(0, 2, (40, HEADS.width))
    types = rng.random((40, len(SCHEME.types))) < 0.3
    voices, stances = rng.integers(0, 3, 40), rng.integers(0, 4, 40)
    served = [
        dict(zip(names, row, strict=True))
        for names, table in (
            ((*SCHEME.type_ids, SCHEME.none.id), calibration.type_probabilities(logits, SCHEME)),
            (VOICES, calibration.voice_probabilities(logits, SCHEME)),
            (STANCES, calibration.stance_probabilities(logits, SCHEME)),
        )
        for row in table
    ]
    sentences = tuple(
        LabelledSentence(
            text="",
            types=dict(zip(SCHEME.type_ids, map(bool, types[n]), strict=True)),
            voice=frozenset((VOICES[voices[n]],)),
            stances=(frozenset((STANCES[stances[n]],)),),
        )
        for n in range(40)
    )
    answers = tuple(
        Said(
            types=frozenset(),
            primary="",
            voice=VOICES[0],
            type_scores=served[n],
            voice_scores=served[40 + n],
            stances=(STANCES[0],),
            stance_scores=(served[80 + n],),
        )
        for n in range(40)
    )
    article = LabelledArticle(id="", sentences=sentences, targets=("",))
    found = uncalibrated_nll([Answered(article, answers)], calibration, SCHEME)
    raw = expit(logits[:, HEADS.types])
    assert found["types"] == pytest.approx(log_loss(types.ravel(), raw.ravel()), rel=1e-6)
    for head, part, gold, number in (("voice", HEADS.voice, voices, 3), ("stance", HEADS.stance, stances, 4)):
        expected = log_loss(gold, softmax(logits[:, part], axis=1), labels=range(number))
        assert found[head] == pytest.approx(expected, rel=1e-6)
