"""Pseudo-articles from sentence–target pairs; see `Compose` for what and why."""

from __future__ import annotations

import random
from collections.abc import Sequence

from models.labels import Stance
from training.articles import Allowed, LabelledArticle, LabelledSentence
from training.corpora import Compose
from training.normal import words

_UNRELATED: Allowed = frozenset((Stance.UNRELATED,))


def compose(pairs: Sequence[LabelledArticle], how: Compose, name: str) -> list[LabelledArticle]:
    """Pseudo-articles of up to `how.maximum` sentences, and the pairs that stay alone.

    Every composed pair is labelled in exactly one of them. The same pairs and the same seed give the same
    articles; pairs of different weights are not mixed.
    """
    rng = random.Random(how.seed)
    alone: list[LabelledArticle] = []
    by_target: dict[tuple[str, float], list[LabelledArticle]] = {}
    for pair in pairs:
        if len(pair.sentences) != 1 or rng.random() >= how.share:
            alone.append(pair)
        else:
            by_target.setdefault((pair.targets[0], pair.weight), []).append(pair)
    composed: list[LabelledArticle] = []
    for weight in sorted({weight for _, weight in by_target}):
        groups = [group for (_, w), group in by_target.items() if w == weight]
        everything = [pair for group in groups for pair in group]
        rng.shuffle(groups)
        for members in _bins(groups, how):
            wanted = rng.randint(how.minimum, how.maximum) - len(members)
            fillers = _fillers(members, everything, wanted, rng)
            composed.append(_article(members, fillers, how, f"{name}-composed-{len(composed)}", rng))
    return composed + alone


def _bins(groups: Sequence[list[LabelledArticle]], how: Compose) -> list[list[LabelledArticle]]:
    """Groups of one target put together, at most `how.targets` of them; a group larger than an article is cut."""
    parts = [group[i : i + how.maximum] for group in groups for i in range(0, len(group), how.maximum)]
    bins: list[list[LabelledArticle]] = []
    current: list[LabelledArticle] = []
    targets = 0
    for part in parts:
        if current and (targets == how.targets or len(current) + len(part) > how.maximum):
            bins.append(current)
            current, targets = [], 0
        current = current + part
        targets += 1
    return [*bins, current] if current else bins


def _fillers(
    members: Sequence[LabelledArticle], everything: Sequence[LabelledArticle], wanted: int, rng: random.Random
) -> list[LabelledArticle]:
    """Up to `wanted` pairs with other targets and other sentences than the members'."""
    targets = {member.targets[0] for member in members}
    texts = {member.sentences[0].text for member in members}
    drawn = rng.sample(everything, min(max(wanted, 0), len(everything)))
    return [pair for pair in drawn if pair.targets[0] not in targets and pair.sentences[0].text not in texts]


def _article(
    members: Sequence[LabelledArticle],
    fillers: Sequence[LabelledArticle],
    how: Compose,
    name: str,
    rng: random.Random,
) -> LabelledArticle:
    targets = tuple(dict.fromkeys(member.targets[0] for member in members))
    head = members[0]
    sentences = [_sentence(pair, targets, how.overlap) for pair in (*members, *fillers)]
    rng.shuffle(sentences)
    return LabelledArticle(
        id=name,
        sentences=tuple(sentences),
        targets=targets,
        corpus=head.corpus,
        weight=head.weight,
        file=head.file,
        line=head.line,
    )


def _sentence(member: LabelledArticle, targets: Sequence[str], overlap: float) -> LabelledSentence:
    sentence = member.sentences[0]
    own = member.targets[0]
    return LabelledSentence(
        text=sentence.text,
        types=sentence.types,
        primary=sentence.primary,
        voice=sentence.voice,
        stances=tuple(
            sentence.stances[0] if target == own else _other(sentence.text, target, overlap) for target in targets
        ),
    )


def _other(text: str, target: str, overlap: float) -> Allowed | None:
    """`unrelated`, unless so many of the target's words occur that it may well be about the same thing."""
    wanted = set(words(target))
    shared = len(wanted & set(words(text))) / len(wanted) if wanted else 1.0
    return _UNRELATED if shared <= overlap else None
