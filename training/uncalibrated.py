"""What a bundle's probabilities were before its calibration, recovered from the ones it serves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import expit, logit

from models.calibrate import Calibration, in_order, softmax
from models.labels import Scheme
from training import metrics
from training.measures import answer_table, labels_of, type_table
from training.predictions import Answered

_SMALLEST = 1e-12


def uncalibrated_nll(answered: Sequence[Answered], calibration: Calibration, scheme: Scheme) -> dict[str, float]:
    """Mean negative log-likelihood of each labelled head with every step of its calibration undone."""
    found: dict[str, float] = {}
    scores, truth = type_table(answered, scheme)
    if len(truth):
        platt = [calibration.types[name] for name in scheme.type_ids]
        slopes, offsets = np.array([p.slope for p in platt]), np.array([p.offset for p in platt])
        raw = expit((logit(np.clip(scores, _SMALLEST, 1 - _SMALLEST)) - offsets) / slopes).ravel()
        found["types"] = metrics.nll(np.stack([1 - raw, raw], axis=1), truth.ravel().astype(np.int64))
    for head, temperature, added in (
        ("voice", calibration.temperatures.voice, calibration.adjustments.voice),
        ("stance", calibration.temperatures.stance, calibration.adjustments.stance),
    ):
        scores, gold = answer_table(answered, head, scheme)
        if len(gold):
            logits = (np.log(np.maximum(scores, _SMALLEST)) - in_order(added, labels_of(head, scheme))) * temperature
            found[head] = metrics.nll(softmax(logits, 1.0), gold)
    return found
