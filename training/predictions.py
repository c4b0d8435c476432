"""What a system says of labelled articles, whichever system it is: a bundle or a baseline."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from models.errors import InputError
from models.tagger import Tagger
from models.tags import Document, DocumentStance, Tags
from training.articles import LabelledArticle


@dataclass(frozen=True, slots=True)
class Said:
    """One sentence as a system tags it; scores are probabilities by label, stances one per target."""

    types: frozenset[str]
    primary: str
    voice: str
    type_scores: dict[str, float]
    voice_scores: dict[str, float]
    stances: tuple[str, ...]
    stance_scores: tuple[dict[str, float], ...]
    tokens_cut: bool = False


@dataclass(frozen=True, slots=True)
class Answered:
    """A labelled article with a system's answers, sentence for sentence.

    `foreign` are the stances of each sentence toward targets of other articles (sentences, foreign targets).
    `document` is the system's own stance of the whole article per target, empty for systems without one.
    """

    article: LabelledArticle
    said: tuple[Said, ...]
    foreign: tuple[tuple[str, ...], ...] = ()
    document: tuple[DocumentStance, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """An article that the tagger would not tag, and why."""

    article: LabelledArticle
    message: str


def by_tagger(
    tagger: Tagger, articles: Sequence[LabelledArticle], *, context: bool = True, foreign: int = 0, batch: int = 32
) -> Iterator[Answered | Refused]:
    """Tag articles through the serving path, their sentences as they stand.

    `foreign` targets of other articles are asked beside each article's own, drawn by the article's id.
    """
    others = foreign_targets(articles, foreign)
    for first in range(0, len(articles), batch):
        part = articles[first : first + batch]
        asked = [
            Document(
                id=article.id,
                sentences=tuple(sentence.text for sentence in article.sentences),
                targets=(*article.targets, *others[first + i]),
                context=context,
            )
            for i, article in enumerate(part)
        ]
        for article, document, tags in zip(part, asked, tagger.tag(asked), strict=True):
            if isinstance(tags, InputError) and foreign:
                # Another article's target must not cost this one its place.
                (tags,) = tagger.tag([replace(document, targets=article.targets)])
            yield Refused(article, str(tags)) if isinstance(tags, InputError) else _answered(article, tags)


def foreign_targets(articles: Sequence[LabelledArticle], number: int) -> list[tuple[str, ...]]:
    """For each article, `number` targets of articles that share none of its own targets, ever the same."""
    owners: dict[str, set[str]] = {}
    for article in articles:
        for target in article.targets:
            owners.setdefault(target, set()).add(article.id)
    pool = sorted(owners)
    drawn = []
    for article in articles:
        seed = hashlib.blake2b(article.id.encode(), digest_size=8).digest()
        order = random.Random(seed).sample(pool, min(len(pool), number * 8 + len(article.targets)))
        own = set(article.targets)
        strange = [t for t in order if t not in own and article.id not in owners[t]] if own else []
        drawn.append(tuple(strange[:number]))
    return drawn


def _answered(article: LabelledArticle, tags: Tags) -> Answered:
    own = len(article.targets)
    said = []
    for sentence in tags.sentences:
        scores = tuple(scores for scores in sentence.stance_scores[:own] if scores is not None)
        said.append(
            Said(
                types=frozenset(sentence.types),
                primary=sentence.primary,
                voice=sentence.voice,
                type_scores=sentence.type_scores,
                voice_scores=sentence.voice_scores,
                stances=tuple(stance for stance in sentence.stances[:own] if stance is not None),
                stance_scores=scores,
                tokens_cut=sentence.truncated,
            )
        )
    foreign = tuple(tuple(s for s in sentence.stances[own:] if s is not None) for sentence in tags.sentences)
    return Answered(article, tuple(said), foreign, tags.document[:own])


def with_stances(answered: Answered, stances: Sequence[Sequence[str]]) -> Answered:
    """The same answers with other stances, one row per sentence."""
    said = tuple(replace(one, stances=tuple(row)) for one, row in zip(answered.said, stances, strict=True))
    return replace(answered, said=said)
