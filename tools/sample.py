"""Which articles to label next: those the model is unsure of, unlike one another."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from models.errors import ConfigError

_FEATURES = 50_000


def uncertainty(reply: Mapping[str, Any]) -> float:
    """How unsure a reply with all scores is, from 0 to 1: mean over its sentences of the mean over the heads.

    A head's share is its entropy relative to the largest it could have; for the types, the mean over them.
    """
    sentences = [_unsure(sentence) for sentence in reply["sentences"]]
    return sum(sentences) / len(sentences) if sentences else 0.0


def _unsure(s: Mapping[str, Any]) -> float:
    types = [_entropy([p, 1 - p]) for p in s["type_scores"].values()]
    heads = [sum(types) / len(types), _entropy(list(s["voice"]["scores"].values()))]
    stances = [_entropy(list(st["scores"].values())) for st in s["stances"] if st.get("scores")]
    if stances:
        heads.append(sum(stances) / len(stances))
    return sum(heads) / len(heads)


def _entropy(probabilities: Sequence[float]) -> float:
    return -sum(p * math.log(p) for p in probabilities if p > 0) / math.log(len(probabilities))


def pick(texts: Sequence[str], unsure: Sequence[float], count: int, *, seed: int = 0) -> list[int]:
    """Indexes of `count` articles: one of each of as many clusters of alike texts, weighted by uncertainty.

    Unsure articles pull the clusters' middles towards themselves; the one nearest to each middle, among the more
    unsure half of its cluster, is picked. Most unsure first.
    """
    if count >= len(texts):
        return sorted(range(len(texts)), key=lambda i: -unsure[i])
    picked = _one_of_each(texts, unsure, count, seed)
    # Clusters that came out empty leave room for the most unsure of the rest.
    rest = sorted(set(range(len(texts))) - set(picked), key=lambda i: -unsure[i])
    return sorted([*picked, *rest[: count - len(picked)]], key=lambda i: -unsure[i])


def _one_of_each(texts: Sequence[str], unsure: Sequence[float], count: int, seed: int) -> list[int]:
    try:
        import numpy as np
        from sklearn.cluster import MiniBatchKMeans
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.feature_extraction.text import TfidfVectorizer
    except ImportError as error:
        raise ConfigError('qawl annotate sample needs scikit-learn: pip install "qawl[train]"') from error
    vectors = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 4), max_features=_FEATURES, sublinear_tf=True)
    matrix = vectors.fit_transform(texts)
    weights = np.asarray(unsure) + 1e-6
    with warnings.catch_warnings():
        # Fewer different texts than clusters: the rest is filled up by the caller.
        warnings.simplefilter("ignore", ConvergenceWarning)
        clusters = MiniBatchKMeans(count, random_state=seed, n_init=3).fit(matrix, sample_weight=weights)
    distance = clusters.transform(matrix)[np.arange(len(texts)), clusters.labels_]
    picked = []
    for cluster in range(count):
        members = np.flatnonzero(clusters.labels_ == cluster)
        if len(members):
            half = members[np.argsort(-weights[members], kind="stable")][: (len(members) + 1) // 2]
            picked.append(int(half[np.argmin(distance[half])]))
    return picked
