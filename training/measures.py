"""How good a system's answers are: per head and label, with intervals, in slices, and how far off its scores are.

Every function takes `Answered` articles, so a bundle and a baseline are measured by the same code.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.labels import NONE, STANCES, VOICES, Scheme
from training import metrics
from training.articles import Allowed
from training.gold import single, type_set
from training.metrics import Calibration, Counts, Difference, Floats, Interval, ThresholdPoint
from training.normal import words
from training.predictions import Answered, Said

HEADS = ("types", "primary", "voice", "stance", "checkable")
MAIN = ("types", "voice", "stance")
_YES, _NO = "yes", "no"
_THRESHOLDS = tuple(round(step / 20, 2) for step in range(1, 20))
_HARDEST = 25


@dataclass(frozen=True, slots=True)
class Item:
    """One question that a system answered: the gold and given labels and the scores behind them."""

    article: int
    sentence: int
    target: int | None
    gold: frozenset[str]
    said: frozenset[str]
    scores: dict[str, float]


@dataclass(frozen=True, slots=True)
class LabelResult:
    """One label; `f1` has its interval, `support` is the number of gold items."""

    label: str
    precision: float
    recall: float
    f1: Interval
    support: int


@dataclass(frozen=True, slots=True)
class HeadResult:
    """One head; `within` is the share of partially labelled items answered inside their set.

    `confusion` has gold labels as rows, and is absent where an item may have several answers.
    """

    macro_f1: Interval
    accuracy: float
    labels: tuple[LabelResult, ...]
    items: int
    confusion: list[list[int]] | None
    partial_items: int
    within: float | None


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of the data and its macro-F1 per head (absent where it has no items)."""

    name: str
    articles: int
    sentences: int
    macro_f1: dict[str, Interval]


@dataclass(frozen=True, slots=True)
class Hard:
    """An answer that was far off: where it is, and -log of the probability it gave to the truth."""

    head: str
    article: str
    sentence: int
    target: int | None
    gold: list[str]
    said: list[str]
    loss: float


def labels_of(head: str, scheme: Scheme) -> tuple[str, ...]:
    """The labels that a head's macro-F1 is the mean over; `none` is one of the types."""
    by_head = {
        "types": (*scheme.type_ids, NONE),
        "primary": (*scheme.type_ids, NONE),
        "voice": VOICES,
        "stance": STANCES,
        "checkable": (_YES, _NO),
    }
    return by_head[head]


def items(answered: Sequence[Answered], head: str, scheme: Scheme) -> list[Item]:
    """Everything of one head that has a single right answer (for types: a complete annotation)."""
    return list(_items(answered, head, scheme))


def _items(answered: Sequence[Answered], head: str, scheme: Scheme) -> Iterator[Item]:
    for a, one in enumerate(answered):
        for s, (sentence, said) in enumerate(zip(one.article.sentences, one.said, strict=True)):
            if head == "stance":
                for t, allowed in enumerate(sentence.stances):
                    if gold := single(allowed):
                        yield Item(a, s, t, frozenset((gold,)), frozenset((said.stances[t],)), said.stance_scores[t])
            elif head == "voice":
                if gold := single(sentence.voice):
                    yield Item(a, s, None, frozenset((gold,)), frozenset((said.voice,)), said.voice_scores)
            elif (types := type_set(sentence, scheme)) is not None:
                primary = single(sentence.primary) or (NONE if NONE in types else None)
                if found := _of_types(head, types, primary, said, scheme):
                    yield Item(a, s, None, *found, said.type_scores)


def _of_types(
    head: str, types: frozenset[str], primary: str | None, said: Said, scheme: Scheme
) -> tuple[frozenset[str], frozenset[str]] | None:
    if head == "types":
        return types, said.types
    if head == "primary":
        return None if primary is None else (frozenset((primary,)), frozenset((said.primary,)))
    gold, given = (_YES if scheme.is_checkable(found) else _NO for found in (types, said.types))
    return frozenset((gold,)), frozenset((given,))


def counts(found: Sequence[Item], head: str, scheme: Scheme, articles: int) -> Counts:
    """Hits, false alarms and misses per article and label, shape (articles, labels, 3)."""
    labels = labels_of(head, scheme)
    table = np.zeros((articles, len(labels), 3))
    for item in found:
        table[item.article] += metrics.set_counts([item.gold], [item.said], labels)
    return table


