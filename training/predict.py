"""Logits of labelled articles, read as serving reads them, and the dev scores that follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from models.calibrate import Calibration
from models.engines import Engine
from models.engines.torch import TorchEngine
from models.labels import NONE, STANCES, VOICES, Scheme
from models.network import Network
from models.windows import WindowSpec
from training.calibrate import Predicted, fit
from training.gold import single, type_set
from training.metrics import macro_f1, types_macro_f1
from training.reads import EncodedArticle, whole_readings


def predict(network: Network, articles: Sequence[EncodedArticle], *, context: bool = True) -> list[Predicted]:
    """Logits of each article's sentences beside no target and beside each of its own."""
    # fp32 in place: the network may be in the middle of its training.
    engine = TorchEngine(network, dtype=torch.float32)
    return predict_by(engine, network.spec, network.layout.width, articles, context=context)


def predict_by(
    engine: Engine, spec: WindowSpec, width: int, articles: Sequence[EncodedArticle], *, context: bool = True
) -> list[Predicted]:
    """The same by any engine; `width` is the number of outputs a sentence."""
    asked = [(i, k, window) for i, a in enumerate(articles) for k, window in whole_readings(a, spec, context=context)]
    outputs = engine.run([window for _, _, window in asked])
    rows = {
        (i, k): np.zeros((len(a.sentences), width), dtype=np.float32)
        for i, a in enumerate(articles)
        for k in range(-1, len(a.targets))
    }
    for (i, k, window), logits in zip(asked, outputs, strict=True):
        rows[i, k][window.sentences] = logits
    return [
        Predicted(a.article, rows[i, -1], [rows[i, k] for k in range(len(a.targets))]) for i, a in enumerate(articles)
    ]


def dev_scores(predicted: Sequence[Predicted], calibration: Calibration, scheme: Scheme) -> dict[str, float]:
    """Macro-F1 of types (`none` included), voice and stance over single-answer labels, and their mean."""
    return _scores([_answers(p, calibration, scheme) for p in predicted], scheme)


def cross_fitted_scores(predicted: Sequence[Predicted], scheme: Scheme) -> dict[str, float]:
    """The same where every other article is decided by a calibration fitted on the rest."""
    halves = predicted[::2], predicted[1::2]
    calibrations = fit(halves[1], scheme), fit(halves[0], scheme)
    answers = [
        _answers(p, calibration, scheme) for half, calibration in zip(halves, calibrations, strict=True) for p in half
    ]
    return _scores(answers, scheme)


@dataclass(frozen=True, slots=True)
class _Answers:
    """(gold, guess) of one article's sentences, head by head."""

    types: list[tuple[frozenset[str], set[str]]]
    voice: list[tuple[str, str]]
    stance: list[tuple[str, str]]


def _answers(p: Predicted, calibration: Calibration, scheme: Scheme) -> _Answers:
    found = _Answers([], [], [])
    picks = calibration.choose_types(calibration.type_probabilities(p.own, scheme), scheme)
    said = calibration.voice_probabilities(p.own, scheme).argmax(axis=1)
    stood = [calibration.stance_probabilities(logits, scheme).argmax(axis=1) for logits in p.beside]
    for n, sentence in enumerate(p.article.sentences):
        if types := type_set(sentence, scheme):
            found.types.append((types, set(picks[n])))
        if voice := single(sentence.voice):
            found.voice.append((voice, VOICES[said[n]]))
        for k, allowed in enumerate(sentence.stances):
            if stance := single(allowed):
                found.stance.append((stance, STANCES[stood[k][n]]))
    return found


def _scores(answers: Sequence[_Answers], scheme: Scheme) -> dict[str, float]:
    scores: dict[str, float] = {}
    types = [pair for a in answers for pair in a.types]
    if types:
        gold, chosen = zip(*types, strict=True)
        scores["types"] = types_macro_f1(gold, chosen, (*scheme.type_ids, NONE))
    for name, labels in (("voice", VOICES), ("stance", STANCES)):
        pairs: list[tuple[str, str]] = [pair for a in answers for pair in getattr(a, name)]
        if pairs:
            scores[name] = macro_f1([truth for truth, _ in pairs], [guess for _, guess in pairs], labels)
    scores["mean"] = sum(scores.values()) / max(1, len(scores))
    return scores
