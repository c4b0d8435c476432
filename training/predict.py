"""Logits of labelled articles, read as serving reads them, and the dev scores that follow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from models.calibrate import Calibration
from models.engines import Engine, Heads
from models.engines.torch import TorchEngine
from models.labels import NONE, STANCES, VOICES, Scheme
from models.network import Network
from models.windows import WindowSpec
from training.calibrate import Predicted
from training.metrics import macro_f1, types_macro_f1
from training.reads import EncodedArticle, whole_readings


def predict(network: Network, articles: Sequence[EncodedArticle]) -> list[Predicted]:
    """Logits of each article's sentences beside no target and beside each of its own."""
    # fp32 in place: the network may be in the middle of its training.
    engine = TorchEngine(network, dtype=torch.float32)
    return predict_by(engine, network.spec, network.layout.width, articles)


def predict_by(engine: Engine, spec: WindowSpec, width: int, articles: Sequence[EncodedArticle]) -> list[Predicted]:
    """The same by any engine; `width` is the number of outputs a sentence."""
    asked = [(i, k, window) for i, a in enumerate(articles) for k, window in whole_readings(a, spec)]
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
    heads = Heads(len(scheme.types))
    gold_types: list[set[str]] = []
    chosen: list[set[str]] = []
    voices: list[tuple[str, str]] = []
    stances: list[tuple[str, str]] = []
    for p in predicted:
        picks = calibration.choose_types(calibration.type_probabilities(p.own, scheme), scheme)
        said = [VOICES[i] for i in p.own[:, heads.voice].argmax(axis=1)]
        for n, sentence in enumerate(p.article.sentences):
            if sentence.types is not None and all(name in sentence.types for name in scheme.type_ids):
                gold_types.append({name for name in scheme.type_ids if sentence.types[name]} or {NONE})
                chosen.append(set(picks[n]))
            if sentence.voice and len(sentence.voice) == 1:
                voices.append((next(iter(sentence.voice)), said[n]))
            for k, allowed in enumerate(sentence.stances):
                if allowed and len(allowed) == 1:
                    guess = STANCES[int(p.beside[k][n, heads.stance].argmax())]
                    stances.append((next(iter(allowed)), guess))
    scores: dict[str, float] = {}
    if gold_types:
        scores["types"] = types_macro_f1(gold_types, chosen, (*scheme.type_ids, NONE))
    for name, pairs, labels in (("voice", voices, VOICES), ("stance", stances, STANCES)):
        if pairs:
            scores[name] = macro_f1([truth for truth, _ in pairs], [guess for _, guess in pairs], labels)
    scores["mean"] = sum(scores.values()) / max(1, len(scores))
    return scores
