"""The floors a model must beat: always the most frequent answer, and TF-IDF with logistic regression."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import GroupKFold
from sklearn.multiclass import OneVsRestClassifier

from models.labels import NONE, SCHEME, STANCES, VOICES, Scheme
from models.tags import best
from models.text import normalise
from training.articles import LabelledArticle, LabelledSentence
from training.gold import single, type_set
from training.predictions import Answered, Said

Reads = Literal["both", "target", "sentence"]
Floats = NDArray[np.float64]

_THRESHOLDS = tuple(step / 20 for step in range(3, 16))
_FOLDS = 3


class Majority:
    """Gives every sentence the most frequent answers of the training articles."""

    def __init__(self, types: frozenset[str], voice: str, stance: str) -> None:
        self.types, self.voice, self.stance = types, voice, stance

    @classmethod
    def fit(cls, articles: Sequence[LabelledArticle], scheme: Scheme = SCHEME) -> Self:
        """Count the answers."""
        sentences = [sentence for article in articles for sentence in article.sentences]
        types = Counter(name for s in sentences for name in type_set(s, scheme) or ())
        voices = Counter(voice for s in sentences if (voice := single(s.voice)))
        stances = Counter(stance for s in sentences for a in s.stances if (stance := single(a)))
        return cls(frozenset((_most(types, NONE),)), _most(voices, VOICES[0]), _most(stances, STANCES[-1]))

    def answer(self, articles: Sequence[LabelledArticle]) -> list[Answered]:
        """The same tags for every sentence."""
        return [Answered(a, tuple(self._said(len(a.targets)) for _ in a.sentences)) for a in articles]

    def _said(self, targets: int) -> Said:
        return Said(
            types=self.types,
            primary=next(iter(self.types)),
            voice=self.voice,
            type_scores={name: 1.0 for name in self.types},
            voice_scores={self.voice: 1.0},
            stances=(self.stance,) * targets,
            stance_scores=({self.stance: 1.0},) * targets,
        )


def _most(counted: Counter[str], otherwise: str) -> str:
    return counted.most_common(1)[0][0] if counted else otherwise


class Linear:
    """TF-IDF of words and characters with logistic regression, one model a head, each sentence alone.

    For stance the features are the sentence's, the target's and what the two share; `reads` leaves one of
    them out, to show how far a model gets that never compares them.
    """

    def __init__(self, reads: Reads, scheme: Scheme) -> None:
        self.reads, self.scheme = reads, scheme
        self.vectors = (
            TfidfVectorizer(sublinear_tf=True, min_df=2, token_pattern=r"\S+"),
            TfidfVectorizer(sublinear_tf=True, min_df=3, analyzer="char_wb", ngram_range=(2, 4), max_features=30000),
        )
        self.types: Any = OneVsRestClassifier(_regression())
        self.voice: Any = _regression()
        self.stance: Any = _regression()
        self.threshold = 0.5

    @classmethod
    def fit(cls, articles: Sequence[LabelledArticle], *, reads: Reads = "both", scheme: Scheme = SCHEME) -> Self:
        """Train on every item whose label is a single answer.

        With `reads` other than `both` only stance is learned.
        """
        model = cls(reads, scheme)
        sentences = [sentence for article in articles for sentence in article.sentences]
        texts = [_clean(sentence.text) for sentence in sentences]
        targets = [_clean(target) for article in articles for target in article.targets]
        for vectors in model.vectors:
            vectors.fit(texts + targets)
        x = model._features(texts)
        if reads == "both":
            groups = [i for i, article in enumerate(articles) for _ in article.sentences]
            model._fit_sentences(x, sentences, groups)
        model._fit_stance(x, articles)
        return model

    def _fit_sentences(self, x: csr_matrix, sentences: Sequence[LabelledSentence], groups: Sequence[int]) -> None:
        types = [type_set(sentence, self.scheme) for sentence in sentences]
        rows = [i for i, found in enumerate(types) if found is not None]
        if rows:
            marks = np.array([[name in (types[i] or ()) for name in self.scheme.type_ids] for i in rows], dtype=int)
            self.threshold = self._best_threshold(x[rows], marks, [groups[i] for i in rows])
            self.types = _fit_types(x[rows], marks)
        voices = [single(sentence.voice) for sentence in sentences]
        rows = [i for i, voice in enumerate(voices) if voice is not None]
        if rows:
            self.voice.fit(x[rows], [voices[i] for i in rows])

    def _best_threshold(self, x: csr_matrix, marks: NDArray[np.int_], groups: Sequence[int]) -> float:
        """The one threshold with the best macro-F1 on predictions for articles left out of the fit."""
        if len(set(groups)) < _FOLDS:
            return self.threshold
        folds = GroupKFold(_FOLDS).split(x, groups=groups)
        scores = np.zeros(marks.shape)
        for fitted, left in folds:
            scores[left] = _fit_types(x[fitted], marks[fitted]).predict_proba(x[left])
        found = [f1_score(marks, scores >= t, average="macro", zero_division=0.0) for t in _THRESHOLDS]
        return _THRESHOLDS[int(np.argmax(found))]

    def _fit_stance(self, x: csr_matrix, articles: Sequence[LabelledArticle]) -> None:
        sentence_rows, targets, labels = [], [], []
        row = 0
        for article in articles:
            for sentence in article.sentences:
                for target, allowed in zip(article.targets, sentence.stances, strict=True):
                    if stance := single(allowed):
                        sentence_rows.append(row)
                        targets.append(_clean(target))
                        labels.append(stance)
                row += 1
        if labels:
            self.stance.fit(self._pair(x, sentence_rows, targets), labels)

    def _features(self, texts: Sequence[str]) -> csr_matrix:
        return hstack([vectors.transform(texts) for vectors in self.vectors]).tocsr()

    def _pair(self, x: csr_matrix, rows: Sequence[int], targets: Sequence[str]) -> csr_matrix:
        if self.reads == "sentence":
            return x[rows]
        names = list(dict.fromkeys(targets))
        place = {name: i for i, name in enumerate(names)}
        t = self._features(names)[[place[target] for target in targets]]
        if self.reads == "target":
            return t
        s = x[rows]
        shared = s.multiply(t).tocsr()
        return hstack([s, t, shared, csr_matrix(_overlaps(s, t, shared))]).tocsr()

    def answer(self, articles: Sequence[LabelledArticle]) -> list[Answered]:
        """Tags for every sentence; heads that were never learned answer with their first label."""
        sentences = [sentence for article in articles for sentence in article.sentences]
        x = self._features([_clean(sentence.text) for sentence in sentences])
        types = self._probabilities(self.types, x, self.scheme.type_ids)
        voices = self._probabilities(self.voice, x, VOICES)
        rows, targets, row = [], [], 0
        for article in articles:
            for _ in article.sentences:
                rows += [row] * len(article.targets)
                targets += [_clean(target) for target in article.targets]
                row += 1
        stances = self._probabilities(self.stance, self._pair(x, rows, targets), STANCES) if rows else []
        given, asked = iter(zip(types, voices, strict=True)), iter(stances)
        answered = []
        for article in articles:
            said = tuple(
                self._said(*next(given), tuple(next(asked) for _ in article.targets)) for _ in article.sentences
            )
            answered.append(Answered(article, said))
        return answered

    @staticmethod
    def _probabilities(model: Any, x: csr_matrix, labels: Sequence[str]) -> list[dict[str, float]]:
        """Probability by label, row by row; a head that was never fitted is even."""
        if not hasattr(model, "classes_"):
            return [dict.fromkeys(labels, 1 / len(labels))] * x.shape[0]
        places = [str(name) for name in model.classes_]
        # One-versus-rest numbers its outputs, the others name them.
        names = list(labels) if isinstance(model, OneVsRestClassifier) else places
        table = model.predict_proba(x)
        return [dict.fromkeys(labels, 0.0) | dict(zip(names, map(float, row), strict=True)) for row in table]

    def _said(self, types: dict[str, float], voice: dict[str, float], stances: tuple[dict[str, float], ...]) -> Said:
        chosen = frozenset(name for name, score in types.items() if score >= self.threshold)
        none = float(np.prod([1 - score for score in types.values()]))
        return Said(
            types=chosen or frozenset((NONE,)),
            primary=best(types) if chosen else NONE,
            voice=best(voice),
            type_scores={**types, NONE: none},
            voice_scores=voice,
            stances=tuple(best(scores) for scores in stances),
            stance_scores=stances,
        )


def _clean(text: str) -> str:
    return normalise(text, "arabert-v02")


def _fit_types(x: csr_matrix, marks: NDArray[np.int_]) -> Any:
    with warnings.catch_warnings():
        # A type that a small corpus never has gets the constant answer that the warning announces.
        warnings.filterwarnings("ignore", message="Label .* is present in all training examples")
        return OneVsRestClassifier(_regression()).fit(x, marks)


def _regression() -> LogisticRegression:
    return LogisticRegression(C=4.0, max_iter=300, tol=1e-3, class_weight="balanced")


def _overlaps(sentence: csr_matrix, target: csr_matrix, shared: csr_matrix) -> Floats:
    """Per pair: cosine of the two, and the share of the target's features that the sentence has."""
    counted = np.maximum(target.getnnz(axis=1), 1)
    return np.stack([np.asarray(shared.sum(axis=1)).ravel(), shared.getnnz(axis=1) / counted], axis=1)