def head_result(answered: Sequence[Answered], head: str, scheme: Scheme) -> HeadResult | None:
    """A head's scores over all articles; nothing where the corpus does not label it."""
    found = items(answered, head, scheme)
    inside = list(_within(answered, head))
    if not found and not inside:
        return None
    labels = labels_of(head, scheme)
    per_article = _occupied(counts(found, head, scheme, len(answered)))
    score = metrics.scores_of(per_article.sum(axis=0), labels, len(found))
    rows = []
    for i, label in enumerate(score.labels):
        f1 = (
            metrics.interval(per_article[:, i, :], metrics.f1_of)
            if label.support
            else Interval(label.f1, label.f1, label.f1)
        )
        rows.append(LabelResult(label.label, label.precision, label.recall, f1, label.support))
    return HeadResult(
        macro_f1=metrics.interval(per_article),
        accuracy=sum(item.gold == item.said for item in found) / max(len(found), 1),
        labels=tuple(rows),
        items=len(found),
        confusion=None if head == "types" else _confusion(found, labels),
        partial_items=len(inside),
        within=sum(inside) / len(inside) if inside else None,
    )


def _occupied(per_article: Counts) -> Counts:
    """Without the articles that have no item: they would only dilute the resamples."""
    some = per_article.sum(axis=(1, 2)) > 0
    return per_article[some] if some.any() else per_article[:1]


def _confusion(found: Sequence[Item], labels: Sequence[str]) -> list[list[int]]:
    gold = [next(iter(item.gold)) for item in found]
    said = [next(iter(item.said)) for item in found]
    table: list[list[int]] = metrics.confusion(gold, said, labels).tolist()
    return table


def _within(answered: Sequence[Answered], head: str) -> Iterator[bool]:
    for one in answered:
        for sentence, said in zip(one.article.sentences, one.said, strict=True):
            if head == "voice" and _is_partial(sentence.voice):
                yield said.voice in (sentence.voice or ())
            if head == "stance":
                for allowed, stance in zip(sentence.stances, said.stances, strict=True):
                    if _is_partial(allowed):
                        yield stance in (allowed or ())


def _is_partial(allowed: Allowed | None) -> bool:
    return allowed is not None and len(allowed) > 1


def slices(answered: Sequence[Answered], scheme: Scheme, name_of: Callable[[Answered, int], str | None]) -> list[Slice]:
    """Scores of the parts that `name_of` (article, sentence index) cuts the sentences into, largest first."""
    place = {(a, s): name_of(one, s) for a, one in enumerate(answered) for s in range(len(one.said))}
    names = [name for name in dict.fromkeys(place.values()) if name is not None]
    found = {head: items(answered, head, scheme) for head in MAIN}
    parts = []
    for name in names:
        inside = [key for key, value in place.items() if value == name]
        scores = {}
        for head in MAIN:
            part = [item for item in found[head] if place[item.article, item.sentence] == name]
            if part:
                scores[head] = metrics.interval(_occupied(counts(part, head, scheme, len(answered))))
        parts.append(Slice(name, len({a for a, _ in inside}), len(inside), scores))
    return sorted(parts, key=lambda part: -part.sentences)


def by_source(answered: Sequence[Answered], scheme: Scheme) -> list[Slice]:
    """One slice a paper."""
    return slices(answered, scheme, lambda one, _: one.article.source)


def by_position(answered: Sequence[Answered], scheme: Scheme) -> list[Slice]:
    """One slice a stretch of the article, for articles of several sentences."""

    def name(one: Answered, s: int) -> str | None:
        if len(one.said) < 2:
            return None
        return "1 (title)" if s == 0 else "2 (lead)" if s == 1 else "3–5" if s < 5 else "6–10" if s < 10 else "11–"

    return sorted(slices(answered, scheme, name), key=lambda part: int(part.name.split("–")[0].split()[0]))


def by_length(answered: Sequence[Answered], scheme: Scheme) -> list[Slice]:
    """One slice a range of sentence lengths in words."""

    def name(one: Answered, s: int) -> str:
        length = len(words(one.article.sentences[s].text))
        return "1–10" if length <= 10 else "11–20" if length <= 20 else "21–35" if length <= 35 else "36–"

    return sorted(slices(answered, scheme, name), key=lambda part: int(part.name.split("–")[0]))


