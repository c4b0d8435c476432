"""What a bundle's probabilities were before its calibration, recovered from the ones it serves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import expit, logit

from models.calibrate import Calibration, in_order, softmax
from models.labels import STANCES, VOICES, Scheme
from training import metrics
from training.measures import items
from training.metrics import Floats
from training.predictions import Answered

_SMALLEST = 1e-12


def uncalibrated_nll(answered: Sequence[Answered], calibration: Calibration, scheme: Scheme) -> dict[str, float]:
    """Mean negative log-likelihood of each labelled head with every step of its calibration undone."""
    found: dict[str, float] = {}
    types = items(answered, "types", scheme)
    if types:
        platt = [calibration.types[name] for name in scheme.type_ids]
        slopes, offsets = np.array([p.slope for p in platt]), np.array([p.offset for p in platt])
        served = np.array([[item.scores[name] for name in scheme.type_ids] for item in types])
        raw = expit((logit(np.clip(served, _SMALLEST, 1 - _SMALLEST)) - offsets) / slopes)
        truth = np.array([[name in item.gold for name in scheme.type_ids] for item in types])
        found["types"] = metrics.nll(np.stack([1 - raw.ravel(), raw.ravel()], axis=1), truth.ravel().astype(np.int64))
    for head, names, temperature, added in (
        ("voice", VOICES, calibration.temperatures.voice, calibration.adjustments.voice),
        ("stance", STANCES, calibration.temperatures.stance, calibration.adjustments.stance),
    ):
        part = items(answered, head, scheme)
        if part:
            scores: Floats = np.array([[item.scores[name] for name in names] for item in part])
            logits = (np.log(np.maximum(scores, _SMALLEST)) - in_order(added, names)) * temperature
            gold = np.array([names.index(next(iter(item.gold))) for item in part])
            found[head] = metrics.nll(softmax(logits, 1.0), gold)
    return found
