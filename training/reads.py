"""What the network reads in training: crops of articles beside an empty target, their own, or another's."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from tokenizers import Tokenizer

from models.labels import Stance
from models.windows import Ids, Window, WindowSpec, beside, encode, joined, windows
from training.articles import Allowed, LabelledArticle, LabelledSentence
from training.config import Crops


@dataclass(frozen=True, slots=True, eq=False)
class EncodedArticle:
    """An article with each sentence and target tokenised once."""

    article: LabelledArticle
    sentences: list[Ids]
    targets: list[Ids]


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """A window with what is known of its scored sentences; `weight` is the article's."""

    window: Window
    sentences: tuple[LabelledSentence, ...]
    stances: tuple[Allowed | None, ...]
    beside_target: bool
    weight: float


def encode_articles(
    articles: Sequence[LabelledArticle], tokenizer: Tokenizer, normalise: Callable[[str], str]
) -> list[EncodedArticle]:
    """Normalise and tokenise every sentence and target of a corpus in one batch."""
    texts = [normalise(t) for a in articles for t in (*(s.text for s in a.sentences), *a.targets)]
    ids = iter(encode(tokenizer, texts))
    return [EncodedArticle(a, [next(ids) for _ in a.sentences], [next(ids) for _ in a.targets]) for a in articles]


class Reads:
    """All readings of a training run, each item a function of (seed, index): nothing depends on what came before.

    An item is one reading; where the encoder reads target and article apart, all readings of one pass over an article.
    Index i belongs to epoch i // `per_epoch`; within an epoch the items are shuffled. Their number is rounded up to a
    `multiple`, so that every step of every process is a full one.
    """

    def __init__(
        self,
        articles: Sequence[EncodedArticle],
        spec: WindowSpec,
        crops: Crops,
        *,
        epochs: float,
        seed: int,
        multiple: int = 1,
    ) -> None:
        self._articles, self._spec, self._crops, self._seed = articles, spec, crops, seed
        self._foreign = [(i, t) for i, a in enumerate(articles) for t in a.targets]
        kinds = [(i, self._kinds(a)) for i, a in enumerate(articles)]
        self._plan = kinds if spec.apart else [(i, [kind]) for i, found in kinds for kind in found]
        self.per_epoch = len(self._plan)
        self._length = -(-round(self.per_epoch * epochs) // multiple) * multiple
        self._orders: dict[int, list[int]] = {}

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> list[Reading]:
        epoch, place = divmod(index, self.per_epoch)
        article, kinds = self._plan[self._order(epoch)[place]]
        return self._read(self._articles[article], article, kinds, random.Random(f"{self._seed}/{index}"))

    def _kinds(self, article: EncodedArticle) -> list[int]:
        """-1 for an empty target, -2 for one of another article, else the index of the target.

        Articles without a target of their own are read without foreign ones too: nothing is known of them.
        """
        if not article.targets:
            return [-1] * self._crops.empty
        own = list(range(len(article.targets)))
        labelled = [t for t in own if any(t < len(s.stances) and s.stances[t] for s in article.article.sentences)]
        types = any(s.types is not None or s.voice is not None for s in article.article.sentences)
        foreign = self._crops.foreign * max(1, len(labelled))
        whole = int(foreign)
        extra = random.Random(f"{self._seed}/{article.article.id}").random() < foreign - whole
        return [-1] * (self._crops.empty if types else 0) + labelled + [-2] * (whole + extra)

    def _order(self, epoch: int) -> list[int]:
        if epoch not in self._orders:
            order = list(range(self.per_epoch))
            random.Random(f"{self._seed}/epoch {epoch}").shuffle(order)
            self._orders[epoch] = order
        return self._orders[epoch]

    def _read(self, encoded: EncodedArticle, own: int, kinds: Sequence[int], rng: random.Random) -> list[Reading]:
        if not self._spec.apart:
            (kind,) = kinds
            target, stances = self._target(encoded, own, kind, rng)
            window, kept = self._window(encoded, target, rng)
            return [self._reading(encoded, window, stances[kept], kept, kind)]
        article, kept = self._window(encoded, None, rng)
        found = []
        for kind in kinds:
            target, stances = self._target(encoded, own, kind, rng)
            window = article if target is None else joined(target[: self._spec.max_target_tokens], article)
            found.append(self._reading(encoded, window, stances[kept], kept, kind))
        return found

    def _window(self, encoded: EncodedArticle, target: Ids | None, rng: random.Random) -> tuple[Window, slice]:
        """A window of a random crop, and the article's sentences that it reads."""
        first, last = self._crop(len(encoded.sentences), rng)
        found = windows(encoded.sentences[first:last], target, self._spec)
        # A crop longer than a window is read through one of its windows.
        window = rng.choice(found)
        # In training every sentence of the window is scored, not only those away from its edges.
        offset = first + int(window.sentences[0] - window.scored[0])
        everything = np.arange(len(window.ends), dtype=np.int32)
        window = replace(window, scored=everything, sentences=everything + offset)
        return window, slice(offset, offset + len(everything))

    @staticmethod
    def _reading(
        encoded: EncodedArticle, window: Window, stances: tuple[Allowed | None, ...], kept: slice, kind: int
    ) -> Reading:
        sentences = encoded.article.sentences[kept]
        return Reading(window, sentences, stances, beside_target=kind != -1, weight=encoded.article.weight)

    def _target(
        self, encoded: EncodedArticle, own: int, kind: int, rng: random.Random
    ) -> tuple[Ids | None, tuple[Allowed | None, ...]]:
        sentences = encoded.article.sentences
        if kind == -1:
            return None, (None,) * len(sentences)
        if kind == -2:
            others = [t for i, t in rng.sample(self._foreign, min(8, len(self._foreign))) if i != own]
            if others:
                return others[0], (frozenset({str(Stance.UNRELATED)}),) * len(sentences)
            kind = 0
        return encoded.targets[kind], tuple(s.stances[kind] if kind < len(s.stances) else None for s in sentences)

    def _crop(self, count: int, rng: random.Random) -> tuple[int, int]:
        draw = rng.random()
        if draw < self._crops.whole:
            return 0, count
        size = 1 if draw < self._crops.whole + self._crops.single else rng.randint(1, count)
        first = rng.randint(0, count - size)
        return first, first + size


def whole_readings(encoded: EncodedArticle, spec: WindowSpec, *, context: bool = True) -> list[tuple[int, Window]]:
    """The windows that serving reads: (-1, …) for the empty target, (k, …) for target k."""
    own = windows(encoded.sentences, None, spec, context=context)
    found = [(-1, window) for window in own]
    for k, target in enumerate(encoded.targets):
        cut = target[: spec.max_target_tokens]
        found += [(k, window) for window in beside(own, encoded.sentences, cut, spec, context=context)]
    return found
