"""What a stance score hides: does the model read the sentence, the target, and how they bear on each other?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from models.labels import POLAR, STANCES, Scheme, Stance
from training import measures, metrics
from training.articles import LabelledArticle
from training.baselines import Linear
from training.gold import single
from training.metrics import Interval
from training.predictions import Answered, with_stances

# A fourth target beside three others is, in the gold articles, a minimal edit of the first that they contradict.
_THREE = ("A (supported)", "B (contradicted)", "C (open)")
_KINDS: dict[int, tuple[str, ...]] = {3: _THREE, 4: (*_THREE, "contrast (A, minimally edited)")}


@dataclass(frozen=True, slots=True)
class Alarms:
    """Sentences read beside targets of other articles, where every side taken is an error."""

    sentences: int
    agree_per_1000: float
    disagree_per_1000: float
    discuss_per_1000: float


@dataclass(frozen=True, slots=True)
class Polarity:
    """Sentences that take a side, on targets that have both sides.

    `accuracy` is of the likelier side; `one_side` of always giving each target its more frequent gold side.
    """

    targets: int
    sentences: int
    accuracy: Interval
    one_side: float


@dataclass(frozen=True, slots=True)
class Contrast:
    """Sentences that agree with target A in gold and disagree with its minimal edit.

    `found` is the share on which the model agrees with A; `turned` the share of those on which it disagrees
    with the edit; `both` the share with both right.
    """

    sentences: int
    found: float
    turned: float
    both: Interval


def kinds(answered: Sequence[Answered], scheme: Scheme) -> list[dict[str, Any]]:
    """Stance scores by the target's place among its article's; empty where articles have one target."""
    found = measures.items(answered, "stance", scheme)
    most = max((len(one.article.targets) for one in answered), default=0)
    if most < 2:
        return []
    names = _KINDS.get(most) or tuple(f"target {place + 1}" for place in range(most))
    rows = []
    for place, name in enumerate(names):
        part = [item for item in found if item.target == place]
        if part:
            table = measures.counts(part, "stance", scheme, len(answered))
            score = metrics.scores_of(table.sum(axis=0), STANCES, len(part))
            rows.append(
                {
                    "name": name,
                    "items": len(part),
                    "accuracy": sum(item.gold == item.said for item in part) / len(part),
                    "macro_f1": metrics.interval(table),
                    "labels": score.labels,
                }
            )
    return rows


def alarms(answered: Sequence[Answered]) -> Alarms | None:
    """False alarms per 1,000 sentences, one foreign target each."""
    counted = Counter(stance for one in answered for row in one.foreign for stance in row)
    total = sum(counted.values())
    if not total:
        return None
    rate = {stance: 1000 * counted[stance] / total for stance in STANCES}
    return Alarms(total, rate[Stance.AGREE], rate[Stance.DISAGREE], rate[Stance.DISCUSS])


def polarity(answered: Sequence[Answered]) -> Polarity | None:
    """Whether the model tells the sides apart where both occur."""
    agree, disagree = POLAR
    per_target, right_one_side, targets = [], 0, 0
    for one in answered:
        for t in range(len(one.article.targets)):
            gold = [(s, single(sentence.stances[t])) for s, sentence in enumerate(one.article.sentences)]
            sided = [(s, stance) for s, stance in gold if stance in POLAR]
            if len({stance for _, stance in sided}) < 2:
                continue
            targets += 1
            right_one_side += max(Counter(stance for _, stance in sided).values())
            hits = 0
            for s, stance in sided:
                scores = one.said[s].stance_scores[t]
                likelier = agree if scores.get(agree, 0.0) >= scores.get(disagree, 0.0) else disagree
                hits += likelier == stance
            per_target.append([float(hits), float(len(sided))])
    if not targets:
        return None
    table = np.array(per_target)
    sentences = int(table[:, 1].sum())
    return Polarity(
        targets, sentences, metrics.interval(table, lambda c: c[..., 0] / c[..., 1]), right_one_side / sentences
    )


def contrast(answered: Sequence[Answered]) -> Contrast | None:
    """How often a sentence that agrees with A turns to disagree when A is edited so that it is contradicted."""
    agree, disagree = POLAR
    found = turned = 0
    per_article = []
    for one in answered:
        if len(one.article.targets) != len(_KINDS[4]):
            continue
        both = total = 0
        for sentence, said in zip(one.article.sentences, one.said, strict=True):
            if (single(sentence.stances[0]), single(sentence.stances[3])) == (agree, disagree):
                total += 1
                if said.stances[0] == agree:
                    found += 1
                    turned += said.stances[3] == disagree
                    both += said.stances[3] == disagree
        if total:
            per_article.append([float(both), float(total)])
    if not per_article:
        return None
    table = np.array(per_article)
    sentences = int(table[:, 1].sum())
    share = metrics.interval(table, lambda c: c[..., 0] / c[..., 1])
    return Contrast(sentences, found / sentences, turned / found if found else 0.0, share)


def one_side(answered: Sequence[Answered]) -> list[Answered]:
    """The answers with every target's sides flattened to the one that the model thinks likelier over all."""
    return [with_stances(one, _flattened(one, [list(said.stances) for said in one.said])) for one in answered]