def type_table(answered: Sequence[Answered], scheme: Scheme) -> tuple[Floats, Floats]:
    """Scores and truth (0 or 1) of every claim type, both of shape (items, types)."""
    found = items(answered, "types", scheme)
    scores = np.array([[item.scores.get(name, 0.0) for name in scheme.type_ids] for item in found])
    truth = np.array([[float(name in item.gold) for name in scheme.type_ids] for item in found])
    return scores, truth


def answer_table(answered: Sequence[Answered], head: str, scheme: Scheme) -> tuple[Floats, NDArray[np.int64]]:
    """Scores (items, labels) of a single-answer head, and the place (items,) of each gold label."""
    found, labels = items(answered, head, scheme), labels_of(head, scheme)
    scores = np.array([[item.scores.get(name, 0.0) for name in labels] for item in found])
    gold = np.array([labels.index(next(iter(item.gold))) for item in found], dtype=np.int64)
    return scores, gold


def calibration(answered: Sequence[Answered], scheme: Scheme) -> dict[str, Calibration]:
    """How far the scores can be believed: all yes-or-no questions of types together, voice, stance."""
    found: dict[str, Calibration] = {}
    scores, truth = type_table(answered, scheme)
    if len(truth):
        found["types"] = metrics.binary_calibration(scores.ravel(), truth.ravel())
    for head in ("voice", "stance"):
        scores, gold = answer_table(answered, head, scheme)
        if len(gold):
            found[head] = metrics.softmax_calibration(scores, gold)
    return found


def threshold_curves(answered: Sequence[Answered], scheme: Scheme) -> dict[str, tuple[ThresholdPoint, ...]]:
    """Precision, recall and F1 of each type at thresholds from 0.05 to 0.95."""
    scores, truth = type_table(answered, scheme)
    return {
        name: metrics.threshold_curve(scores[:, k], truth[:, k], _THRESHOLDS)
        for k, name in enumerate(scheme.type_ids if len(truth) else ())
    }


def hardest(answered: Sequence[Answered], scheme: Scheme, number: int = _HARDEST) -> list[Hard]:
    """Each head's answers that were most wrong, worst first."""
    found = []
    for head in MAIN:
        wrong = [item for item in items(answered, head, scheme) if item.gold != item.said]
        scored = sorted(((_loss(head, item, scheme), item) for item in wrong), key=lambda pair: -pair[0])
        found += [
            Hard(
                head,
                answered[item.article].article.id,
                item.sentence,
                item.target,
                sorted(item.gold),
                sorted(item.said),
                round(loss, 3),
            )
            for loss, item in scored[:number]
        ]
    return found


def _loss(head: str, item: Item, scheme: Scheme) -> float:
    if head != "types":
        return -math.log(max(item.scores.get(next(iter(item.gold)), 0.0), 1e-12))
    right = [p if name in item.gold else 1 - p for name in scheme.type_ids if (p := item.scores.get(name)) is not None]
    return -math.log(max(min(right, default=1.0), 1e-12))


def differences(ours: Sequence[Answered], theirs: Sequence[Answered], scheme: Scheme) -> dict[str, Difference]:
    """The paired bootstrap of each head's macro-F1, on the same articles in the same order."""
    found = {}
    for head in HEADS:
        a = counts(items(ours, head, scheme), head, scheme, len(ours))
        b = counts(items(theirs, head, scheme), head, scheme, len(theirs))
        if a.any():
            some = (a.sum(axis=(1, 2)) > 0) | (b.sum(axis=(1, 2)) > 0)
            found[head] = metrics.paired(a[some], b[some])
    return found


def macro_f1s(answered: Sequence[Answered], scheme: Scheme) -> dict[str, float]:
    """Just the macro-F1 of every head that the articles label."""
    found: dict[str, float] = {}
    for head in HEADS:
        part = items(answered, head, scheme)
        if part:
            found[head] = float(metrics.macro_of(counts(part, head, scheme, len(answered)).sum(axis=0)))
    return found


def everything(answered: Sequence[Answered], scheme: Scheme) -> dict[str, Any]:
    """All of the above for one corpus, heads that it does not label left out."""
    heads = {head: result for head in HEADS if (result := head_result(answered, head, scheme))}
    return {
        "heads": heads,
        "by_source": by_source(answered, scheme),
        "by_position": by_position(answered, scheme),
        "by_length": by_length(answered, scheme),
        "calibration": calibration(answered, scheme),
        "threshold_curves": threshold_curves(answered, scheme),
        "hardest": hardest(answered, scheme),
    }
