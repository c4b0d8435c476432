"""Stance scored in the classes that a corpus itself has, where one of them is a set of ours.

ANS says `other` for what is discuss or unrelated here: such a label is partial and cannot be scored against a
single answer, but as one class it can.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.labels import STANCES
from training import metrics
from training.metrics import Interval
from training.predictions import Answered


@dataclass(frozen=True, slots=True)
class SetResult:
    """Macro-F1 over the corpus's own classes; `f1` by class, named by its stances joined with "/"."""

    macro_f1: Interval
    f1: dict[str, float]
    items: int


def by_label_set(answered: Sequence[Answered]) -> SetResult | None:
    """Stances in the corpus's own classes; nothing where no class is a set, or where two classes overlap."""
    pairs = [
        (a, allowed, stance)
        for a, one in enumerate(answered)
        for sentence, said in zip(one.article.sentences, one.said, strict=True)
        for allowed, stance in zip(sentence.stances, said.stances, strict=True)
        if allowed
    ]
    classes = sorted({allowed for _, allowed, _ in pairs}, key=lambda c: [s not in c for s in STANCES])
    place = {stance: _name(allowed) for allowed in classes for stance in allowed}
    if all(len(allowed) == 1 for allowed in classes) or sum(map(len, classes)) > len(place):
        return None
    names = [_name(allowed) for allowed in classes]
    counts = np.zeros((len(answered), len(names), 3))
    for a, allowed, stance in pairs:
        counts[a] += metrics.class_counts([_name(allowed)], [place.get(stance, "")], names)
    f1 = np.nan_to_num(metrics.f1_of(counts.sum(axis=0)))
    return SetResult(metrics.interval(counts), dict(zip(names, map(float, f1), strict=True)), len(pairs))


def _name(allowed: frozenset[str]) -> str:
    return "/".join(stance for stance in STANCES if stance in allowed)