def gold_one_side(answered: Sequence[Answered]) -> list[Answered]:
    """Gold itself with each target's sides flattened: the best that a model can do without telling sides apart."""
    flat = []
    for one in answered:
        gold = [[single(allowed) or STANCES[-1] for allowed in s.stances] for s in one.article.sentences]
        for t in range(len(one.article.targets)):
            sides = Counter(row[t] for row in gold if row[t] in POLAR)
            for row in gold:
                row[t] = sides.most_common(1)[0][0] if row[t] in POLAR else row[t]
        flat.append(with_stances(one, gold))
    return flat


def _flattened(one: Answered, stances: list[list[str]]) -> list[list[str]]:
    agree, disagree = POLAR
    for t in range(len(one.article.targets)):
        sums = {side: sum(said.stance_scores[t].get(side, 0.0) for said in one.said) for side in POLAR}
        side = agree if sums[agree] >= sums[disagree] else disagree
        for row in stances:
            row[t] = side if row[t] in POLAR else row[t]
    return stances


def shortcuts(answered: Sequence[Answered], scheme: Scheme, train: Sequence[LabelledArticle] = ()) -> dict[str, float]:
    """Stance macro-F1 of models that cannot compare sentence and target, beside the real one.

    With training articles, logistic regressions that see only the target or only the sentence are among them.
    """
    if not measures.items(answered, "stance", scheme):
        return {}
    found = {
        "one side per target": _stance(one_side(answered), scheme),
        "gold with one side per target": _stance(gold_one_side(answered), scheme),
    }
    articles = [one.article for one in answered]
    if any(article.targets for article in train):
        found["target only"] = _stance(Linear.fit(train, reads="target", scheme=scheme).answer(articles), scheme)
        found["sentence only"] = _stance(Linear.fit(train, reads="sentence", scheme=scheme).answer(articles), scheme)
    return found


def _stance(answered: Sequence[Answered], scheme: Scheme) -> float:
    return measures.macro_f1s(answered, scheme)["stance"]


def documents(answered: Sequence[Answered]) -> dict[str, Any] | None:
    """Stance of whole articles against the corpus's own document labels."""
    rows, gold, said, mixed = [], [], [], 0
    for one in answered:
        for allowed, found in zip(one.article.document_stances, one.document, strict=False):
            if stance := single(allowed):
                gold.append(stance)
                said.append(found.label)
                mixed += found.mixed
                rows.append(metrics.class_counts([stance], [found.label], STANCES))
    if not rows:
        return None
    table = np.stack(rows)
    return {
        "items": len(gold),
        "accuracy": sum(a == b for a, b in zip(gold, said, strict=True)) / len(gold),
        "macro_f1": metrics.interval(table),
        "labels": [asdict(label) for label in metrics.head_scores(gold, said, STANCES).labels],
        "confusion": metrics.confusion(gold, said, STANCES).tolist(),
        "mixed": mixed,
    }
